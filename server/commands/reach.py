"""How far a revocation came, for whoever has just made it: waited for two seconds at most."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from base.clock import Clock
from base.database import Database
from feed.overview import Batch, count_reached, find_batch, load_place, words_of
from feed.tables import feed

WAIT_S = 2.0
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of the entries of one change: the last one's number, and the batch that it belongs to.

    `reached` of the `followers` that may accept tokens have it so far.
    """

    entries: int
    seq: int | None = None
    batch: Batch | None = None
    reached: int = 0
    connected: int = 0
    followers: int = 0

    @property
    def words(self) -> str:
        """What a person is told."""
        if not self.entries:
            return "There was nothing to revoke any more."
        if self.seq is None:
            return "This server refuses it from now on; services will be told as soon as a server process runs."
        if self.batch is None or self.batch.settled_at is None:
            if self.batch is not None and self.batch.unreachable:
                return f"It is refused here from now on: {words_of(self.batch)} (entry {self.seq})."
            so_far = f"{self.reached} of {self.followers} have said so by now"
            return f"It is refused here from now on, and services are being told: {so_far} (entry {self.seq})."
        return f"It is refused from now on: {words_of(self.batch)} (entry {self.seq})."


async def wait_for_reach(database: Database, clock: Clock, made_at: datetime, *, wait_s: float = WAIT_S) -> Reach:
    """How far the entries made at this moment came, once that is settled or the time is over."""
    until = time.monotonic() + wait_s
    while True:
        reach = await _look(database, made_at, now=clock())
        is_settled = reach.batch is not None and reach.batch.settled_at is not None
        if not reach.entries or is_settled or time.monotonic() >= until:
            return reach
        await asyncio.sleep(LOOK_EVERY_S)


async def _look(database: Database, made_at: datetime, *, now: datetime) -> Reach:
    async with database.reading() as db:
        counted = select(func.count(), func.count(feed.c.seq), func.max(feed.c.seq))
        entries, numbered, seq = (await db.execute(counted.where(feed.c.created_at == made_at))).one()
        if not entries or numbered < entries:
            return Reach(entries)
        place = await load_place(db, now=now)
        reached = await count_reached(db, place, seq, now=now)
        batch, followers = await find_batch(db, seq, now=now), place.connected + place.unreachable
        return Reach(entries, seq, batch, reached, place.connected, followers)
