"""The one emitter: turns events into rows, and stores them in the caller's transaction or unit (S44)."""

import os
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.record import INSERT_EVENT, NOBODY, Event, Indexes, Origin, index_value, make_row, network_of
from audit.tables import subject_keys
from base.database import Database
from base.ids import PERSON, new_id, show_id
from base.sealing import KEY_BYTES, Sealer
from base.statements import Insert, Row
from base.within import store

_CACHED = 4096


@dataclass(frozen=True, slots=True)
class Born:
    """An event that has its id and its time already: somebody else tells of it."""

    id: bytes
    at: datetime
    event: Event


class Emitter:
    """Makes rows of events. Keeps unsealed subject keys and index values of recent addresses in memory, bounded."""

    def __init__(self, database: Database, sealer: Sealer, index_key: bytes) -> None:
        self._database = database
        self._sealer = sealer
        self._index_key = index_key
        self._keys: OrderedDict[bytes, AESGCM] = OrderedDict()
        self._addresses: OrderedDict[str, tuple[bytes, bytes | None]] = OrderedDict()

    async def begin_subject(self, db: AsyncConnection, subject_id: bytes, *, now: datetime) -> None:
        """Makes the key under which a new person's personal fields will be sealed."""
        await self.begin_subjects(db, [subject_id], now=now)

    async def begin_subjects(self, db: AsyncConnection, subject_ids: Sequence[bytes], *, now: datetime) -> None:
        """Makes the keys of new people, all in one statement."""
        keys = {subject_id: AESGCM.generate_key(KEY_BYTES * 8) for subject_id in subject_ids}
        sealed = [(subject_id, self._sealer.seal(key, aad=_aad(subject_id))) for subject_id, key in keys.items()]
        rows = [{"subject_id": subject_id, "sealed": each, "created_at": now} for subject_id, each in sealed]
        await db.execute(insert(subject_keys), rows)
        for subject_id, key in keys.items():
            self._remember(subject_id, AESGCM(key))

    def forget(self, subject_id: bytes) -> None:
        """Takes a destroyed key out of this process's memory. Called before the commit, it may be read once more."""
        self._keys.pop(subject_id, None)

    async def emit(self, db: AsyncConnection, event: Event, *, now: datetime) -> None:
        """Stores one event in the caller's transaction."""
        await self.emit_all(db, [event], now=now)

    async def emit_all(self, db: AsyncConnection, events: Sequence[Event], *, now: datetime) -> None:
        """Stores events in the caller's transaction, all in one statement."""
        keys = await self._keys_for(db, {event.person or NOBODY for event in events})
        await store(db, INSERT_EVENT, [self._row(event, keys, now) for event in events])

    async def row(self, event: Event, *, now: datetime) -> tuple[Insert, Row]:
        """One event as a row for a `base.statements.Unit`."""
        subject = event.person or NOBODY
        keys: Mapping[bytes, AESGCM | None] = {subject: self._keys.get(subject)}
        if keys[subject] is None:
            async with self._database.reading() as db:
                keys = await self._keys_for(db, [subject])
        return INSERT_EVENT, self._row(event, keys, now)

    async def rows_of(self, born: Sequence[Born]) -> list[Row]:
        """Rows of `INSERT_EVENT`, in order; the keys that are not in memory are read all at once."""
        keys = await self._load_keys({NOBODY, *(each.event.person or NOBODY for each in born)})
        return [self._row(each.event, keys, each.at, each.id) for each in born]

    def index(self, kind: str, value: str) -> bytes:
        """A keyed index value, for searches and for usernames that nobody has (S46)."""
        return index_value(self._index_key, kind, value)

    def _row(
        self, event: Event, keys: Mapping[bytes, AESGCM | None], at: datetime, event_id: bytes | None = None
    ) -> Row:
        """The row; that of an erased person's event is about nobody, so that whatever is sealed still opens."""
        if keys.get(event.person or NOBODY) is None:
            event = _about_nobody(event)
        return make_row(
            event,
            event_id=event_id or new_id(at),
            at=at,
            salt=os.urandom(16),
            # Nothing destroys the key of events about nobody. Where it is gone all the same, events are not lost:
            # they are stored without anything to read in them, and verification says so.
            subject_key=keys.get(event.person or NOBODY) or AESGCM(AESGCM.generate_key(KEY_BYTES * 8)),
            indexes=self._indexes(event),
        )

    def _indexes(self, event: Event) -> Indexes:
        person = self.index("person", event.person.hex()) if event.person else None
        return Indexes(person, *self._address_indexes(event.origin.address))

    def _address_indexes(self, address: str | None) -> tuple[bytes | None, bytes | None]:
        if address is None:
            return None, None
        known = self._addresses.get(address)
        if known is not None:
            return known
        network = network_of(address)
        made = self.index("address", address), self.index("network", network) if network else None
        self._addresses[address] = made
        if len(self._addresses) > _CACHED:
            self._addresses.popitem(last=False)
        return made

    async def _keys_for(self, db: AsyncConnection, subjects: Collection[bytes]) -> dict[bytes, AESGCM | None]:
        """The subjects' keys, and that of events about nobody wherever one of them is erased."""
        keys = {subject: await self._load_key(db, subject) for subject in subjects}
        if None in keys.values():
            keys[NOBODY] = await self._load_key(db, NOBODY)
        return keys

    async def _load_key(self, db: AsyncConnection, subject_id: bytes) -> AESGCM | None:
        """The subject's key, or None where it was destroyed: that is asked anew each time, as it may be undone yet."""
        key = self._keys.get(subject_id)
        if key is not None:
            self._keys.move_to_end(subject_id)
            return key
        query = select(subject_keys.c.sealed).where(subject_keys.c.subject_id == subject_id)
        sealed = (await db.execute(query)).scalar_one()
        if sealed is None:
            return None
        key = AESGCM(self._sealer.unseal(sealed, aad=_aad(subject_id)))
        self._remember(subject_id, key)
        return key

    async def _load_keys(self, subjects: Collection[bytes]) -> Mapping[bytes, AESGCM | None]:
        """The subjects' keys, None for each that was destroyed."""
        keys: dict[bytes, AESGCM | None] = {subject: self._keys.get(subject) for subject in subjects}
        unknown = [subject for subject, key in keys.items() if key is None]
        if unknown:
            query = select(subject_keys.c.subject_id, subject_keys.c.sealed)
            query = query.where(subject_keys.c.subject_id.in_(unknown), subject_keys.c.sealed.is_not(None))
            async with self._database.reading() as db:
                found = (await db.execute(query)).all()
            for subject, sealed in found:
                keys[bytes(subject)] = AESGCM(self._sealer.unseal(sealed, aad=_aad(bytes(subject))))
                self._remember(bytes(subject), cast(AESGCM, keys[bytes(subject)]))
        return keys

    def _remember(self, subject_id: bytes, key: AESGCM) -> None:
        self._keys[subject_id] = key
        if len(self._keys) > _CACHED:
            self._keys.popitem(last=False)


def _about_nobody(event: Event) -> Event:
    """What may still be told of an erased person: their random id in the public part, and nothing that is hidden."""
    origin = Origin(request_id=event.origin.request_id, source=event.origin.source)
    subject = show_id(PERSON, event.person) if event.person else event.subject
    risk = event.risk and replace(event.risk, reasons=())
    return replace(event, subject=subject, person=None, personal={}, origin=origin, risk=risk, place=None)


def _aad(subject_id: bytes) -> bytes:
    return b"subject key " + subject_id
