"""People brought in from another system, many in a transaction, each with the events that a single one gets (S44).

Whoever has the username or the verified mail address of an entry is that person already: known, and left as they are.
So an import may be run again, and one that was stopped goes on where it was.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import PASSWORD_SET, PERSON_IMPORTED
from audit.record import Event
from base.errors import StatementRefused
from base.ids import PERSON, new_id, show_id
from identity.errors import Refused
from identity.import_fields import Newcomer, parse_newcomer
from identity.import_files import Entry, RefusedLine
from identity.new_people import CheckedPerson, created_event, email_row, person_row
from identity.services import Services
from identity.tables import credentials, emails, people
from identity.values import PersonState

VIA = "import"
# A transaction of this many takes less than a tenth of a second: a running server's writes wait no longer.
BATCH = 200
MAX_SHOWN = 1000
# Between two transactions SQLite's lock is free for at least this long, beside the time that reading lines takes.
_PAUSE_S = 0.01

Numbered = tuple[int, Newcomer]


@dataclass(slots=True)
class Tally:
    """How far an import is: entries by what became of them, and the first of the refused ones."""

    made: int = 0
    known: int = 0
    refused: int = 0
    shown: list[RefusedLine] = field(default_factory=list)

    @property
    def read(self) -> int:
        """How many entries were looked at."""
        return self.made + self.known + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is told on the way: of every refused line, and of the tally after each transaction."""

    refused: Callable[[RefusedLine], None]
    progress: Callable[[Tally], None]


async def import_people(
    services: Services,
    entries: Iterable[Entry | RefusedLine],
    *,
    emails_verified: bool,
    dry_run: bool,
    actor: str,
    watch: Watch,
) -> Tally:
    """Makes an account of each entry that is nobody's yet; what cannot be taken is refused, and the import goes on.

    `dry_run` writes nothing and tells what would have been made. In the end one event tells the sums.
    Each batch is a transaction of its own: StorageUnavailable leaves what was made before.
    """
    tally, seen = Tally(), set[int]()
    iterator = iter(entries)
    while batch := list(islice(iterator, BATCH)):
        newcomers = list(_parse(batch, tally, emails_verified=emails_verified, watch=watch))
        if dry_run:
            await _count(services, newcomers, tally, seen)
        else:
            await _bring_in(services, newcomers, tally, actor=actor, watch=watch)
        watch.progress(tally)
    if tally.made and not dry_run:
        await _emit_sums(services, tally, actor=actor)
    return tally


def _parse(
    batch: Iterable[Entry | RefusedLine], tally: Tally, *, emails_verified: bool, watch: Watch
) -> Iterator[Numbered]:
    for entry in batch:
        if isinstance(entry, RefusedLine):
            _refuse(entry, tally, watch)
            continue
        try:
            yield entry.line, parse_newcomer(entry.fields, emails_verified=emails_verified)
        except Refused as refused:
            _refuse(RefusedLine(entry.line, refused.field, refused.message), tally, watch)


def _refuse(line: RefusedLine, tally: Tally, watch: Watch) -> None:
    tally.refused += 1
    if len(tally.shown) < MAX_SHOWN:
        tally.shown.append(line)
    watch.refused(line)


async def _count(services: Services, newcomers: Sequence[Numbered], tally: Tally, seen: set[int]) -> None:
    """What would become of the newcomers; `seen` remembers those of earlier batches, by a hash of their keys."""
    async with services.database.reading() as db:
        taken = await _find_taken(db, newcomers)
    for _, newcomer in newcomers:
        keys = _keys(newcomer.checked)
        if any(key in taken or hash(key) in seen for key in keys):
            tally.known += 1
        else:
            tally.made += 1
        seen.update(map(hash, keys))


async def _bring_in(
    services: Services, newcomers: Sequence[Numbered], tally: Tally, *, actor: str, watch: Watch
) -> None:
    try:
        await _store(services, newcomers, tally, actor=actor)
    except StatementRefused:
        # Somebody took a name between the look and the insert (PostgreSQL): one by one, all but that one get in.
        for single in newcomers:
            await _bring_in_one(services, single, tally, actor=actor, watch=watch)
    if services.database.is_sqlite:
        await asyncio.sleep(_PAUSE_S)


