"""Events that other services tell of: stored once however often they are sent, always as the sender's own."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from msgspec import structs
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import EventType, Severity
from audit.emit import Born, Emitter
from audit.intake.schema import EXPECTED, Fault, SentEvent, WrongEvents, plain_address
from audit.record import INSERT_EVENT, Event, Origin
from audit.tables import events, intake_batches
from base.database import Database
from base.ids import PERSON, SESSION, parse_id, show_id
from base.statements import Row
from base.within import store

FindPeople = Callable[[Collection[str]], Awaitable[Mapping[str, bytes]]]

# Between two slices of work others get their turn: on SQLite all of it happens on the loop.
_SLICE = 100
_SOURCE_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The application that sends, as it authenticated; whatever a body says, the events are its own."""

    client_id: str
    name: str
    request_id: str | None

    @property
    def source(self) -> str:
        """What its events say of where they come from: the id, which is unique, and the name."""
        return f"{self.client_id} {self.name}"[:_SOURCE_LENGTH].rstrip()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: some of its events may have been stored before. `was_known`: all of it was."""

    received: int
    stored: int
    was_known: bool = False


class KeyReused(Exception):
    """The idempotency key belongs to another batch."""


class Intake:
    """Takes batches. `find_people` maps a token's `sub`, or `usr_…`, to the person's id, where there is one."""

    def __init__(self, database: Database, emitter: Emitter, find_people: FindPeople) -> None:
        self._database = database
        self._emitter = emitter
        self._find_people = find_people

    async def take(
        self, sent: Sequence[SentEvent], sender: Sender, *, key: str | None, digest: bytes, now: datetime
    ) -> Taken:
        """Stores the events of one batch, all or nothing; `digest` is that of the body as it came.

        The same key and body again gets the same answer. Raises KeyReused, and WrongEvents for a `usr_` id that nobody
        has: kept as text it would look like a person, and erasing nobody would ever reach it.
        """
        known = key and await self._find_batch(sender, key, digest)
        if known:
            return known
        rows = await self._rows(sent, sender)
        async with self._database.transaction() as db:
            # One batch of a sender at a time: then what is there already can be looked up before it is stored.
            if not self._database.is_sqlite:
                await db.execute(select(func.pg_advisory_xact_lock(_lock_of(sender.client_id))))
            if key and (known := await _known(db, sender, key, digest)):
                return known
            new = await _new_ones(db, rows)
            for begin in range(0, len(new), _SLICE):
                await store(db, INSERT_EVENT, new[begin : begin + _SLICE])
                await asyncio.sleep(0)
            taken = Taken(len(sent), len(new))
            if key:
                answer = {"received": taken.received, "stored": taken.stored}
                values = {"client_id": sender.client_id, "key": key, "digest": digest, "answer": answer}
                await db.execute(insert(intake_batches).values(**values, created_at=now))
        return taken

    async def _find_batch(self, sender: Sender, key: str, digest: bytes) -> Taken | None:
        async with self._database.reading() as db:
            return await _known(db, sender, key, digest)

    async def _rows(self, sent: Sequence[SentEvent], sender: Sender) -> list[Row]:
        people = await self._find_people({each.sub for each in sent if each.sub is not None})
        nobody = [index for index, each in enumerate(sent) if _is_of_nobody(each, people)]
        if nobody:
            raise WrongEvents([Fault(index, "sub", EXPECTED["sub"]) for index in nobody])
        rows: list[Row] = []
        for begin in range(0, len(sent), _SLICE):
            born = [_born(each, sender, people) for each in sent[begin : begin + _SLICE]]
            rows += await self._emitter.rows_of(born)
            await asyncio.sleep(0)
        return rows


def event_id_of(client_id: str, sender_id: str) -> bytes:
    """Our id of an event that a client calls `sender_id`: the same each time, and nobody else can make it.

    A UUIDv8 (RFC 9562 §5.8), so it never equals one that this server makes for an event of its own.
    """
    mixed = hashlib.sha256(f"ostiary intake\0{client_id}\0{sender_id}".encode()).digest()
    number = int.from_bytes(mixed[:16], "big")
    number = number & ~(0xF << 76) | (0x8 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return number.to_bytes(16, "big")


def _is_of_nobody(sent: SentEvent, people: Mapping[str, bytes]) -> bool:
    return sent.sub is not None and sent.sub.startswith(PERSON) and sent.sub not in people


def _born(sent: SentEvent, sender: Sender, people: Mapping[str, bytes]) -> Born:
    person = people.get(sent.sub) if sent.sub is not None else None
    if sent.sub is not None and person is None:
        # Perhaps of somebody who was erased: no key would ever be destroyed for them, so nothing personal is kept.
        sent = structs.replace(sent, personal={}, address=None)
    data = {**sent.data, "sender_id": sent.id} | ({"message": sent.message} if sent.message is not None else {})
    kind = EventType(sent.name, Severity(sent.severity), "", frozenset(data), frozenset(sent.personal))
    address = plain_address(sent.address) if sent.address is not None else None
    event = Event(
        type=kind,
        actor=sent.actor or sender.client_id,
        outcome=sent.outcome,
        subject=show_id(PERSON, person) if person else sent.sub,
        person=person,
        client_id=sent.client_id,
        session_id=parse_id(SESSION, sent.session) if sent.session else None,
        origin=Origin(address, None, sender.request_id, sender.source),
        data=data,
        personal=sent.personal,
    )
    return Born(event_id_of(sender.client_id, sent.id), sent.at.astimezone(UTC), event)


async def _known(db: AsyncConnection, sender: Sender, key: str, digest: bytes) -> Taken | None:
    batches = intake_batches.c
    query = select(batches.digest, batches.answer).where(batches.client_id == sender.client_id, batches.key == key)
    found = (await db.execute(query)).first()
    if found is None:
        return None
    if bytes(found.digest) != digest:
        raise KeyReused
    return Taken(**found.answer, was_known=True)


async def _new_ones(db: AsyncConnection, rows: Sequence[Row]) -> list[Row]:
    """The rows that are not stored yet, each id once: the first one of a batch stands."""
    by_id: dict[bytes, Row] = {}
    for row in rows:
        by_id.setdefault(cast(bytes, row[0]), row)
    found = (await db.execute(select(events.c.id).where(events.c.id.in_(by_id)))).scalars()
    stored = {bytes(each) for each in found}
    return [row for event_id, row in by_id.items() if event_id not in stored]


def _lock_of(client_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"intake {client_id}".encode()).digest()[:8], "big", signed=True)
