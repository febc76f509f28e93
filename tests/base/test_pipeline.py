"""PostgreSQL in few journeys: what is put off happens in order or not at all, and a failure leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import func, select, text

from base.database import Database
from base.errors import StatementRefused, StorageUnavailable
from base.pipeline import PipelinedConnection, ask_for
from base.statements import Prepared, Statement, insert_into
from base.tables import data_keys
from base.within import run, run_each, send, store

pytestmark = pytest.mark.anyio

INSERT = insert_into(data_keys)
FIND = Statement(
    "find",
    (("name", "text"),),
    ("SELECT sealed FROM data_keys WHERE name = :name",),
    "SELECT n, sealed FROM input JOIN data_keys USING (name)",
)
FORGET = Statement(
    "forget",
    (("name", "text"),),
    ("DELETE FROM data_keys WHERE name = :name",),
    "DELETE FROM data_keys USING input WHERE data_keys.name = input.name RETURNING n",
)
ECHO = Prepared(
    b"SELECT * FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::integer[], $5::smallint[], $6::boolean[])",
    ("bytea", "text", "bigint", "integer", "smallint", "boolean"),
)
SLOW = Prepared(b"SELECT pg_sleep(s)::text FROM unnest($1::integer[]) AS t(s)", ("integer",))
WRONG = Prepared(b"SELECT missing FROM unnest($1::integer[])", ("integer",))
FAILING = Prepared(b"SELECT 1 / i FROM unnest($1::integer[]) AS t(i)", ("integer",))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def connection(postgres_url: Callable[[], str]) -> AsyncIterator[PipelinedConnection]:
    opened = await PipelinedConnection.connect(postgres_url(), prepare_threshold=None)
    yield opened
    await opened.close()


async def count(database: Database) -> int:
    async with database.reading() as db:
        return int((await db.execute(select(func.count()).select_from(data_keys))).scalar_one())


async def keep(database: Database, *names: str, then: Statement | None = None) -> None:
    """Stores a row of each name in one transaction, one after the other, and then runs a statement on the first."""
    async with database.transaction() as db:
        for name in names:
            await store(db, INSERT, [(name, b"", 1)])
        if then is not None:
            await run(db, then, (names[0],))


async def test_what_was_put_off_is_seen_by_the_next_statement_and_stored_by_the_commit(database: Database) -> None:
    async with database.transaction() as db:
        await store(db, INSERT, [("a", b"1", 1), ("b", b"2", 2)])
        await send(db, FORGET, ("a",))
        assert await run_each(db, (FIND, ("a",)), (FIND, ("b",))) == [[], [(b"2",)]]
        await store(db, INSERT, [("c", b"3", 3)])
        assert (await db.execute(select(func.count()).select_from(data_keys))).scalar_one() == 2
        await store(db, INSERT, [("d", b"4", 4)])
    assert await count(database) == 3


async def test_what_was_put_off_never_happens_in_a_transaction_that_is_given_up(database: Database) -> None:
    with suppress(KeyError):
        async with database.transaction() as db:
            await store(db, INSERT, [("a", b"", 1)])
            raise KeyError
    async with database.transaction() as db:
        await store(db, INSERT, [("b", b"", 1)])
        assert await run(db, FIND, ("a",)) is None
    assert await count(database) == 1


async def test_a_row_that_is_refused_at_the_commit_takes_the_transaction_with_it(database: Database) -> None:
    await keep(database, "taken")
    with pytest.raises(StatementRefused, match=r"^(UniqueViolation 23505|IntegrityError \w+)$"):
        await keep(database, "new", "taken", "newer")
    assert await count(database) == 1


async def test_a_row_that_is_refused_before_another_statement_is_told_there(database: Database) -> None:
    with pytest.raises(StatementRefused):
        await keep(database, "same", "same", then=FIND)
    assert await count(database) == 0


async def test_a_savepoint_undoes_what_was_put_off_within_it_and_nothing_else(database: Database) -> None:
    async with database.transaction() as db:
        await store(db, INSERT, [("before", b"", 1)])
        with suppress(KeyError):
            async with db.begin_nested():
                await store(db, INSERT, [("within", b"", 1)])
                await db.execute(text("SELECT 1"))
                raise KeyError
        await store(db, INSERT, [("after", b"", 1)])
        found = await run_each(db, *((FIND, (name,)) for name in ("before", "within", "after")))
        assert [bool(rows) for rows in found] == [True, False, True]


async def test_every_type_arrives_as_it_was_sent(connection: PipelinedConnection) -> None:
    rows = [
        (b"\x00\xff", 'a"b\\{,} Ωß', -(2**63), -(2**31), -(2**15), True),
        (b"", "", 2**63 - 1, 2**31 - 1, 2**15 - 1, False),
        (None, None, None, None, None, None),
    ]
    assert await connection.ask(ask_for(ECHO, rows)) == [rows]


@pytest.mark.parametrize("row", [(b"", "", 2**63, 0, 0, True), (b"", "", 0, 2**31, 0, True)])
async def test_a_number_out_of_range_is_refused_before_it_is_sent(row: tuple[bytes, str, int, int, int, bool]) -> None:
    with pytest.raises(psycopg.DataError, match="out of range"):
        ask_for(ECHO, [row])


async def test_after_a_failure_nothing_that_follows_happens_and_the_connection_goes_on(
    connection: PipelinedConnection,
) -> None:
    connection.later(ask_for(INSERT.prepared, [("a", b"", 1)]))
    with pytest.raises(psycopg.errors.DivisionByZero):
        await connection.ask(ask_for(FAILING, [(0,)]), ask_for(ECHO, [(b"", "", 0, 0, 0, True)]), ends=True)
    await connection.rollback()
    assert await connection.ask(ask_for(FIND.prepared, [("a",)])) == [[]]
    assert await connection.ask(ask_for(ECHO, [(b"", "", 0, 0, 0, True)]), ends=True) == [[(b"", "", 0, 0, 0, True)]]


async def test_a_statement_that_cannot_be_prepared_fails_each_time_and_spoils_no_other(
    connection: PipelinedConnection,
) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedColumn):
            await connection.ask(ask_for(WRONG, [(1,)]), ask_for(FAILING, [(1,)]))
        await connection.rollback()
    assert await connection.ask(ask_for(FAILING, [(1,)]), ask_for(FAILING, [(1,)]), ends=True) == [[(1,)], [(1,)]]


async def test_a_caller_that_gives_up_leaves_no_answer_for_the_next_one(connection: PipelinedConnection) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connection.ask(ask_for(SLOW, [(30,)]), ask_for(FAILING, [(1,)]))
    await connection.rollback()
    assert await connection.ask(ask_for(FAILING, [(1,)]), ends=True) == [[(1,)]]


async def test_a_connection_that_was_cut_tells_so_and_is_not_used_again(postgres_url: Callable[[], str]) -> None:
    """S44"""
    url = postgres_url()
    database = Database(url)
    await keep(database, "a")

    async def keep_while_cut() -> None:
        async with database.transaction() as db:
            own = (await db.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
                await other.execute("SELECT pg_terminate_backend(%s, 5000)", [own])
            await store(db, INSERT, [("b", b"", 1)])

    with pytest.raises(StorageUnavailable):
        await keep_while_cut()
    assert await count(database) == 1
    await database.close()
