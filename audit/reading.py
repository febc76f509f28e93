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
from audit.record import ASSESSED_VERSION, DECIDED_VERSION, PLACE, REASONS, sealed_aad
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
    `place` and `risk_reasons` are personal, and None where `personal` is; the rest of an assessment is public.
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
    risk_level: str | None = None
    risk_log_odds: float | None = None
    risk_calibration: str | None = None
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
        key, body = self._keys.get(sealed_for), _parse_body(row["body"])
        personal = open_personal(key, bytes(row["id"]), row["body"], row["sealed"]) if key else None
        place, reasons = take_assessed(row["version"], personal)
        risk = _mapping(body.get("risk"))
        return StoredEvent(
            **columns,
            place=place,
            risk_level=_text(risk.get("level")),
            risk_log_odds=odds if isinstance(odds := risk.get("log_odds"), float) else None,
            risk_calibration=_text(risk.get("calibration")),
            risk_reasons=reasons,
            data=_data_of(body),
            personal=personal,
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


_OPENED = frozenset("data personal sealed_for place risk_level risk_log_odds risk_calibration risk_reasons".split())
_AS_THEY_ARE = tuple(name for name in StoredEvent.__dataclass_fields__ if name not in _OPENED)


def parse_data(body: str | bytes) -> dict[str, object]:
    """The public data of a stored body, or `{"damaged": True}` where the body is not what was written.

    Whoever changes one row must not silence the exits: lists, exports, reports and collectors go on, and say so.
    """
    return _data_of(_parse_body(body))


def _parse_body(body: str | bytes) -> dict[str, object]:
    """The fields of a stored body; none where it is not what was written."""
    try:
        return _FIELDS.decode(body)
    except _NOT_JSON:
        return {}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _data_of(body: Mapping[str, object]) -> dict[str, object]:
    data = body.get("data")
    return data if isinstance(data, dict) else {"damaged": True}


def take_assessed(version: object, personal: dict[str, object] | None) -> tuple[object, object]:
    """Takes place and reasons out of the personal fields of an event; None for what it does not have.

    Version 1 has none: there a field of the same name is another service's own.
    """
    if version not in (ASSESSED_VERSION, DECIDED_VERSION) or personal is None:
        return None, None
    return personal.pop(PLACE, None), personal.pop(REASONS, None)


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
        "risk_level": event.risk_level,
        "risk_log_odds": event.risk_log_odds,
        "risk_calibration": event.risk_calibration,
        "risk_reasons": event.risk_reasons,
        "policy_revision": event.policy_revision,
        "request_id": event.request_id,
        "source": event.source,
        "data": event.data,
        "personal": event.personal,
    }


def without_personal(shown: Mapping[str, object]) -> dict[str, object]:
    """An event of `as_json` for somebody who may not read what is personal: without it, place and reasons."""
    return {name: value for name, value in shown.items() if name not in ("personal", PLACE, REASONS)}
