"""Watches the numbered events: one process at a time, from its own cursor, so that a restart loses and doubles nothing.

Alerts, the messages that they promise, and the cursor's move are one transaction, which confirms the lease.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.alerts.opening import open_readable
from audit.alerts.rules import WATCHED, WINDOW
from audit.alerts.store import escalate, is_unanswered, raise_alert
from audit.alerts.values import AlertSettings
from audit.alerts.windows import Burst, Windows, gather
from audit.catalogue import DEVICE_ADDED, Severity
from audit.ledger.numbering import LEDGER
from audit.reading import StoredEvent
from audit.services import AuditServices
from audit.tables import alerts, events
from base.cursors import load_cursor, move_cursor
from base.leases import Lease, LeaseLost
from base.sequencer import next_number

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
        # None: to be filled from the database before the next event is judged.
        self._windows: Windows | None = None
        self._asked_at: datetime | None = None

    async def round(self) -> None:
        """Judges what is new and escalates what nobody answered, where this process holds the lease."""
        if not await self._lease.take(self._audit.clock()):
            self._windows = None
            return
        try:
            for _ in range(MOST_STEPS):
                if not await self._step():
                    break
            await self._escalate()
        except LeaseLost:
            self._windows = None

    async def stop(self) -> None:
        """Lets another process go on at once."""
        await self._lease.give_back(self._audit.clock())

    async def _step(self) -> bool:
        """Judges the next numbers; whether there were any."""
        now = self._audit.clock()
        async with self._audit.database.reading() as db:
            end = await next_number(db, LEDGER) or 0
            first = await load_cursor(db, NAME)
            if first is None:
                first = await _begin(db, now)
            if first is None or first >= end:
                return False
            end = min(end, first + SPAN)
            found = await self._read(db, events.c.seq >= first, events.c.seq < end)
            administrators = await self._administrators(db, found)
            windows = self._windows or await self._fill(db, first)
        # Given back when everything is stored: memory that knows what the database does not would never say it.
        self._windows = None
        bursts = gather(each for event in found for each in windows.judge(event, administrators))
        async with self._audit.database.transaction() as db:
            await self._lease.confirm(db, now)
            for burst in bursts:
                await self._open(db, burst, now=now)
            await move_cursor(db, NAME, end, now=now)
        self._windows = windows
        return True

    async def _open(self, db: AsyncConnection, burst: Burst, *, now: datetime) -> None:
        fired, event, topic = burst.first, burst.last, burst.first.topic
        if topic is None:
            topic = f"{event.name} many"
        elif fired.rule.hides_topic:
            topic = self._audit.emitter.index("address", topic).hex()
        facts = {
            "event": event.name,
            "actor": event.actor,
            "subject": event.subject if fired.topic is not None else None,
            "client": event.client_id,
            "source": event.source,
            "is_many": fired.topic is None,
            "first_seq": fired.event.seq,
            "last_seq": event.seq,
        }
        await raise_alert(
            db,
            rule=fired.rule.name,
            topic=topic[:200],
            severity=fired.rule.severity.value,
            first_event=fired.event.id,
            last_event=event.id,
            at=fired.event.at,
            last_at=max(fired.event.at, event.at),
            before=fired.count - 1,
            times=burst.times,
            facts=facts,
            settings=self._settings,
            receivers=self._receivers,
            now=now,
        )

    async def _escalate(self) -> None:
        now = self._audit.clock()
        if self._asked_at is not None and self._asked_at <= now < self._asked_at + _ASKS_EVERY:
            return
        self._asked_at = now
        unanswered = select(exists().where(is_unanswered(self._settings, now)).select_from(alerts))
        async with self._audit.database.reading() as db:
            if not (await db.execute(unanswered)).scalar():
                return
        async with self._audit.database.transaction() as db:
            await self._lease.confirm(db, now)
            await escalate(db, self._settings, self._last, now=now)

    async def _fill(self, db: AsyncConnection, first: int) -> Windows:
        """The memory of what lies within the window before the number `first`."""
        windows = Windows(self._settings.limits)
        newest = select(func.max(events.c.at)).where(events.c.seq >= first - SPAN, events.c.seq < first)
        until: datetime | None = (await db.execute(newest)).scalar_one()
        if until is not None:
            begins = events.c.at > until - WINDOW
            before = await self._read(db, begins, events.c.seq < first, newest=MOST_REMEMBERED)
            windows.remember(before, await self._administrators(db, before))
        return windows

    async def _read(
        self, db: AsyncConnection, *where: ColumnElement[bool], newest: int | None = None
    ) -> list[StoredEvent]:
        """The events that a rule may look at, in order."""
        # Joined to an empty text, so that no index on severity or name is taken in place of the numbers'.
        severity, name = events.c.severity.concat(""), events.c.name.concat("")
        query = select(events).where(*where, or_(severity == Severity.HIGH.value, name.in_(WATCHED)))
        if newest is None:
            rows = (await db.execute(query.order_by(events.c.seq))).mappings().all()
        else:
            rows = (await db.execute(query.order_by(events.c.seq.desc()).limit(newest))).mappings().all()[::-1]
        return await open_readable(db, self._audit.sealer, rows)

    async def _administrators(self, db: AsyncConnection, found: list[StoredEvent]) -> frozenset[str]:
        people = {event.subject for event in found if event.name == DEVICE_ADDED.name and event.subject}
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
