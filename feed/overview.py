"""What people are told of the feed: who follows it, how far each is, and where the newest revocations are in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Row, and_, case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from base.tables import sequences
from feed.counting import HEARD_WITHIN, LOST_AFTER, Count
from feed.in_force import load_known, numbered
from feed.numbering import NAME
from feed.tables import feed, feed_batches, feed_followers


@dataclass(frozen=True, slots=True)
class Place:
    """Where the log stands, how many entries wait for their number, and how many followers there are and lag.

    `unreachable` more are cut off and may go on accepting for as long as their lease lasts.
    """

    epoch: str
    seq: int
    unnumbered: int
    connected: int
    behind: int
    unreachable: int


@dataclass(frozen=True, slots=True)
class StoredFollower:
    """One enforcement point; `seq` is what it acknowledged in this epoch, None before the first time.

    `left_at` is when it said goodbye. Where it did not and is not connected, it refuses by itself from `refuses_at` on.
    """

    client_id: str
    name: str
    connected: bool
    connected_at: datetime
    heard_at: datetime
    left_at: datetime | None
    refuses_at: datetime | None
    seq: int | None
    acknowledged_at: datetime | None
    behind: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that were numbered together, and how far they came.

    The figures are None while it is on its way. `unreachable` followers are cut off and did not confirm, and refuse by
    themselves from `refuses_at` on. `in_force_ms` is None before it is settled, and where somebody who is connected
    never confirmed.
    """

    first: int
    last: int
    born_at: datetime
    numbered_at: datetime
    followers: int | None
    reached: int | None
    in_force_ms: int | None
    unreachable: int | None
    refuses_at: datetime | None
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
    connected, behind = (await db.execute(counted.where(_is_heard(now - HEARD_WITHIN)))).one()
    all_ = (await db.execute(counted.where(_is_heard(now - LOST_AFTER)))).one()[0]
    return Place(bytes(epoch).hex(), following - 1, unnumbered, connected, behind, all_ - connected)


def _is_heard(since: datetime) -> ColumnElement[bool]:
    return and_(feed_followers.c.left_at.is_(None), feed_followers.c.heard_at > since)


async def count_reached(db: AsyncConnection, place: Place, seq: int, *, now: datetime) -> int:
    """How many of those who may accept tokens have said that everything up to this number is in force there."""
    f = feed_followers.c
    has_it = and_(f.epoch == bytes.fromhex(place.epoch), f.seq >= seq)
    counted = select(func.count()).select_from(feed_followers).where(_is_heard(now - LOST_AFTER), has_it)
    return (await db.execute(counted)).scalar_one()


async def list_followers(
    db: AsyncConnection, place: Place, *, limit: int, after: tuple[str, str] | None = None, now: datetime
) -> list[StoredFollower]:
    """Followers by client and name, those after `after`; who is not heard any more is forgotten after a day."""
    f = feed_followers.c
    query = select(feed_followers).order_by(f.client_id, f.name).limit(limit)
    if after is not None:
        query = query.where(tuple_(f.client_id, f.name) > after)
    return [_follower(row, place, now) for row in (await db.execute(query)).all()]


def _follower(row: Row[tuple[object, ...]], place: Place, now: datetime) -> StoredFollower:
    is_of_now = row.epoch is not None and bytes(row.epoch).hex() == place.epoch
    seq = row.seq if is_of_now else None
    connected = row.left_at is None and row.heard_at > now - HEARD_WITHIN
    return StoredFollower(
        client_id=row.client_id,
        name=row.name,
        connected=connected,
        connected_at=row.connected_at,
        heard_at=row.heard_at,
        left_at=row.left_at,
        refuses_at=None if connected or row.left_at is not None else row.heard_at + LOST_AFTER,
        seq=seq,
        acknowledged_at=row.acked_at if is_of_now else None,
        behind=max(0, place.seq - (seq or 0)),
    )