async def _bring_in_one(services: Services, single: Numbered, tally: Tally, *, actor: str, watch: Watch) -> None:
    for _ in range(2):
        with suppress(StatementRefused):
            await _store(services, [single], tally, actor=actor)
            return
    _refuse(RefusedLine(single[0], "line", "was refused by the database"), tally, watch)


async def _store(services: Services, newcomers: Sequence[Numbered], tally: Tally, *, actor: str) -> None:
    """One transaction; the tally counts only what was committed."""
    now = services.clock()
    async with services.database.transaction() as db:
        fresh = _choose(newcomers, await _find_taken(db, newcomers))
        if fresh:
            await _insert(db, services, fresh, now=now, actor=actor)
    tally.made += len(fresh)
    tally.known += len(newcomers) - len(fresh)


def _keys(checked: CheckedPerson) -> tuple[str, ...]:
    """What nobody else may have. A username never has an `@` and an address always does, so one set holds both."""
    return tuple(key for key in (checked.username_key, checked.verified_key) if key is not None)


async def _find_taken(db: AsyncConnection, newcomers: Sequence[Numbered]) -> set[str]:
    names = [each.checked.username_key for _, each in newcomers if each.checked.username_key]
    mails = [each.checked.verified_key for _, each in newcomers if each.checked.verified_key]
    taken: set[str] = set()
    if names:
        taken.update(await db.scalars(select(people.c.username_key).where(people.c.username_key.in_(names))))
    if mails:
        query = select(emails.c.address_key).where(emails.c.address_key.in_(mails), emails.c.verified_at.is_not(None))
        taken.update(await db.scalars(query))
    return taken


def _choose(newcomers: Sequence[Numbered], taken: set[str]) -> list[Newcomer]:
    """Those whom nobody is yet, be it in the database or earlier in the same batch."""
    fresh, used = [], set(taken)
    for _, newcomer in newcomers:
        keys = _keys(newcomer.checked)
        if used.isdisjoint(keys):
            fresh.append(newcomer)
        used.update(keys)
    return fresh


async def _insert(
    db: AsyncConnection, services: Services, fresh: Sequence[Newcomer], *, now: datetime, actor: str
) -> None:
    ids = [new_id(now) for _ in fresh]
    pairs = list(zip(ids, fresh, strict=True))
    rows = [person_row(each.checked, person_id, now=now, state=_state(each)) for person_id, each in pairs]
    await db.execute(insert(people), rows)
    addresses = [
        email_row(each.checked.email, person_id, verified=each.checked.email_verified, now=now)
        for person_id, each in pairs
        if each.checked.email is not None
    ]
    if addresses:
        await db.execute(insert(emails), addresses)
    hashes = [(person_id, each.checked.password_hash) for person_id, each in pairs if each.checked.password_hash]
    if hashes:
        await db.execute(insert(credentials), [_credential(*each, now) for each in hashes])
    await services.emitter.begin_subjects(db, ids, now=now)
    events = [event for person_id, each in pairs for event in _events(person_id, each, actor)]
    await services.emitter.emit_all(db, events, now=now)


def _state(newcomer: Newcomer) -> PersonState:
    return "disabled" if newcomer.disabled else "active"


def _credential(person_id: bytes, password_hash: str, now: datetime) -> dict[str, object]:
    return {
        "id": new_id(now),
        "person_id": person_id,
        "kind": "password",
        "hash": password_hash,
        "attributes": {},
        "created_at": now,
        "version": 1,
    }


def _events(person_id: bytes, newcomer: Newcomer, actor: str) -> Iterator[Event]:
    yield created_event(newcomer.checked, person_id, actor=actor, via=VIA, state=_state(newcomer))
    if newcomer.checked.password_hash:
        subject = show_id(PERSON, person_id)
        yield Event(type=PASSWORD_SET, actor=actor, subject=subject, person=person_id, data={"why": VIA})


async def _emit_sums(services: Services, tally: Tally, *, actor: str) -> None:
    data = {"made": tally.made, "known": tally.known, "refused": tally.refused}
    async with services.database.transaction() as db:
        await services.emitter.emit(db, Event(type=PERSON_IMPORTED, actor=actor, data=data), now=services.clock())
