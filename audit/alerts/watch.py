"""Watches the numbered events: one process at a time, from its own cursor, so that a restart loses and doubles nothing.

Alerts, the messages that they promise, and the cursor's move are one transaction, which confirms the lease.
"""

# ruff: noqa: S608 - hot statements are put together from constants of this file; values travel as parameters

import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.alerts.rules import OF_ADMINISTRATORS, OURS, WATCHED, WINDOW
from audit.alerts.store import IS_UNANSWERED, escalate, raise_alert, unanswered_between
from audit.alerts.values import AlertSettings
from audit.alerts.windows import Burst, Windows, gather
from audit.catalogue import Severity
from audit.ledger.numbering import LEDGER
from audit.reading import EventReader, StoredEvent
from audit.services import AuditServices
from audit.tables import events
from base.cursors import load_cursor, move_cursor
from base.leases import Lease, LeaseLost
from base.sequencer import next_number
from base.statements import Statement

log = logging.getLogger("ostiary.alerts")

NAME = "alerts"
# Which of these public ids (`usr_…`) are administrators.
FindAdministrators = Callable[[AsyncConnection, Collection[str]], Awaitable[frozenset[str]]]
# Numbers that are looked at in one transaction, and transactions in one round.
SPAN = 1000
MOST_STEPS = 20
# The events that fill the memory of a process that takes over.
MOST_REMEMBERED = 20_000
# The first watch of a deployment begins with what happened lately: an old log must not ring.
_BEGINS_WITH = timedelta(minutes=5)
_ASKS_EVERY = timedelta(seconds=1)
# Asked twice a second, mostly in vain.
_BEHIND = (
    "SELECT 1 FROM sequences s LEFT JOIN cursors c ON c.name = {mine} WHERE s.name = {numbered}"
    " AND (c.next IS NULL OR c.next <> s.next)"
)
_IS_BEHIND = Statement(
    name="alerts behind",
    columns=(("mine", "text"), ("numbered", "text")),
    sqlite=(_BEHIND.format(mine=":mine", numbered=":numbered"),),
    postgres=f"SELECT n, 1 FROM input WHERE EXISTS ({_BEHIND.format(mine='input.mine', numbered='input.numbered')})",
)
_LONGEST_TOPIC = 200


