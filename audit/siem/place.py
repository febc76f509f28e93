"""How far an exporter has come: its own cursor, its turn among the processes, and how far it lags behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.numbering import LEDGER
from audit.reading import EventReader, StoredEvent, read_from
from audit.services import AuditServices
from audit.tables import events
from base.cursors import load_cursor, move_cursor
from base.leases import Lease, LeaseLost
from base.sequencer import next_number

# Longer than a receiver that does not answer can hold up the next write.
_LEASE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Lag:
    """How many numbered events a receiver does not have yet, and for how many seconds the oldest waits."""

    events: int
    seconds: float


class ExportPlace:
    """One exporter's place in the numbered events. Begins with the oldest event that the log still holds."""

    def __init__(self, audit: AuditServices, name: str) -> None:
        self.name = name
        self.lag: Lag | None = None
        self._audit = audit
        self._lease = Lease(audit.database, name, ttl=_LEASE)

    async def take(self) -> bool:
        """Whether it is this process that exports now; where it is another, the lag is that one's to tell."""
        mine = await self._lease.take(self._audit.clock())
        if not mine:
            self.lag = None
        return mine

    async def give_back(self) -> None:
        """Lets another process go on at once."""
        self.lag = None
        await self._lease.give_back(self._audit.clock())

    async def load(self) -> int:
        """The number of the first event that is not known to have arrived."""
        async with self._audit.database.reading() as db:
            number = await load_cursor(db, self.name)
        if number is None:
            # Written down before anything is sent, so that retention knows that somebody still has to read.
            await self.move(0)
        return number or 0

    async def read(self, first: int, *, limit: int) -> list[StoredEvent]:
        """At most `limit` events from the number `first` on."""
        # A reader of its own each time: a person who is erased now is erased in the next batch.
        reader = EventReader(self._audit.sealer)
        async with self._audit.database.reading() as db:
            return await read_from(db, reader, first, limit=limit)

    async def move(self, following: int) -> None:
        """Remembers that everything before `following` has arrived; raises LeaseLost."""
        now = self._audit.clock()
        try:
            async with self._audit.database.transaction() as db:
                await self._lease.confirm(db, now)
                await move_cursor(db, self.name, following, now=now)
        except LeaseLost:
            self.lag = None
            raise

    async def measure(self, cursor: int, *, has_all: bool) -> None:
        """Looks how far behind the newest event the cursor is; where the receiver has all, nothing is asked."""
        if has_all:
            self.lag = Lag(0, 0.0)
            return
        now = self._audit.clock()
        async with self._audit.database.reading() as db:
            newest = await next_number(db, LEDGER) or 0
            oldest = await _oldest(db, cursor) if newest > cursor else None
        waits = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
        self.lag = Lag(max(newest - cursor, 0), waits)


def following(batch: Sequence[StoredEvent]) -> int:
    """The number behind a batch."""
    last = batch[-1].seq
    if last is None:
        raise ValueError("an event without a number was read as a numbered one")
    return last + 1


async def _oldest(db: AsyncConnection, first: int) -> datetime | None:
    query = select(events.c.at).where(events.c.seq >= first).order_by(events.c.seq).limit(1)
    at: datetime | None = (await db.execute(query)).scalar_one_or_none()
    return at
