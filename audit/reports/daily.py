"""The daily round: yesterday's report, once, by one process of the deployment, at the set hour or as soon as it can."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reports.compose import DAILY, compose_daily
from audit.reports.model import Report
from audit.reports.scope import Sections
from audit.reports.store import has_events_before, has_report, keep_report, remove_old
from audit.services import AuditServices
from base.leases import Lease, LeaseLost

log = logging.getLogger("ostiary.reports")

LEASE = timedelta(minutes=5)
_DAY = timedelta(days=1)
ACTOR = "system"

# Tells who is to be told, in the transaction that stores the report.
Tell = Callable[[AsyncConnection, Report], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DailySettings:
    """When the report of the day before is made (UTC), whether at all, in which language, and how long it is kept."""

    is_on: bool
    at: time
    language: str
    keep: timedelta


class DailyReport:
    """One process's part: only the one that holds the lease `reports` makes the report.

    After days without a server only the last day's report is made up for; the others can be had by command.
    """

    def __init__(self, audit: AuditServices, sections: Sections, settings: DailySettings, *, tell: Tell) -> None:
        self._audit = audit
        self._sections = sections
        self._settings = settings
        self._tell = tell
        self._lease = Lease(audit.database, "reports", ttl=LEASE)
        # The day whose report is known to be there, so that most rounds ask nothing.
        self._done: datetime | None = None

    async def round(self) -> None:
        """Makes what is due; raises StorageUnavailable."""
        now = self._audit.clock()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        # Before the hour, the report of the day before yesterday may be the one that is missing.
        latest = today if now.time() >= self._settings.at else today - _DAY
        if self._done == latest or not await self._lease.take(now):
            return
        try:
            if self._settings.is_on:
                await self._make(latest - _DAY, now)
            await self._remove_old(now)
        except LeaseLost:
            return
        self._done = latest

    async def stop(self) -> None:
        """Lets another process go on."""
        await self._lease.give_back(self._audit.clock())

    async def _make(self, day: datetime, now: datetime) -> None:
        async with self._audit.database.reading() as db:
            if await has_report(db, DAILY, day.date(), now=now) or not await has_events_before(db, day + _DAY):
                return
        language = self._settings.language
        report = await compose_daily(self._audit, self._sections, day.date(), language=language, made_by=ACTOR, now=now)
        async with self._audit.database.transaction() as db:
            await self._lease.confirm(db, self._audit.clock())
            await keep_report(db, self._audit.emitter, report, actor=ACTOR, now=now)
            await self._tell(db, report)
        log.info("the report of %s is made: %s", day.date(), report.id)

    async def _remove_old(self, now: datetime) -> None:
        async with self._audit.database.transaction() as db:
            await self._lease.confirm(db, self._audit.clock())
            await remove_old(db, before=now - self._settings.keep)


async def tell_nobody(_: AsyncConnection, __: Report) -> None:
    """Where no mail address is set."""
