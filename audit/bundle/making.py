"""Makes a log bundle from the database: which events, with which proofs, a batch at a time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.bundle.form import BundleEvent, Header, Proof
from audit.catalogue import EVIDENCE_MADE
from audit.ledger.checkpoints import (
    StoredCheckpoint,
    find_own,
    log_size,
    prove_consistency,
    root_of,
    sign_checkpoint,
    store_checkpoint,
)
from audit.ledger.keeping import LedgerKeeping
from audit.ledger.merkle import cover, leaf_hash
from audit.ledger.notes import Checkpoint
from audit.ledger.tiles import WIDTH, find_hashes, leaf_hashes
from audit.record import Event, Origin, sealed_aad
from audit.removal.limits import first_kept
from audit.services import AuditServices
from audit.tables import events
from audit.verification.reading import load_keys, load_numbered, snapshot
from audit.verification.row_checks import StoredRow, parse_opened
from base.sealing import SealBroken, Sealer, unseal_under

BATCH = 4 * WIDTH


class NothingToProve(ValueError):
    """There is no event in the asked range; the message says what there is."""


@dataclass(frozen=True, slots=True)
class BundleRange:
    """What is asked for: numbers or instants, `until` not included; None where it is open."""

    since: int | datetime | None = None
    until: int | datetime | None = None


async def checkpoint_now(audit: AuditServices, *, now: datetime) -> StoredCheckpoint | None:
    """The newest checkpoint, after numbering and signing what has not been; None for an empty log.

    Beside a running server, which numbers the events, it signs those that are numbered.
    """
    await LedgerKeeping(audit).stop()
    async with snapshot(audit.database) as db:
        size = await log_size(db)
        signed = await find_own(db, audit.key, size)
        if signed is not None or not size:
            return signed
        # Size and root are of one picture of the database, so it is the truth whoever numbers on meanwhile.
        made = sign_checkpoint(audit, size, await root_of(db, size), now)
    async with audit.database.transaction() as db:
        await store_checkpoint(db, made, key=audit.key)
    async with audit.database.reading() as db:
        return await find_own(db, audit.key, size)


async def begin_bundle(
    audit: AuditServices,
    asked: BundleRange,
    *,
    against: Sequence[Checkpoint],
    with_personal: bool,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> Header:
    """The header of a bundle over the newest checkpoint, and the event that tells of it; raises NothingToProve.

    `against` are checkpoints that the reader holds: the bundle gets a proof that leads to each. `with_personal` is
    whether personal fields will be handed out.
    """
    newest = await checkpoint_now(audit, now=now)
    if newest is None:
        raise NothingToProve("the log is empty")
    async with snapshot(audit.database) as db:
        begin, end = await _find_range(db, asked, newest.size)
        header = await _header(db, audit, newest, begin, end, against)
    async with audit.database.transaction() as db:
        told = {"first": begin, "last": end - 1, "size": newest.size, "personal": with_personal}
        await audit.emitter.emit(db, Event(type=EVIDENCE_MADE, actor=actor, origin=origin, data=told), now=now)
    return header


async def _find_range(db: AsyncConnection, asked: BundleRange, size: int) -> tuple[int, int]:
    """The numbers from the first to behind the last; times are those of the events, whose numbers follow closely."""
    begin = asked.since if isinstance(asked.since, int) else 0
    end = min(asked.until, size) if isinstance(asked.until, int) else size
    query = select(func.min(events.c.seq), func.max(events.c.seq)).where(events.c.seq >= begin, events.c.seq < end)
    if isinstance(asked.since, datetime):
        query = query.where(events.c.at >= asked.since)
    if isinstance(asked.until, datetime):
        query = query.where(events.c.at < asked.until)
    if isinstance(asked.since, datetime) or isinstance(asked.until, datetime):
        first, last = (await db.execute(query)).one()
        begin, end = (size, size) if first is None else (first, last + 1)
    if begin >= end:
        raise NothingToProve(f"there is no event in this range; the log has the events 0 to {size - 1}")
    return begin, end


async def _header(
    db: AsyncConnection,
    audit: AuditServices,
    newest: StoredCheckpoint,
    begin: int,
    end: int,
    against: Sequence[Checkpoint],
) -> Header:
    left, right = cover(0, begin), cover(end, newest.size)
    found = await find_hashes(db, [*left, *right])
    proofs = []
    for size in sorted({each.size for each in against} - {newest.size}):
        if 0 < size <= newest.size:
            hashes = await prove_consistency(db, size, newest.size)
            proofs.append(Proof(size, [each.hex() for each in hashes]))
    return Header(
        origin=audit.key.name,
        key=audit.key.vkey,
        first=begin,
        count=end - begin,
        checkpoint=newest.note,
        left=[found[node].hex() for node in left],
        right=[found[node].hex() for node in right],
        proofs=proofs,
    )


async def bundle_events(
    audit: AuditServices, first: int, count: int, *, with_personal: bool = False
) -> AsyncIterator[BundleEvent]:
    """The lines of these events in order; memory stays flat.

    Raises LookupError where the ledger's hashes are gone, or a clean-up took events between two that are written.
    """
    some = False
    for begin in range(first, first + count, BATCH):
        end = min(begin + BATCH, first + count)
        async with snapshot(audit.database) as db:
            rows = {row.seq: row for row in await load_numbered(db, begin, end)}
            hashes, kept = await leaf_hashes(db, begin, end - begin), await first_kept(db)
            keys = await load_keys(db, list(rows.values())) if with_personal else {}
        if len(hashes) != end - begin:
            raise LookupError(f"the ledger holds no hash of event {begin + len(hashes)}: run `ostiary audit verify`")
        for seq, joined in enumerate(hashes, begin):
            row = rows.get(seq)
            if some and seq < kept:
                raise LookupError(f"a clean-up removed event {seq} while the bundle was made: make it again")
            # A clean-up under way leaves rows for a moment; what it has told of is gone.
            if row is None or seq < kept:
                yield BundleEvent(seq=seq, hash=joined.hex())
                continue
            some = True
            event = BundleEvent(seq=seq, hash=joined.hex(), body=row.body.decode())
            if with_personal:
                event.opened = _opened(audit.sealer, row, keys.get(row.sealed_for))
            yield event


def _opened(sealer: Sealer, row: StoredRow, sealed_key: bytes | None) -> dict[str, msgspec.Raw] | None:
    """The salt and the personal fields as they were written, None where their key is gone."""
    if sealed_key is None:
        return None
    try:
        key = AESGCM(sealer.unseal(sealed_key, aad=b"subject key " + row.sealed_for))
        return dict(parse_opened(unseal_under(key, row.sealed, sealed_aad(row.id, leaf_hash(row.body)))) or {})
    except SealBroken:
        return None
