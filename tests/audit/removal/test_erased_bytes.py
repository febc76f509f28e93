"""What an erasure leaves in SQLite's files: neither the sealed key, nor a keyed value, nor a name, in no unused part.

PostgreSQL's dead rows go with its vacuum, and its log with its own retention; the guide for operators says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from audit.catalogue import LOGIN_SUCCEEDED
from audit.record import Event, Origin
from audit.removal.erasure import Erasures
from audit.tables import subject_keys
from identity.account.deletion import delete_person
from identity.person_values import Person
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

HOME = "203.0.113.77"


async def _live(world: World, person: Person, address: str) -> None:
    event = Event(type=LOGIN_SUCCEEDED, actor="usr", person=person.id, origin=Origin(address, "agent " * 20))
    for _ in range(20):
        async with world.services.database.transaction() as db:
            await world.services.emitter.emit_all(db, [event] * 10, now=world.clock())


async def _traces(world: World, person: Person) -> list[bytes]:
    """What nobody may find afterwards: sealed key, index values, name and address."""
    emitter = world.services.emitter
    async with world.services.database.reading() as db:
        query = select(subject_keys.c.sealed).where(subject_keys.c.subject_id == person.id)
        sealed = bytes((await db.execute(query)).scalar_one())
    indexes = [
        emitter.index("person", person.id.hex()),
        emitter.index("address", HOME),
        emitter.index("network", "203.0.113.0/24"),
    ]
    return [sealed, *indexes, b"countess@example.com"]


def _found(folder: Path, traces: list[bytes]) -> list[bool]:
    raw = b"".join(path.read_bytes() for path in folder.glob("*.sqlite*"))
    return [trace in raw for trace in traces]


@contextmanager
def _reader(folder: Path) -> Iterator[None]:
    """Somebody who reads for a long time, such as a backup."""
    (path,) = folder.glob("*.sqlite")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM events").fetchone()
    yield
    connection.close()


async def test_no_trace_of_an_erased_person_is_left_in_the_files(
    sqlite_url: Callable[[Path], str], tmp_path: Path
) -> None:
    """S47"""
    folder = tmp_path / "database"
    folder.mkdir()
    async with open_world(sqlite_url(folder), tmp_path) as world:
        others = [await world.person(f"person{number}", password=None) for number in range(40)]
        countess = await world.person("countess", password=None)
        for other in others[:5]:
            await _live(world, other, "198.51.100.9")
            await _live(world, countess, HOME)
        traces = await _traces(world, countess)
        assert _found(folder, traces) == [True] * 5

        async with world.services.database.transaction() as db:
            await delete_person(db, world.services, countess.id, now=world.clock(), actor="cli")
        rounds = Erasures(world.services.audit)
        with _reader(folder):
            await rounds.round()
            # The log cannot be emptied under a reader, and nobody waits for that one.
            assert any(_found(folder, traces))
        await rounds.round()
        assert _found(folder, traces) == [False] * 5