class AlertWatch:
    """One process's part. `receivers` are the names of those who get what is opened, `last` those who get it when
    nobody acknowledged."""

    def __init__(
        self,
        audit: AuditServices,
        settings: AlertSettings,
        find_administrators: FindAdministrators,
        *,
        receivers: tuple[str, ...],
        last: tuple[str, ...],
    ) -> None:
        self._audit = audit
        self._settings = settings
        self._find_administrators = find_administrators
        self._receivers = receivers
        self._last = last
        self._lease = Lease(audit.database, NAME)
        # What is remembered, and up to which number; it counts for that number alone. None: to be filled first.
        self._remembered: tuple[int, Windows] | None = None
        self._asked_at: datetime | None = None

    async def round(self) -> None:
        """Judges what is new and escalates what nobody answered, where this process holds the lease."""
        now = self._audit.clock()
        is_behind, is_unanswered = await self._is_behind(), await self._is_unanswered(now)
        # The lease is a write: while nothing is to be done, none is asked for.
        if not (is_behind or is_unanswered) or not await self._lease.take(now):
            return
        try:
            for _ in range(MOST_STEPS):
                if not await self._is_behind() or not await self._step():
                    break
            if is_unanswered:
                await self._escalate()
        except LeaseLost:
            self._remembered = None

    async def stop(self) -> None:
        """Lets another process go on at once."""
        await self._lease.give_back(self._audit.clock())

    async def _step(self) -> bool:
        """Judges the next numbers; whether there were any."""
        now = self._audit.clock()
        async with self._audit.database.reading() as db:
            # Read first: what another process moves meanwhile is not ahead of the log.
            stored = await load_cursor(db, NAME)
            end = await next_number(db, LEDGER) or 0
            first = await self._first(db, stored, end, now)
            if first is None or first == stored == end:
                return False
            end = min(end, first + SPAN)
            found = await self._read(db, events.c.seq >= first, events.c.seq < end)
            administrators = await self._administrators(db, found)
            # Whoever else watched in between has moved the cursor on.
            known_to, windows = self._remembered or (-1, None)
            if windows is None or known_to != first:
                windows = await self._fill(db, first, now)
        # Given back when everything is stored: memory that knows what the database does not would never say it.
        self._remembered = None
        bursts = gather(each for event in found for each in windows.judge(event, administrators, now=now))
        async with self._audit.database.transaction() as db:
            await self._lease.confirm(db, now)
            for burst in bursts:
                await self._open(db, burst, now=now)
            await move_cursor(db, NAME, end, now=now)
        self._remembered = end, windows
        return True

    async def _first(self, db: AsyncConnection, stored: int | None, end: int, now: datetime) -> int | None:
        """The first number to be judged: where the cursor stands, unless there is none or it is ahead of the log."""
        if stored is not None and stored <= end:
            return stored
        if stored is not None:
            log.warning(
                "the alerts' cursor says %d, and the log ends at %d: it was changed by hand, or restored without the"
                " log; the watch begins anew with what happened in the last %d minutes",
                stored,
                end,
                _BEGINS_WITH.total_seconds() // 60,
            )
        return await _begin(db, now)

    async def _is_behind(self) -> bool:
        return await self._audit.database.find(_IS_BEHIND, (NAME, LEDGER)) is not None

    async def _open(self, db: AsyncConnection, burst: Burst, *, now: datetime) -> None:
        fired, event, topic = burst.first, burst.last.event, burst.first.topic
        if fired.rule.hides_topic and not fired.is_many:
            topic = self._audit.emitter.index("address", topic).hex()
        if len(topic) > _LONGEST_TOPIC:
            topic = topic[: _LONGEST_TOPIC - 64] + sha256(topic.encode()).hexdigest()
        facts = {
            "event": event.name,
            "actor": event.actor,
            "subject": None if fired.is_many else event.subject,
            "client": event.client_id,
            "source": event.source,
            "is_many": fired.is_many,
            "first_seq": fired.event.seq,
            "last_seq": event.seq,
        }
        await raise_alert(
            db,
            rule=fired.rule.name,
            topic=topic,
            severity=fired.rule.severity.value,
            first_event=fired.event.id,
            last_event=event.id,
            at=fired.at,
            last_at=max(fired.at, burst.last.at),
            before=fired.count - 1,
            times=burst.times,
            facts=facts,
            settings=self._settings,
            receivers=self._receivers,
            now=now,
        )

    async def _is_unanswered(self, now: datetime) -> bool:
        if self._asked_at is not None and self._asked_at <= now < self._asked_at + _ASKS_EVERY:
            return False
        self._asked_at = now
        return await self._audit.database.find(IS_UNANSWERED, unanswered_between(self._settings, now)) is not None

    async def _escalate(self) -> None:
        now = self._audit.clock()
        async with self._audit.database.transaction() as db:
            await self._lease.confirm(db, now)
            await escalate(db, self._settings, self._last, now=now)

    async def _fill(self, db: AsyncConnection, first: int, now: datetime) -> Windows:
        """The memory of what lies within the window before the number `first`."""
        windows = Windows(self._settings.limits)
        newest = select(func.max(events.c.at)).where(events.c.seq >= first - SPAN, events.c.seq < first)
        until: datetime | None = (await db.execute(newest)).scalar_one()
        if until is not None:
            begins = events.c.at > until - WINDOW
            for source in (events.c.source == OURS, events.c.source != OURS):
                before = await self._read(db, begins, events.c.seq < first, source, newest=MOST_REMEMBERED)
                windows.remember(before, await self._administrators(db, before), now=now)
        return windows

    async def _read(
        self, db: AsyncConnection, *where: ColumnElement[bool], newest: int | None = None
    ) -> list[StoredEvent]:
        """The events that a rule may look at, in order."""
        # Joined to an empty text, so that no index on severity or name is taken in place of the numbers'.
        severity, name = events.c.severity.concat(""), events.c.name.concat("")
        is_watched = and_(name.in_(WATCHED), events.c.source == OURS)
        query = select(events).where(*where, or_(severity == Severity.HIGH.value, is_watched))
        if newest is None:
            rows = (await db.execute(query.order_by(events.c.seq))).mappings().all()
        else:
            rows = (await db.execute(query.order_by(events.c.seq.desc()).limit(newest))).mappings().all()[::-1]
        return await EventReader(self._audit.sealer).open_all(db, rows)

    async def _administrators(self, db: AsyncConnection, found: list[StoredEvent]) -> frozenset[str]:
        people = {event.subject for event in found if event.name in OF_ADMINISTRATORS and event.subject}
        return await self._find_administrators(db, people) if people else frozenset()


async def _begin(db: AsyncConnection, now: datetime) -> int | None:
    """The first number that a deployment's first watch looks at; None while an old log is still being numbered."""
    since = now - _BEGINS_WITH
    waiting = select(exists().where(events.c.seq.is_(None), events.c.at < since).select_from(events))
    if (await db.execute(waiting)).scalar():
        return None
    recent = select(func.min(events.c.seq)).where(events.c.at >= since)
    first: int | None = (await db.execute(recent)).scalar_one()
    return await next_number(db, LEDGER) if first is None else first
