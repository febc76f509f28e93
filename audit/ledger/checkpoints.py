"""Checkpoints: what the log says of itself, signed, kept in the database and outside of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.merkle import EMPTY_ROOT, Range, consistency_ranges, cover, fold, inclusion_ranges
from audit.ledger.notes import Checkpoint, format_checkpoint
from audit.ledger.numbering import LEDGER
from audit.ledger.places import Put
from audit.ledger.tiles import find_hashes, load_root_cover
from audit.services import AuditServices
from audit.tables import checkpoint_places, checkpoints
from base.clock import to_micros
from base.leases import Lease
from base.sequencer import next_number

PUBLISHED_AT_ONCE = 100

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
        size, last = await log_size(db), await newest_checkpoint(db)
        if size == (last.size if last else 0):
            return None
        await lease.confirm(db, now)
        made = sign_checkpoint(audit, size, await root_of(db, size), now)
        await store_checkpoint(db, made)
    return made


async def store_checkpoint(db: AsyncConnection, made: StoredCheckpoint) -> None:
    """Keeps a checkpoint, unless one of this size is there: somebody signed the same moment, and both say the same."""
    row = {"size": made.size, "root": made.root, "at": to_micros(made.at), "note": made.note}
    await db.execute(_STORE, row)


def sign_checkpoint(audit: AuditServices, size: int, root: bytes, now: datetime) -> StoredCheckpoint:
    """A checkpoint that is not stored yet."""
    at = now.replace(microsecond=0)
    note = audit.key.sign(format_checkpoint(Checkpoint(audit.key.name, size, root, at)))
    return StoredCheckpoint(size, root, at, note, None)


async def publish_checkpoints(audit: AuditServices, place: str, put: Put, *, now: datetime) -> int:
    """Takes to one place what it does not have yet; returns how many. Raises PublishingFailed.

    The older ones first, so that a place that was away gets them all; one that is new begins with the newest.
    """
    async with audit.database.reading() as db:
        asked = select(checkpoint_places.c.size).where(checkpoint_places.c.name == place)
        has: int | None = (await db.execute(asked)).scalar_one_or_none()
    if has is None:
        has = await _begin_place(audit, place)
    async with audit.database.reading() as db:
        query = select(checkpoints.c.size, checkpoints.c.note).where(checkpoints.c.size > has)
        found = (await db.execute(query.order_by(checkpoints.c.size).limit(PUBLISHED_AT_ONCE))).all()
    for size, note in found:
        await put(size, note)
        async with audit.database.transaction() as db:
            await db.execute(_MARK_PLACE, {"name": place, "size": size})
            lies_outside = update(checkpoints).where(checkpoints.c.size == size, checkpoints.c.published_at.is_(None))
            await db.execute(lies_outside.values(published_at=now))
    return len(found)


async def _begin_place(audit: AuditServices, place: str) -> int:
    """Remembers that a new place lacks the newest checkpoint and those to come, and none of the earlier ones."""
    async with audit.database.transaction() as db:
        known = await list_checkpoints(db, limit=2)
        has = known[1].size if len(known) > 1 else 0
        await db.execute(_MARK_PLACE, {"name": place, "size": has})
    return has


def _stored(row: RowMapping) -> StoredCheckpoint:
    return StoredCheckpoint(**{name: row[name] for name in StoredCheckpoint.__dataclass_fields__})
