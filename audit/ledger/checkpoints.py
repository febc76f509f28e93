"""Checkpoints: what the log says of itself, signed, kept in the database and outside of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.merkle import EMPTY_ROOT, Range, consistency_ranges, cover, fold, inclusion_ranges
from audit.ledger.notes import Checkpoint, LedgerKey, format_checkpoint, is_own
from audit.ledger.numbering import LEDGER
from audit.ledger.places import Put
from audit.ledger.tiles import find_hashes, load_root_cover
from audit.services import AuditServices
from audit.tables import checkpoint_places, checkpoints
from base.clock import to_micros
from base.leases import Lease
from base.sequencer import next_number

PUBLISHED_AT_ONCE = 100
# Of rows that somebody put in, this many are passed over in search of one of ours.
_PAGE, _MOST_PAGES = 100, 20

_STORE = text(
    "INSERT INTO checkpoints (size, root, at, note) VALUES (:size, :root, :at, :note) ON CONFLICT (size) DO NOTHING"
)
_MARK_PLACE = text(
    "INSERT INTO checkpoint_places (name, size) VALUES (:name, :size)"
    " ON CONFLICT (name) DO UPDATE SET size = excluded.size"
)


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as the database has it; `published_at` is None while it lies nowhere else."""

    size: int
    root: bytes
    at: datetime
    note: str
    published_at: datetime | None


async def newest_checkpoint(db: AsyncConnection) -> StoredCheckpoint | None:
    """The last one made, or None."""
    found = await list_checkpoints(db, limit=1)
    return found[0] if found else None


async def list_checkpoints(db: AsyncConnection, *, limit: int, before: int | None = None) -> list[StoredCheckpoint]:
    """At most `limit` checkpoints, the largest first; `before` is a size, for the next page."""
    query = select(checkpoints).order_by(checkpoints.c.size.desc()).limit(limit)
    if before is not None:
        query = query.where(checkpoints.c.size < before)
    return [_stored(row) for row in (await db.execute(query)).mappings()]


async def find_own(db: AsyncConnection, key: LedgerKey, size: int) -> StoredCheckpoint | None:
    """The checkpoint of just this size, None where there is none that this log's key signed."""
    row = (await db.execute(select(checkpoints).where(checkpoints.c.size == size))).mappings().first()
    return _stored(row) if row is not None and _is_ours(_stored(row), key) else None


async def newest_own(db: AsyncConnection, key: LedgerKey, *, is_outside: bool = False) -> StoredCheckpoint | None:
    """The largest checkpoint that this log's key signed, `is_outside`: of those that are said to lie outside, too.

    Never what a column alone says: whoever writes to the database can put in rows, but no note under the key.
    """
    where = [checkpoints.c.published_at.is_not(None)] if is_outside else []
    query = select(checkpoints).where(*where).order_by(checkpoints.c.size.desc()).limit(_PAGE)
    before: int | None = None
    for _ in range(_MOST_PAGES):
        asked = query if before is None else query.where(checkpoints.c.size < before)
        found = [_stored(row) for row in (await db.execute(asked)).mappings()]
        own = next((each for each in found if _is_ours(each, key)), None)
        if own is not None or len(found) < _PAGE:
            return own
        before = found[-1].size
    return None


def _is_ours(stored: StoredCheckpoint, key: LedgerKey) -> bool:
    return is_own(key, stored.note, size=stored.size, root=stored.root)


async def log_size(db: AsyncConnection) -> int:
    """How many events are numbered."""
    return await next_number(db, LEDGER) or 0


async def root_of(db: AsyncConnection, size: int) -> bytes:
    """The root over the first `size` events; raises LookupError where stored hashes are missing."""
    return fold(await load_root_cover(db, size)) if size else EMPTY_ROOT


async def prove_inclusion(db: AsyncConnection, seq: int, size: int) -> list[bytes]:
    """The proof that event `seq` is in the log of `size` events; raises ValueError where it cannot be."""
    return await _range_hashes(db, inclusion_ranges(seq, size))


async def prove_consistency(db: AsyncConnection, old: int, new: int) -> list[bytes]:
    """The proof that the log of `old` events is the beginning of that of `new`; raises ValueError."""
    return await _range_hashes(db, consistency_ranges(old, new))


