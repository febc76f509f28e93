"""Stored events, opened: their personal fields in the clear where the key that seals them still exists."""

import logging
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.merkle import leaf_hash
from audit.record import sealed_aad
from audit.tables import events, subject_keys
from base.ids import DEVICE, EVENT, SESSION, show_id
from base.sealing import SealBroken, Sealer, unseal_under

log = logging.getLogger("ostiary.audit")

BATCH = 500
_KEPT_KEYS = 4096
_FIELDS = msgspec.json.Decoder(dict[str, object])
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """Everything of one event. `seq` is None until it is numbered.

    `personal` is None where it does not open: its person was erased (or the row was changed: `audit verify` tells).
    `data` is `{"damaged": True}` where the body is not what was written.
    """

    seq: int | None
    id: bytes
    at: datetime
    name: str
    family: str
    severity: str
    outcome: str
    actor: str
    subject: str | None
    client_id: str | None
    session_id: bytes | None
    device_id: bytes | None
    place: object
    risk_score: int | None
    risk_reasons: object
    policy_revision: int | None
    request_id: str | None
    source: str
    data: Mapping[str, object]
    personal: Mapping[str, object] | None
    body: str
    sealed_for: bytes


class EventReader:
    """Opens events; keeps the keys of recent people, bounded. One is used by one task at a time, and not for long:
    a key that was destroyed meanwhile would still open."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._keys: OrderedDict[bytes, AESGCM | None] = OrderedDict()

    async def open_all(self, db: AsyncConnection, rows: Sequence[RowMapping]) -> list[StoredEvent]:
        """The events of whole rows of `audit.tables.events`, in the same order."""
        await self._load_keys(db, {bytes(row["sealed_for"]) for row in rows})
        return [self._open(row) for row in rows]

    def _open(self, row: RowMapping) -> StoredEvent:
        columns = {name: row[name] for name in _AS_THEY_ARE}
        sealed_for = bytes(row["sealed_for"])
        key = self._keys.get(sealed_for)
        return StoredEvent(
            **columns,
            data=parse_data(row["body"]),
            personal=open_personal(key, bytes(row["id"]), row["body"], row["sealed"]) if key else None,
            sealed_for=sealed_for,
        )

    async def _load_keys(self, db: AsyncConnection, subjects: Collection[bytes]) -> None:
        unknown = [subject for subject in subjects if subject not in self._keys]
        if unknown:
            query = select(subject_keys.c.subject_id, subject_keys.c.sealed)
            found = (await db.execute(query.where(subject_keys.c.subject_id.in_(unknown)))).all()
            sealed = {bytes(subject): blob for subject, blob in found}
            self._keys.update((subject, self._unsealed_key(subject, sealed.get(subject))) for subject in unknown)
        for subject in subjects:
            self._keys.move_to_end(subject)
        while len(self._keys) > max(_KEPT_KEYS, len(subjects)):
            self._keys.popitem(last=False)

    def _unsealed_key(self, subject: bytes, sealed: bytes | None) -> AESGCM | None:
        with suppress(SealBroken):
            return None if sealed is None else AESGCM(self._sealer.unseal(sealed, aad=b"subject key " + subject))
        return None


_OPENED = ("data", "personal", "sealed_for")
_AS_THEY_ARE = tuple(name for name in StoredEvent.__dataclass_fields__ if name not in _OPENED)


def parse_data(body: str | bytes) -> dict[str, object]:
    """The public data of a stored body, or `{"damaged": True}` where the body is not what was written.

    Whoever changes one row must not silence the exits: lists, exports, reports and collectors go on, and say so.
    """
    try:
        data = _FIELDS.decode(body).get("data")
    except _NOT_JSON:
        data = None
    return data if isinstance(data, dict) else {"damaged": True}


def open_personal(key: AESGCM, event_id: bytes, body: str | bytes, sealed: bytes) -> dict[str, object] | None:
    """The personal fields of an event under its person's key, or None where the row was changed."""
    # SQLite keeps whatever kind of value somebody puts into a column.
    written = body.encode() if isinstance(body, str) else body
    try:
        personal = _FIELDS.decode(unseal_under(key, sealed, sealed_aad(event_id, leaf_hash(written))))
    except (SealBroken, TypeError, *_NOT_JSON):
        # Verification names it; a list or an export must not end at it.
        log.warning("the personal part of event %s does not open", show_id(EVENT, event_id))
        return None
    # The salt serves the ledger's proofs; to a reader it says nothing.
    personal.pop("salt", None)
    return personal


async def read_from(db: AsyncConnection, reader: EventReader, first: int, *, limit: int = BATCH) -> list[StoredEvent]:
    """At most `limit` numbered events from the number `first` on, in order."""
    query = select(events).where(events.c.seq >= first).order_by(events.c.seq).limit(limit)
    return await reader.open_all(db, (await db.execute(query)).mappings().all())


def as_json(event: StoredEvent) -> dict[str, object]:
    """An event with its public ids, as exports and the API show it."""
    return {
        "seq": event.seq,
        "id": show_id(EVENT, event.id),
        "at": event.at.isoformat(),
        "name": event.name,
        "severity": event.severity,
        "outcome": event.outcome,
        "actor": event.actor,
        "subject": event.subject,
        "client_id": event.client_id,
        "session": event.session_id and show_id(SESSION, event.session_id),
        "device": event.device_id and show_id(DEVICE, event.device_id),
        "place": event.place,
        "risk_score": event.risk_score,
        "risk_reasons": event.risk_reasons,
        "policy_revision": event.policy_revision,
        "request_id": event.request_id,
        "source": event.source,
        "data": event.data,
        "personal": event.personal,
    }
