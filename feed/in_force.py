"""When a revocation was in force everywhere: what was numbered together, and when the last follower said so."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import Clock
from base.database import Database
from base.leases import Lease, LeaseLost
from base.statements import Statement
from feed.tables import feed_batches, feed_followers

SETTLE_S = 0.2
# Followers that have not said so by then are counted as not reached. Their lease runs out by itself.
GIVEN_UP_AFTER = timedelta(seconds=10)
# A follower is there while its process has said so within this time, two of its rounds and a little more.
HEARD_WITHIN = timedelta(seconds=12)
_AT_ONCE = 500

_OPEN = "SELECT 1 FROM feed_batches WHERE settled_at IS NULL LIMIT 1"
_IS_OPEN = Statement(
    name="is a batch of the feed unsettled",
    columns=(("asked", "integer"),),
    sqlite=(_OPEN,),
    postgres="SELECT n, 1 FROM input WHERE EXISTS (" + _OPEN + ")",  # noqa: S608 - a constant
)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the entries `first` to `last` came: `reached` of `followers`, the last of them after `in_force_ms`."""

    epoch: bytes
    first: int
    last: int
    followers: int
    reached: int
    in_force_ms: int
    born_at: datetime


Tell = Callable[[AsyncConnection, Sequence[Reached], datetime], Awaitable[None]]


class InForce:
    """One process's part in settling; `tell` is called in the transaction, with what it settles."""

    def __init__(self, database: Database, clock: Clock, tell: Tell) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._lease = Lease(database, "feed in force")

    async def round(self) -> None:
        """Settles what every follower has, or what was waited for long enough."""
        now = self._clock()
        if await self._database.find(_IS_OPEN, (1,)) is None or not await self._lease.take(now):
            return
        async with self._database.reading() as db:
            settled = await _find_settled(db, now)
        if not settled:
            return
        try:
            async with self._database.transaction() as db:
                await self._lease.confirm(db, now)
                for each in settled:
                    await _settle(db, each, now)
                await self._tell(db, [each for each in settled if each.followers], now)
        except LeaseLost:
            return

    async def stop(self) -> None:
        """Lets another process go on at once."""
        await self._lease.give_back(self._clock())


async def _find_settled(db: AsyncConnection, now: datetime) -> list[Reached]:
    c, f = feed_batches.c, feed_followers.c
    open_ones = select(feed_batches).where(c.settled_at.is_(None)).order_by(c.epoch, c.first).limit(_AT_ONCE)
    batches = (await db.execute(open_ones)).all()
    if not batches:
        return []
    oldest = min(row.numbered_at for row in batches)
    there = or_(f.left_at.is_(None), f.left_at > oldest)
    found = select(feed_followers).where(f.heard_at > oldest - HEARD_WITHIN, there)
    followers = (await db.execute(found)).all()
    settled = []
    for batch in batches:
        # Who came later began with a snapshot that holds it, and who left is no enforcement point any more.
        waited = [
            each
            for each in followers
            if each.connected_at <= batch.numbered_at
            and each.left_at is None
            and each.heard_at > batch.numbered_at - HEARD_WITHIN
        ]
        have = [
            each for each in waited if each.epoch == batch.epoch and each.seq is not None and each.seq >= batch.last
        ]
        if len(have) == len(waited) or now >= batch.numbered_at + GIVEN_UP_AFTER:
            ends = [each.acked_at for each in have if each.acked_at is not None]
            took = max([batch.numbered_at, *ends]) - batch.born_at
            ms = max(0, round(took.total_seconds() * 1000))
            settled.append(Reached(batch.epoch, batch.first, batch.last, len(waited), len(have), ms, batch.born_at))
    return settled


async def _settle(db: AsyncConnection, each: Reached, now: datetime) -> None:
    c = feed_batches.c
    change = update(feed_batches).where(and_(c.epoch == each.epoch, c.first == each.first))
    values = {"followers": each.followers, "reached": each.reached, "in_force_ms": each.in_force_ms}
    await db.execute(change.values(settled_at=now, **values))