async def _range_hashes(db: AsyncConnection, ranges: Collection[Range]) -> list[bytes]:
    covers = [cover(begin, end) for begin, end in ranges]
    found = await find_hashes(db, [node for nodes in covers for node in nodes])
    return [fold([found[node] for node in nodes]) for nodes in covers]


async def make_checkpoint(audit: AuditServices, lease: Lease, *, now: datetime) -> StoredCheckpoint | None:
    """Signs the log as it is, where it grew since the last time; None where it did not. Raises LeaseLost.

    `lease` is the one under which events are numbered, so that nothing is numbered beside it.
    """
    async with audit.database.transaction() as db:
        size = await log_size(db)
        if not size or await find_own(db, audit.key, size) is not None:
            return None
        await lease.confirm(db, now)
        made = sign_checkpoint(audit, size, await root_of(db, size), now)
        await store_checkpoint(db, made, key=audit.key)
    return made


async def store_checkpoint(db: AsyncConnection, made: StoredCheckpoint, *, key: LedgerKey) -> None:
    """Keeps a checkpoint, unless one of ours of this size is there: somebody signed the same moment, both say the same.

    A row that the key did not sign makes room: it was put there so that this one is lost.
    """
    row = {"size": made.size, "root": made.root, "at": to_micros(made.at), "note": made.note}
    await db.execute(_STORE, row)
    if await find_own(db, key, made.size) is None:
        values = {"root": made.root, "at": made.at, "note": made.note, "published_at": None}
        await db.execute(update(checkpoints).where(checkpoints.c.size == made.size).values(values))


def sign_checkpoint(audit: AuditServices, size: int, root: bytes, now: datetime) -> StoredCheckpoint:
    """A checkpoint that is not stored yet."""
    at = now.replace(microsecond=0)
    note = audit.key.sign(format_checkpoint(Checkpoint(audit.key.name, size, root, at)))
    return StoredCheckpoint(size, root, at, note, None)


async def publish_checkpoints(audit: AuditServices, place: str, put: Put, *, now: datetime) -> int:
    """Takes to one place what it does not have yet; returns how many. Raises PublishingFailed.

    The older ones first, so that a place that was away gets them all; one that is new begins with the newest.
    """
    has = await _find_mark(audit, place)
    found = [] if has is None else await _load_lacking(audit, has)
    for each in found:
        await put(each.size, each.note)
        async with audit.database.transaction() as db:
            await db.execute(_MARK_PLACE, {"name": place, "size": each.size})
            lies_outside = update(checkpoints).where(checkpoints.c.size == each.size)
            await db.execute(lies_outside.where(checkpoints.c.published_at.is_(None)).values(published_at=now))
    return len(found)


async def _find_mark(audit: AuditServices, place: str) -> int | None:
    """The size up to which a place lacks nothing; None where there is no checkpoint.

    A mark above the newest checkpoint is not believed: nothing would ever be published again. It is read first, so that
    one which another process set a moment ago is not above it.
    """
    async with audit.database.reading() as db:
        asked = select(checkpoint_places.c.size).where(checkpoint_places.c.name == place)
        mark: int | None = (await db.execute(asked)).scalar_one_or_none()
        newest = await newest_own(db, audit.key)
    if newest is None:
        return None
    if mark is not None and abs(mark) <= newest.size:
        return abs(mark)
    # A new place lacks the newest checkpoint and those to come. It holds nothing yet, which is why this is below zero.
    has = newest.size - 1
    async with audit.database.transaction() as db:
        await db.execute(_MARK_PLACE, {"name": place, "size": -has})
    return has


async def _load_lacking(audit: AuditServices, has: int) -> list[StoredCheckpoint]:
    """The next checkpoints behind this size, those that this log's key signed."""
    found: list[StoredCheckpoint] = []
    query = select(checkpoints).order_by(checkpoints.c.size).limit(_PAGE)
    async with audit.database.reading() as db:
        size = await log_size(db)
        while len(found) < PUBLISHED_AT_ONCE:
            rows = (await db.execute(query.where(checkpoints.c.size > has, checkpoints.c.size <= size))).mappings()
            page = [_stored(row) for row in rows]
            found += [each for each in page if _is_ours(each, audit.key)]
            if len(page) < _PAGE:
                break
            has = page[-1].size
    return found[:PUBLISHED_AT_ONCE]


def _stored(row: RowMapping) -> StoredCheckpoint:
    return StoredCheckpoint(**{name: row[name] for name in StoredCheckpoint.__dataclass_fields__})
