"""When a revocation was in force everywhere: what was numbered together, and when the last follower said so.

A batch is settled when every follower that counts has said so, or left, or refuses by itself (`feed.counting`).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import Clock
from base.database import Database
from base.leases import Lease, LeaseLost
from base.statements import Statement
from feed.counting import LOST_AFTER, Count, Known, Numbered, Standing
from feed.tables import feed_batches, feed_followers

SETTLE_S = 0.2
# People are told then that somebody has not said so.
TOLD_AFTER = timedelta(seconds=10)
# A follower that is connected and says nothing is not waited for any longer: it may be one that never acknowledges.
GIVEN_UP_AFTER = LOST_AFTER
_AT_ONCE = 2000

_OPEN = "SELECT 1 FROM feed_batches WHERE settled_at IS NULL LIMIT 1"
_IS_OPEN = Statement(
    name="is a batch of the feed unsettled",
    columns=(("asked", "integer"),),
    sqlite=(_OPEN,),
    postgres="SELECT n, 1 FROM input WHERE EXISTS (" + _OPEN + ")",  # noqa: S608 - a constant
)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the entries `first` to `last` came: `reached` of `followers`, the last of them after `in_force_ms`.

    Those that cannot be reached refuse by themselves from `refuses_at` on; it is None where all were reached, and where
    somebody is connected and does not confirm. Where it `is_settled`, nobody is waited for any more.
    """

    epoch: bytes
    first: int
    last: int
    followers: int
    reached: int
    in_force_ms: int
    refuses_at: datetime | None
    is_settled: bool


Tell = Callable[[AsyncConnection, Sequence[Reached], datetime], Awaitable[None]]


class InForce:
    """One process's part in settling; `tell` is called in the transaction, with what it settles."""

    def __init__(self, database: Database, clock: Clock, tell: Tell) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._lease = Lease(database, "feed in force")

    async def round(self) -> None:
        """Settles what every follower has, or refuses by itself; tells what some did not confirm in time."""
        now = self._clock()
        if await self._database.find(_IS_OPEN, (1,)) is None or not await self._lease.take(now):
            return
        async with self._database.reading() as db:
            found = await _look(db, now)
        if not found:
            return
        try:
            async with self._database.transaction() as db:
                await self._lease.confirm(db, now)
                for each in found:
                    await _store(db, each, now)
                await self._tell(db, [each for each in found if each.followers], now)
        except LeaseLost:
            return

    async def stop(self) -> None:
        """Lets another process go on at once."""
        await self._lease.give_back(self._clock())


async def _look(db: AsyncConnection, now: datetime) -> list[Reached]:
    """What is settled by now, and what is to be told as late."""
    c = feed_batches.c
    open_ones = select(feed_batches).where(c.settled_at.is_(None)).order_by(c.epoch, c.first).limit(_AT_ONCE)
    rows = (await db.execute(open_ones)).all()
    if not rows:
        return []
    batches = [numbered(row) for row in rows]
    count = Count(await load_known(db, batches, now=now), batches, now=now)
    found = []
    for row, batch in zip(rows, batches, strict=True):
        is_open = count.is_open(batch, given_up=now >= batch.numbered_at + GIVEN_UP_AFTER)
        if is_open and (row.followers is not None or now < batch.numbered_at + TOLD_AFTER):
            continue
        found.append(_reached(batch, count.standing(batch), is_settled=not is_open))
    return found


def numbered(row: Row[tuple[object, ...]]) -> Numbered:
    """A stored batch."""
    return Numbered(bytes(row.epoch), row.first, row.last, row.born_at, row.numbered_at)


async def load_known(db: AsyncConnection, batches: Sequence[Numbered], *, now: datetime) -> list[Known]:
    """The followers that may count for one of these batches."""
    f = feed_followers.c
    oldest = min(now, *(batch.numbered_at for batch in batches))
    query = select(f.connected_at, f.heard_at, f.left_at, f.epoch, f.seq, f.acked_at)
    rows = await db.execute(query.where(f.heard_at > oldest - LOST_AFTER, f.left_at.is_(None)))
    return [Known(*row) for row in rows.all()]


def _reached(batch: Numbered, standing: Standing, *, is_settled: bool) -> Reached:
    return Reached(
        batch.epoch,
        batch.first,
        batch.last,
        followers=standing.followers,
        reached=standing.reached,
        in_force_ms=standing.in_force_ms,
        refuses_at=None if standing.quiet else standing.refuses_at,
        is_settled=is_settled,
    )


async def _store(db: AsyncConnection, each: Reached, now: datetime) -> None:
    c = feed_batches.c
    values: dict[str, object] = {"followers": each.followers, "reached": each.reached}
    if each.is_settled:
        is_sure = each.reached == each.followers or each.refuses_at is not None
        # Without it, somebody was given up who is connected: then nobody knows when it was in force everywhere.
        values |= {"settled_at": now, "in_force_ms": each.in_force_ms if is_sure else None}
    await db.execute(update(feed_batches).where(and_(c.epoch == each.epoch, c.first == each.first)).values(values))
