"""Takes messages to their receivers, each in a task of its own: no request waits, and no receiver for another (F8).

Every process of a deployment may run one; a message is claimed by one of them. While the database is away, what was
sent already is remembered, and never sent again by this process.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.alerts import outgoing
from audit.alerts.messages import Message, compose, ids_in
from audit.alerts.outgoing import Delivery
from audit.alerts.receivers import DeliveryFailed, Receiver
from audit.alerts.store import list_alerts
from audit.alerts.values import AlertSettings, StoredAlert
from audit.reading import EventReader, StoredEvent
from audit.services import AuditServices
from audit.tables import events
from base.errors import StorageUnavailable

log = logging.getLogger("ostiary.alerts")

# What people call these public ids (`usr_…`, `cli_…`); those that nobody named are left out.
FindNames = Callable[[AsyncConnection, Collection[str]], Awaitable[Mapping[str, str]]]
# To one receiver at a time, so that one that hangs holds up its own messages alone.
MOST_AT_ONCE = 4
STOP_S = 5.0
_LOOKS_FOR_UNKNOWN = timedelta(minutes=10)


class AlertSending:
    """One process's sender. `chance` spreads retries; it is no secret."""

    def __init__(
        self,
        audit: AuditServices,
        settings: AlertSettings,
        receivers: Sequence[Receiver],
        find_names: FindNames,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._audit = audit
        self._settings = settings
        self._receivers = {receiver.name: receiver for receiver in receivers}
        self._find_names = find_names
        self._chance = chance
        self._tasks: dict[asyncio.Task[None], str] = {}
        # What became of messages that the database has not been told of yet: None where they were taken.
        self._outcomes: dict[Delivery, str | None] = {}
        self._settling = asyncio.Lock()
        self._troubled: set[str] = set()
        self._looked_at: datetime | None = None

    async def round(self) -> None:
        """Claims what is due, as far as hands are free, and begins to send it; waits for no receiver."""
        await self._settle()
        now = self._audit.clock()
        due = await outgoing.find_due(self._audit.database, now=now)
        for name in due & self._receivers.keys():
            free = MOST_AT_ONCE - list(self._tasks.values()).count(name)
            if free > 0:
                await self._begin(name, free, now)
        if due - self._receivers.keys():
            await self._give_up_unknown(now)

    async def finish(self) -> None:
        """Waits until everything under way has an outcome, and tells the database."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._settle()

    async def stop(self) -> None:
        """Gives what is under way a moment to arrive; the rest is sent by whoever comes next."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._settle()

    async def _begin(self, name: str, free: int, now: datetime) -> None:
        async with self._audit.database.transaction() as db:
            claimed = await outgoing.claim(db, name, limit=free, now=now)
        if not claimed:
            return
        async with self._audit.database.reading() as db:
            written = await prepare(db, self._audit, self._settings, self._find_names, claimed, now=now)
        for delivery in claimed:
            write = written.get(delivery)
            if write is not None:
                task = asyncio.create_task(self._send(self._receivers[name], delivery, write))
                self._tasks[task] = name
                task.add_done_callback(self._tasks.pop)

    async def _send(self, receiver: Receiver, delivery: Delivery, write: Callable[[], Message]) -> None:
        try:
            await receiver.send(write())
        except DeliveryFailed as failure:
            self._outcomes[delivery] = str(failure)
            self._complain(receiver, str(failure))
        except Exception as fault:
            # A fault of ours with one message must hold up no other; it is tried again, and given up in the end.
            log.exception("an alert cannot be sent to %s", receiver.shown)
            self._outcomes[delivery] = f"a fault of this server ({type(fault).__name__})"
        else:
            self._outcomes[delivery] = None
            self._tell_well(receiver)
        try:
            await self._settle()
        except StorageUnavailable:
            # The next round tries again, long before the claim ends.
            return

    async def _settle(self) -> None:
        """Tells the database what became of messages."""
        async with self._settling:
            known = dict(self._outcomes)
            if known:
                async with self._audit.database.transaction() as db:
                    await self._tell(db, known)
            for delivery in known:
                del self._outcomes[delivery]

    async def _tell(self, db: AsyncConnection, known: Mapping[Delivery, str | None]) -> None:
        now, emitter = self._audit.clock(), self._audit.emitter
        taken = [delivery.id for delivery, reason in known.items() if reason is None]
        if taken:
            await outgoing.mark_sent(db, taken, now=now)
        for delivery, reason in known.items():
            if reason is not None:
                await outgoing.put_off(db, emitter, delivery, reason, now=now, chance=self._chance())

    async def _give_up_unknown(self, now: datetime) -> None:
        if self._looked_at is not None and self._looked_at <= now < self._looked_at + _LOOKS_FOR_UNKNOWN:
            return
        async with self._audit.database.transaction() as db:
            await outgoing.give_up_unknown(db, self._audit.emitter, list(self._receivers), now=now)
        self._looked_at = now

    def _complain(self, receiver: Receiver, reason: str) -> None:
        """Says it once, until the receiver takes something: one that is away for a night must not fill the log."""
        if receiver.name not in self._troubled:
            log.warning("alerts to %s wait, and are tried again: %s", receiver.shown, reason)
        self._troubled.add(receiver.name)

    def _tell_well(self, receiver: Receiver) -> None:
        if receiver.name in self._troubled:
            log.warning("%s takes alerts again", receiver.shown)
        self._troubled.discard(receiver.name)


async def prepare(
    db: AsyncConnection,
    audit: AuditServices,
    settings: AlertSettings,
    find_names: FindNames,
    claimed: Sequence[Delivery],
    *,
    now: datetime,
) -> dict[Delivery, Callable[[], Message]]:
    """What puts each message into words; one whose alert was removed meanwhile is left out."""
    found = {alert.id: alert for alert in await list_alerts(db, ids=[each.alert_id for each in claimed], limit=1000)}
    newest = await load_events(db, audit, found.values())
    ids = set().union(*(ids_in(alert, newest.get(alert.id)) for alert in found.values()))
    names = await find_names(db, ids)
    return {
        delivery: partial(
            compose,
            found[delivery.alert_id],
            newest.get(delivery.alert_id),
            delivery=delivery.id.hex(),
            purpose=delivery.purpose,
            names=names,
            settings=settings,
            now=now,
        )
        for delivery in claimed
        if delivery.alert_id in found
    }


async def load_events(
    db: AsyncConnection, audit: AuditServices, found: Collection[StoredAlert]
) -> Mapping[bytes, StoredEvent]:
    """The newest event of each alert, by the alert's id, as far as it is still there."""
    wanted = [alert.last_event for alert in found if alert.last_event is not None]
    rows = (await db.execute(select(events).where(events.c.id.in_(wanted)))).mappings().all()
    # Its keys are kept for this call alone: one that was destroyed meanwhile must not open.
    opened = {event.id: event for event in await EventReader(audit.sealer).open_all(db, rows)}
    return {alert.id: opened[alert.last_event] for alert in found if alert.last_event in opened}
