"""The events about one person, newest first, a page at a time; their personal fields opened, nobody else's."""

import base64
import binascii
import struct
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Row, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.emit import Emitter
from audit.reading import open_personal, parse_data, take_assessed
from audit.tables import events, subject_keys
from base.clock import from_micros, to_micros
from base.database import Database
from base.sealing import SealBroken, Sealer

BATCH = 500
_PLACE = struct.Struct(">q16s")


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event about the person. `personal` is empty where the key that opens it is gone; `place` and `risk_reasons`
    are None then, too."""

    id: bytes
    at: datetime
    name: str
    severity: str
    outcome: str
    actor: str
    client_id: str | None
    session_id: bytes | None
    device_id: bytes | None
    place: object
    source: str
    data: Mapping[str, object]
    personal: Mapping[str, object]
    risk_score: int | None = None
    risk_reasons: object = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: the events behind it are older."""

    at: datetime
    id: bytes

    def __str__(self) -> str:
        """The text that stands in an address."""
        return base64.urlsafe_b64encode(_PLACE.pack(to_micros(self.at), self.id)).decode()


def parse_cursor(text: str) -> Cursor | None:
    """The place behind a text, or None where it is none. Whoever makes one up reads their own events from there."""
    try:
        micros, event_id = _PLACE.unpack(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True))
        return Cursor(from_micros(micros), event_id)
    except (ValueError, binascii.Error, struct.error, OverflowError):
        return None


async def list_person_events(
    db: AsyncConnection,
    emitter: Emitter,
    sealer: Sealer,
    person_id: bytes,
    *,
    limit: int,
    after: Cursor | None = None,
    only: Collection[str] = (),
    but: Collection[str] = (),
    at: Collection[datetime] = (),
) -> list[FoundEvent]:
    """At most `limit` events about the person behind `after`, newest first.

    `only` and `but` are names of events to be given alone, or left out; `at` are the instants to look at alone.
    """
    wanted: list[ColumnElement[bool]] = [events.c.person_index == emitter.index("person", person_id.hex())]
    if only:
        wanted.append(events.c.name.in_(only))
    if but:
        wanted.append(events.c.name.not_in(but))
    if at:
        wanted.append(events.c.at.in_(at))
    if after is not None:
        place = literal(after.at, events.c.at.type), literal(after.id, events.c.id.type)
        wanted.append(tuple_(events.c.at, events.c.id) < tuple_(*place))
    query = select(events).where(*wanted).order_by(events.c.at.desc(), events.c.id.desc()).limit(limit)
    rows = (await db.execute(query)).all()
    return _opened(rows, person_id, await _find_key(db, sealer, person_id) if rows else None)


async def walk_person_events(
    database: Database, emitter: Emitter, sealer: Sealer, person_id: bytes
) -> AsyncIterator[FoundEvent]:
    """All events about the person, newest first. Memory stays flat: each batch comes in a short read of its own."""
    after: Cursor | None = None
    while True:
        async with database.reading() as db:
            batch = await list_person_events(db, emitter, sealer, person_id, limit=BATCH, after=after)
        for event in batch:
            yield event
        if len(batch) < BATCH:
            return
        after = Cursor(batch[-1].at, batch[-1].id)


def _opened(rows: Sequence[Row[tuple[object, ...]]], person_id: bytes, key: AESGCM | None) -> list[FoundEvent]:
    # Sealed for somebody else it would not open anyway.
    return [_found(row, key if bytes(row.sealed_for) == person_id else None) for row in rows]


def _found(row: Row[tuple[object, ...]], key: AESGCM | None) -> FoundEvent:
    personal = (open_personal(key, bytes(row.id), row.body, row.sealed) if key else None) or {}
    place, reasons = take_assessed(row.version, personal)
    return FoundEvent(
        id=bytes(row.id),
        at=row.at,
        name=row.name,
        severity=row.severity,
        outcome=row.outcome,
        actor=row.actor,
        client_id=row.client_id,
        session_id=row.session_id,
        device_id=row.device_id,
        place=place,
        source=row.source,
        data=parse_data(row.body),
        personal=personal,
        risk_score=row.risk_score,
        risk_reasons=reasons,
    )


async def _find_key(db: AsyncConnection, sealer: Sealer, person_id: bytes) -> AESGCM | None:
    query = select(subject_keys.c.sealed).where(subject_keys.c.subject_id == person_id)
    sealed = (await db.execute(query)).scalar_one_or_none()
    try:
        return None if sealed is None else AESGCM(sealer.unseal(sealed, aad=b"subject key " + person_id))
    except SealBroken:
        return None
