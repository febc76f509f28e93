"""The whole audit log, oldest first, as values ready for JSON: personal fields opened where their key still exists."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Row, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import DATA_EXPORTED
from audit.emit import Emitter
from audit.record import Event, Origin
from audit.tables import events, subject_keys
from base.database import Database
from base.ids import DEVICE, EVENT, SESSION, show_id
from base.sealing import SealBroken, Sealer, unseal_under

BATCH = 500
_KEPT_KEYS = 4096
_PERSONAL = msgspec.json.Decoder(dict[str, object])

EventRow = Row[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class ExportRange:
    """What one export covers: `count` events, up to and including the one at `last` (None: there are none)."""

    count: int
    last: tuple[datetime, bytes] | None


async def begin_export(
    db: AsyncConnection, emitter: Emitter, *, now: datetime, actor: str, origin: Origin = Origin()
) -> ExportRange:
    """Fixes what an export will hold, and leaves the event that tells of it before the first line is given out."""
    count = (await db.execute(select(func.count()).select_from(events))).scalar_one()
    newest = select(events.c.at, events.c.id).order_by(events.c.at.desc(), events.c.id.desc()).limit(1)
    row = (await db.execute(newest)).first()
    event = Event(type=DATA_EXPORTED, actor=actor, origin=origin, data={"count": count})
    await emitter.emit(db, event, now=now)
    return ExportRange(count, None if row is None else (row.at, bytes(row.id)))


async def export_events(database: Database, sealer: Sealer, range_: ExportRange) -> AsyncIterator[dict[str, object]]:
    """Each event of the range. Memory stays flat: rows come in batches of 500, each in a short read of its own."""
    reader = _Reader(sealer)
    after: tuple[datetime, bytes] | None = None
    while range_.last is not None:
        async with database.reading() as db:
            rows = await _next_rows(db, after, range_.last)
            batch = [await reader.read(db, row) for row in rows]
        for event in batch:
            yield event
        if len(rows) < BATCH:
            return
        after = (rows[-1].at, bytes(rows[-1].id))


async def _next_rows(
    db: AsyncConnection, after: tuple[datetime, bytes] | None, last: tuple[datetime, bytes]
) -> Sequence[EventRow]:
    place = tuple_(events.c.at, events.c.id)
    query = select(events).where(place <= tuple_(*_bound(last))).order_by(events.c.at, events.c.id).limit(BATCH)
    if after is not None:
        query = query.where(place > tuple_(*_bound(after)))
    return (await db.execute(query)).all()


def _bound(place: tuple[datetime, bytes]) -> tuple[object, object]:
    return literal(place[0], events.c.at.type), literal(place[1], events.c.id.type)


class _Reader:
    """Opens personal fields; keeps recently used keys, bounded."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._keys: OrderedDict[bytes, AESGCM | None] = OrderedDict()

    async def read(self, db: AsyncConnection, row: EventRow) -> dict[str, object]:
        """One event. `personal` is null where the key was destroyed: the person was erased."""
        body = msgspec.json.decode(row.body, type=dict[str, object])
        return {
            "seq": row.seq,
            "id": show_id(EVENT, row.id),
            "at": row.at.isoformat(),
            "name": row.name,
            "severity": row.severity,
            "outcome": row.outcome,
            "actor": row.actor,
            "subject": row.subject,
            "client_id": row.client_id,
            "session": row.session_id and show_id(SESSION, row.session_id),
            "device": row.device_id and show_id(DEVICE, row.device_id),
            "place": row.place,
            "risk_score": row.risk_score,
            "risk_reasons": row.risk_reasons,
            "policy_revision": row.policy_revision,
            "request_id": row.request_id,
            "source": row.source,
            "data": body.get("data", {}),
            "personal": await self._open(db, row),
        }

    async def _open(self, db: AsyncConnection, row: EventRow) -> dict[str, object] | None:
        key = await self._load_key(db, bytes(row.sealed_for))
        if key is None:
            return None
        personal = _PERSONAL.decode(unseal_under(key, row.sealed, bytes(row.id)))
        # The salt serves the ledger's proofs; to a reader it says nothing.
        personal.pop("salt", None)
        return personal

    async def _load_key(self, db: AsyncConnection, subject_id: bytes) -> AESGCM | None:
        if subject_id in self._keys:
            self._keys.move_to_end(subject_id)
            return self._keys[subject_id]
        query = select(subject_keys.c.sealed).where(subject_keys.c.subject_id == subject_id)
        sealed = (await db.execute(query)).scalar_one_or_none()
        key = None
        with suppress(SealBroken):
            key = None if sealed is None else AESGCM(self._sealer.unseal(sealed, aad=b"subject key " + subject_id))
        self._keys[subject_id] = key
        if len(self._keys) > _KEPT_KEYS:
            self._keys.popitem(last=False)
        return key
