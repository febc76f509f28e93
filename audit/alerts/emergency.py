"""The alert that needs no database: events cannot be written, so this one goes out from memory (S44, F5).

It cannot be stored, sequenced or claimed, so each process sends its own.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from audit.alerts.messages import Message, compose
from audit.alerts.receivers import DeliveryFailed, Receiver
from audit.alerts.rules import AUDIT_WRITING
from audit.alerts.values import AlertSettings, Purpose, StoredAlert
from audit.tables import events
from base.clock import Clock
from base.database import Database
from base.errors import StorageUnavailable
from base.ids import new_id

log = logging.getLogger("ostiary.alerts")

# Shorter troubles end by themselves before anybody could look.
PATIENCE = timedelta(seconds=5)
# So long without a failure, and a write that went well, and it is over.
CALM = timedelta(seconds=10)
TRIES_AGAIN = timedelta(seconds=30)
PROBE_S = 2.0
STOP_S = 5.0


@dataclass(slots=True)
class _Trouble:
    """A time in which events could not be written."""

    id: bytes
    since: datetime
    last: datetime
    failures: int = 0
    told_at: datetime | None = None


class EmergencyAlert:
    """One process's watch over its own failures. `count` is how many requests were refused since the start because
    what they changed could not be written; `probe` writes something, or raises StorageUnavailable."""

    def __init__(
        self,
        count: Callable[[], int],
        probe: Callable[[], Awaitable[None]],
        receivers: Sequence[Receiver],
        settings: AlertSettings,
        clock: Clock,
    ) -> None:
        self._count = count
        self._probe = probe
        self._receivers = tuple(receivers)
        self._settings = settings
        self._clock = clock
        self._seen = count()
        self._trouble: _Trouble | None = None
        # Who has still to be told, and what; each is tried again until it takes the message, or it is over.
        self._untold: dict[str, tuple[Message, datetime]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def round(self) -> None:
        """Looks at the count. Waits for no receiver, and for the database two seconds at most."""
        now, count = self._clock(), self._count()
        failed, self._seen = count - self._seen, count
        trouble = self._trouble
        if failed and trouble is None:
            trouble = self._trouble = _Trouble(new_id(now), now, now)
        if trouble is not None:
            trouble.failures += failed
            if failed or not await self._can_write():
                trouble.last = now
            self._judge(trouble, now)
        self._send_untold(now)

    async def finish(self) -> None:
        """Waits for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Gives what is under way a moment."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)
        for task in self._tasks:
            task.cancel()
        await self.finish()

    def _judge(self, trouble: _Trouble, now: datetime) -> None:
        if now - trouble.last >= CALM:
            self._trouble = None
            if trouble.told_at is not None:
                log.warning("events are written again; %s requests were refused meanwhile", trouble.failures)
                self._tell(trouble, Purpose.OVER, now)
        elif trouble.last - trouble.since > PATIENCE and (
            trouble.told_at is None or now - trouble.told_at >= self._settings.quiet
        ):
            log.critical(
                "the audit log cannot be written since %s: whoever changes something is refused (503)",
                trouble.since.isoformat(timespec="seconds"),
            )
            trouble.told_at = now
            self._tell(trouble, Purpose.OPENED, now)

    def _tell(self, trouble: _Trouble, purpose: Purpose, now: datetime) -> None:
        alert = StoredAlert(
            id=trouble.id,
            rule=AUDIT_WRITING.name,
            topic="",
            severity=AUDIT_WRITING.severity.value,
            opened_at=trouble.since,
            last_at=trouble.last,
            count=trouble.failures,
            first_event=None,
            last_event=None,
            facts={},
            acknowledged_at=None,
            acknowledged_by=None,
            escalated_at=None,
        )
        message = compose(
            alert, None, delivery=os.urandom(16).hex(), purpose=purpose, names={}, settings=self._settings, now=now
        )
        self._untold = {receiver.name: (message, now) for receiver in self._receivers}

    def _send_untold(self, now: datetime) -> None:
        for receiver in self._receivers:
            message, due_at = self._untold.get(receiver.name, (None, now))
            if message is not None and due_at <= now:
                self._untold[receiver.name] = message, now + TRIES_AGAIN
                task = asyncio.create_task(self._send(receiver, message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _send(self, receiver: Receiver, message: Message) -> None:
        try:
            async with asyncio.timeout(TRIES_AGAIN.total_seconds()):
                await receiver.send(message)
        except (DeliveryFailed, TimeoutError) as failure:
            words = "%s did not take the alert that the audit log cannot be written: %s"
            log.error(words, receiver.shown, failure)  # noqa: TRY400 - where it came from is no riddle
            return
        except Exception:
            # A fault of ours; it must be seen, and the next round tries again.
            log.exception("%s cannot be told that the audit log cannot be written", receiver.shown)
            return
        # A later message may have taken its place meanwhile.
        if self._untold.get(receiver.name, (None,))[0] is message:
            del self._untold[receiver.name]

    async def _can_write(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_S):
                await self._probe()
        except (StorageUnavailable, TimeoutError):
            return False
        return True


def make_probe(database: Database) -> Callable[[], Awaitable[None]]:
    """Writes the newest event as it is already: what a full disk, or a log that is read-only or gone, refuses."""
    newest = select(events.c.id).order_by(events.c.at.desc()).limit(1).scalar_subquery()
    write = update(events).where(events.c.id == newest).values(outcome=events.c.outcome)

    async def probe() -> None:
        async with database.transaction() as db:
            await db.execute(write)

    return probe
