"""Both hot paths keep the same promises: gates, rows that follow them, grouping, one winner."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from base.clock import from_micros, to_micros, utc_now
from base.database import Database, parse_database_url
from base.errors import NotReady, StorageUnavailable
from base.statements import Statement, Unit, insert_into
from base.tables import data_keys

pytestmark = pytest.mark.anyio

INSERT = insert_into(data_keys)
NOW = to_micros(utc_now())
TAKE = Statement(
    "take",
    (("name", "text"), ("sealed", "bytea")),
    ("UPDATE data_keys SET sealed = :sealed WHERE name = :name AND sealed = X'66726565' RETURNING name, created_at",),
    "UPDATE data_keys SET sealed = input.sealed FROM input WHERE data_keys.name = input.name"
    " AND data_keys.sealed = 'free' RETURNING n, data_keys.name, created_at",
)
FIND = Statement(
    "find",
    (("name", "text"),),
    ("SELECT sealed FROM data_keys WHERE name = :name",),
    "SELECT n, sealed FROM input JOIN data_keys USING (name)",
)


def kept(name: str, sealed: bytes = b"free") -> Unit:
    """Stores one row."""
    return Unit(rows=((INSERT, (name, sealed, NOW)),))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


async def count(database: Database) -> int:
    async with database.reading() as db:
        return int((await db.execute(select(func.count()).select_from(data_keys))).scalar_one())


async def test_rows_written_together_are_all_there_afterwards(database: Database) -> None:
    await asyncio.gather(*(database.write(kept(f"key {number}")) for number in range(100)))
    assert await count(database) == 100


async def test_the_hot_path_and_ordinary_transactions_see_the_same_values(database: Database) -> None:
    await database.write(kept("a", b"\x00\xff"))
    async with database.reading() as db:
        row = (await db.execute(select(data_keys))).one()
    assert (row.name, bytes(row.sealed), row.created_at) == ("a", b"\x00\xff", from_micros(NOW))


async def test_a_gate_opens_for_one_of_many_and_only_its_rows_are_stored(database: Database) -> None:
    """I1"""
    await database.write(kept("code"))
    units = [Unit(TAKE, ("code", b"taken"), ((INSERT, (f"trace {n}", b"", NOW)),)) for n in range(20)]
    results = await asyncio.gather(*(database.write(unit) for unit in units))
    winners = [row for row in results if row is not None]
    assert winners == [("code", NOW)]
    assert await count(database) == 2


async def test_a_gate_that_does_not_hold_writes_nothing(database: Database) -> None:
    assert await database.write(Unit(TAKE, ("missing", b"x"), ((INSERT, ("trace", b"", NOW)),))) is None
    assert await count(database) == 0


async def test_a_unit_that_fails_harms_no_neighbour_and_leaves_nothing(database: Database) -> None:
    await database.write(kept("taken"))
    units = [kept("one"), Unit(rows=((INSERT, ("half", b"", NOW)), (INSERT, ("taken", b"", NOW)))), kept("two")]
    results = await asyncio.gather(*(database.write(unit) for unit in units), return_exceptions=True)
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    async with database.reading() as db:
        names = set((await db.execute(select(data_keys.c.name))).scalars())
    assert names == {"taken", "one", "two"}


async def test_reads_made_together_each_find_their_own_row(database: Database) -> None:
    await asyncio.gather(*(database.write(kept(f"k{n}", bytes([n]))) for n in range(30)))
    found = await asyncio.gather(*(database.find(FIND, (f"k{n}",)) for n in range(31)))
    assert [row and bytes(row[0]) for row in found] == [*(bytes([n]) for n in range(30)), None]  # type: ignore[arg-type]


async def test_a_read_sees_what_an_ordinary_transaction_has_just_committed(database: Database) -> None:
    """S18"""
    await database.write(kept("state", b"before"))
    async with database.transaction() as db:
        await db.execute(data_keys.update().values(sealed=b"after"))
    row = await database.find(FIND, ("state",))
    assert row is not None
    assert bytes(row[0]) == b"after"  # type: ignore[arg-type]


async def test_ordinary_transactions_and_hot_writes_take_turns(database: Database) -> None:
    async def slow(number: int) -> None:
        async with database.transaction() as db:
            await db.execute(data_keys.insert().values(name=f"slow {number}", sealed=b"", created_at=utc_now()))
            await asyncio.sleep(0.001)

    writes = [database.write(kept(f"quick {number}")) for number in range(20)]
    await asyncio.gather(*(slow(number) for number in range(10)), *writes)
    assert await count(database) == 30


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def fail_in_the_middle() -> None:
        async with database.transaction() as db:
            await db.execute(data_keys.insert().values(name="x", sealed=b"", created_at=utc_now()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_in_the_middle()
    assert await count(database) == 0


async def test_a_database_that_cannot_answer_is_told_apart_from_a_bad_value(database: Database) -> None:
    """S19"""
    async with database.transaction() as db:
        await db.execute(text("DROP TABLE data_keys"))
    if database.is_sqlite:
        with pytest.raises(StorageUnavailable):
            await database.write(kept("x"))
    with pytest.raises(StorageUnavailable):
        await count(database)


async def test_postgres_that_is_gone_is_storage_unavailable() -> None:
    """S19"""
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(StorageUnavailable):
        await database.write(kept("x"))
    with pytest.raises(StorageUnavailable):
        await database.find(FIND, ("x",))
    with pytest.raises(StorageUnavailable):
        await count(database)
    await database.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "oracle://x"])
def test_other_databases_are_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(NotReady, match="OSTIARY_DATABASE_URL must start with sqlite:///path or postgresql://"):
        parse_database_url(url)


def test_instants_keep_their_microseconds() -> None:
    now = utc_now()
    assert from_micros(to_micros(now)) == now
    assert to_micros(now + timedelta(microseconds=1)) == to_micros(now) + 1
