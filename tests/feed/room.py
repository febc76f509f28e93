"""The feed by itself: a database, clocks that can be moved, and a log that is checked by a naive reading of it."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select

from base.database import Database
from base.sequencer import Sequencer
from base.tables import sequences
from feed.board import FollowerBoard
from feed.callers import Follower
from feed.documents import Documents
from feed.entries import Entry, Kind, publish_all
from feed.hub import FeedHub
from feed.numbering import ensure_epoch, make_sequencer
from feed.tables import feed
from feed.wire import Position
from tests.world import MovableClock

ISSUER = "https://id.example.com"
DAY = timedelta(days=1)


@dataclass
class Monotonic:
    """A process's monotonic clock, moved by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Room:
    """One deployment's feed, and what tests do with it."""

    database: Database
    clock: MovableClock
    monotonic: Monotonic = field(default_factory=Monotonic)

    async def publish(self, count: int = 1, *, lasting: timedelta = DAY, **parts: object) -> None:
        """New entries about grants that nobody else speaks of, or with other parts."""
        now = self.clock()
        made: dict[str, object] = {"kind": Kind.GRANT, "expires_at": now + lasting, **parts}
        entries = [Entry(**{"subject": f"grt_{now:%H%M%S%f}_{place}", **made}) for place in range(count)]  # type: ignore[arg-type]
        async with self.database.transaction() as db:
            await publish_all(db, entries, now=now)

    def sequencer(self) -> Sequencer:
        """One process's part in numbering; patience goes by `monotonic`."""
        made = make_sequencer(self.database, self.clock, ISSUER)
        made._monotonic = self.monotonic
        return made

    def hub(self) -> FeedHub:
        """One process's hub. Its heads are plain JSON here: who signs is no matter of the hub."""
        return FeedHub(
            self.database, self.sequencer(), issuer=ISSUER, sign=json.dumps, clock=self.clock, monotonic=self.monotonic
        )

    def documents(self, hub: FeedHub) -> Documents:
        """Snapshot and delta of one process."""
        return Documents(hub, FollowerBoard(self.database, self.clock), self.clock)

    async def epoch(self) -> str:
        async with self.database.reading() as db:
            query = select(sequences.c.epoch).where(sequences.c.name == "feed")
            return bytes((await db.execute(query)).scalar_one()).hex()

    async def lines(self) -> list[bytes]:
        async with self.database.reading() as db:
            query = select(feed.c.line).where(feed.c.seq.is_not(None)).order_by(feed.c.seq)
            return [bytes(line) for line in (await db.execute(query)).scalars()]

    async def unnumbered(self) -> int:
        async with self.database.reading() as db:
            return len((await db.execute(select(feed.c.id).where(feed.c.seq.is_(None)))).all())

    async def check_whole(self, *, begins_with: int = 1) -> Position:
        """Numbers without gaps, lines that say what the rows say, and the chain as docs/feed.md tells it."""
        epoch = await self.epoch()
        async with self.database.reading() as db:
            rows = (await db.execute(select(feed).where(feed.c.seq.is_not(None)).order_by(feed.c.seq))).all()
            following = (await db.execute(select(sequences.c.next).where(sequences.c.name == "feed"))).scalar_one()
        assert [row.seq for row in rows] == list(range(begins_with, following))
        chain = hashlib.sha256(f"ostiary-feed-v1\n{ISSUER}\n{epoch}".encode()).digest()
        for row in rows:
            chain = hashlib.sha256(chain + row.line).digest()
            says = msgspec.json.decode(row.line)
            assert (says["seq"], says["kind"], says["subject"]) == (row.seq, row.kind, row.subject)
            assert b"\n" not in row.line
            assert row.chain == chain, f"the chain breaks at {row.seq}"
        return Position(epoch, len(rows), chain)


def some_follower(now: datetime, *, jti: str = "jti") -> Follower:
    """A service that may read the feed for a day."""

    async def never() -> bool:
        return False

    return Follower("cli_x", jti, now + DAY, lambda: True, never)


@asynccontextmanager
async def open_room(database_url: str) -> AsyncIterator[Room]:
    """The feed over a migrated database; a second one over the same is another process."""
    database = Database(database_url)
    clock = MovableClock()
    async with database.transaction() as db:
        await ensure_epoch(db, now=clock())
    yield Room(database, clock)
    await database.close()


def claims(head: str) -> Mapping[str, object]:
    """What a head of `Room.hub` says."""
    said: Mapping[str, object] = json.loads(head)
    return said


def stamp(at: datetime) -> int:
    """Milliseconds since 1970."""
    return int(at.timestamp() * 1000)
