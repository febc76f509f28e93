"""What people are told of the feed: who follows it, how far each is, and where the newest revocations are in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, and_, case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from base.tables import sequences
from feed.in_force import HEARD_WITHIN
from feed.numbering import NAME
from feed.tables import feed, feed_batches, feed_followers


@dataclass(frozen=True, slots=True)
class Place:
    """Where the log stands, how many entries wait for their number, and how many followers there are and lag."""

    epoch: str
    seq: int
    unnumbered: int
    connected: int
    behind: int


@dataclass(frozen=True, slots=True)
class StoredFollower:
    """One enforcement point; `seq` is what it acknowledged in this epoch, None before the first time."""

    client_id: str
    name: str
    connected: bool
    connected_at: datetime
    heard_at: datetime
    seq: int | None
    acknowledged_at: datetime | None
    behind: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that were numbered together, and how far they came; the last four are None until that is settled."""

    first: int
    last: int
    born_at: datetime
    numbered_at: datetime
    followers: int | None
    reached: int | None
    in_force_ms: int | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One numbered entry: its line, the chain after it, and the batch that it belongs to."""

    seq: int
    line: bytes
    chain: bytes
    batch: Batch | None


async def load_place(db: AsyncConnection, *, now: datetime) -> Place:
    """Where the log stands."""
    epoch, following = (
        await db.execute(select(sequences.c.epoch, sequences.c.next).where(sequences.c.name == NAME))
    ).one()
    unnumbered = (await db.execute(select(func.count()).where(feed.c.seq.is_(None)))).scalar_one()
    f = feed_followers.c
    lags = case((and_(f.epoch == epoch, f.seq >= following - 1), 0), else_=1)
    counted = select(func.count(), func.coalesce(func.sum(lags), 0)).select_from(feed_followers)
    connected, behind = (await db.execute(counted.where(_is_connected(now)))).one()
    return Place(bytes(epoch).hex(), following - 1, unnumbered, connected, behind)


def _is_connected(now: datetime) -> ColumnElement[bool]:
    return and_(feed_followers.c.left_at.is_(None), feed_followers.c.heard_at > now - HEARD_WITHIN)


async def count_reached(db: AsyncConnection, place: Place, seq: int, *, now: datetime) -> int:
    """How many of the connected followers have said that everything up to this number is in force there."""
    f = feed_followers.c
    has_it = and_(f.epoch == bytes.fromhex(place.epoch), f.seq >= seq)
    counted = select(func.count()).select_from(feed_followers).where(_is_connected(now), has_it)
    return (await db.execute(counted)).scalar_one()


async def list_followers(
    db: AsyncConnection, place: Place, *, limit: int, after: tuple[str, str] | None = None, now: datetime
) -> list[StoredFollower]:
    """Followers by client and name, those behind `after`; who left is forgotten after a day."""
    f = feed_followers.c
    query = select(feed_followers).order_by(f.client_id, f.name).limit(limit)
    if after is not None:
        query = query.where(tuple_(f.client_id, f.name) > after)
    return [_follower(row, place, now) for row in (await db.execute(query)).all()]


def _follower(row: Row[tuple[object, ...]], place: Place, now: datetime) -> StoredFollower:
    is_of_now = row.epoch is not None and bytes(row.epoch).hex() == place.epoch
    seq = row.seq if is_of_now else None
    return StoredFollower(
        client_id=row.client_id,
        name=row.name,
        connected=row.left_at is None and row.heard_at > now - HEARD_WITHIN,
        connected_at=row.connected_at,
        heard_at=row.heard_at,
        seq=seq,
        acknowledged_at=row.acked_at if is_of_now else None,
        behind=max(0, place.seq - (seq or 0)),
    )


async def newest_batches(db: AsyncConnection, place: Place, *, limit: int) -> Sequence[Batch]:
    """The batches of this epoch, the newest first."""
    c = feed_batches.c
    query = select(feed_batches).where(c.epoch == bytes.fromhex(place.epoch)).order_by(c.first.desc()).limit(limit)
    return [_batch(row) for row in (await db.execute(query)).all()]


async def find_entry(db: AsyncConnection, seq: int) -> StoredEntry | None:
    """The entry of this number; None where it has none yet, or is gone."""
    query = select(feed.c.line, feed.c.chain).where(feed.c.seq == seq)
    row = (await db.execute(query)).first()
    if row is None:
        return None
    return StoredEntry(seq, bytes(row.line), bytes(row.chain), await find_batch(db, seq))


async def find_batch(db: AsyncConnection, seq: int) -> Batch | None:
    """The batch of this epoch that holds this number; None where it was cleared away."""
    c = feed_batches.c
    epoch = select(sequences.c.epoch).where(sequences.c.name == NAME).scalar_subquery()
    query = select(feed_batches).where(c.epoch == epoch, c.first <= seq, c.last >= seq)
    row = (await db.execute(query)).first()
    return None if row is None else _batch(row)


def _batch(row: Row[tuple[object, ...]]) -> Batch:
    return Batch(
        row.first, row.last, row.born_at, row.numbered_at, row.followers, row.reached, row.in_force_ms, row.settled_at
    )


def words_of(batch: Batch) -> str:
    """How far it came, in a few words: "in force at 14 of 14 in 180 ms"."""
    if batch.settled_at is None:
        return "on its way"
    if not batch.followers:
        return "no service followed the feed"
    return f"in force at {batch.reached} of {batch.followers} in {batch.in_force_ms} ms"