async def newest_batches(db: AsyncConnection, place: Place, *, limit: int, now: datetime) -> Sequence[Batch]:
    """The batches of this epoch, the newest first."""
    c = feed_batches.c
    query = select(feed_batches).where(c.epoch == bytes.fromhex(place.epoch)).order_by(c.first.desc()).limit(limit)
    return await _batches(db, (await db.execute(query)).all(), now)


async def find_entry(db: AsyncConnection, seq: int, *, now: datetime) -> StoredEntry | None:
    """The entry of this number; None where it has none yet, or is gone."""
    query = select(feed.c.line, feed.c.chain).where(feed.c.seq == seq)
    row = (await db.execute(query)).first()
    if row is None:
        return None
    return StoredEntry(seq, bytes(row.line), bytes(row.chain), await find_batch(db, seq, now=now))


async def find_batch(db: AsyncConnection, seq: int, *, now: datetime) -> Batch | None:
    """The batch of this epoch that holds this number; None where it was cleared away."""
    c = feed_batches.c
    epoch = select(sequences.c.epoch).where(sequences.c.name == NAME).scalar_subquery()
    query = select(feed_batches).where(c.epoch == epoch, c.first <= seq, c.last >= seq)
    found = await _batches(db, (await db.execute(query)).all(), now)
    return found[0] if found else None


async def _batches(db: AsyncConnection, rows: Sequence[Row[tuple[object, ...]]], now: datetime) -> list[Batch]:
    open_ones = [numbered(row) for row in rows if row.settled_at is None]
    count = Count(await load_known(db, open_ones, now=now), open_ones, now=now) if open_ones else None
    return [_settled(row) if count is None or row.settled_at is not None else _open(row, count) for row in rows]


def _settled(row: Row[tuple[object, ...]]) -> Batch:
    # Everybody has it, or somebody who is connected never said so, or who had not said so was lost by then.
    missing = row.followers - row.reached if row.in_force_ms is not None else 0
    return Batch(
        row.first,
        row.last,
        row.born_at,
        row.numbered_at,
        followers=row.followers,
        reached=row.reached,
        in_force_ms=row.in_force_ms,
        unreachable=missing,
        refuses_at=row.settled_at if missing else None,
        settled_at=row.settled_at,
    )


def _open(row: Row[tuple[object, ...]], count: Count) -> Batch:
    now = count.standing(numbered(row))
    is_late = row.followers is not None or now.unreachable > 0
    return Batch(
        row.first,
        row.last,
        row.born_at,
        row.numbered_at,
        followers=now.followers if is_late else None,
        reached=now.reached if is_late else None,
        in_force_ms=None,
        unreachable=now.unreachable if is_late else None,
        refuses_at=now.refuses_at,
        settled_at=None,
    )


def words_of(batch: Batch) -> str:
    """How far it came, in a few words: "in force at 14 of 14 in 180 ms"."""
    if batch.followers is None or batch.reached is None:
        return "on its way"
    if not batch.followers:
        return "no service followed the feed"
    said = f"in force at {batch.reached} of {batch.followers}"
    if batch.in_force_ms is not None:
        said += f" in {batch.in_force_ms} ms"
    unreachable = batch.unreachable or 0
    quiet = batch.followers - batch.reached - unreachable
    if quiet:
        said += f"; {'one has' if quiet == 1 else f'{quiet} have'} not confirmed it"
    if unreachable and batch.refuses_at is not None:
        who = "one cannot be reached and refuses by itself"
        if unreachable > 1:
            who = f"{unreachable} cannot be reached and refuse by themselves"
        said += f"; {who} from {shown_time(batch.refuses_at)} on"
    return said


def shown_time(at: datetime) -> str:
    """A time of the day in UTC, up to the full second."""
    return (at.astimezone(UTC) + timedelta(microseconds=999_999)).strftime("%H:%M:%S UTC")
