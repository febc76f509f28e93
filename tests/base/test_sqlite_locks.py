"""SQLite when somebody else holds its lock, or a caller goes away in the middle (S19, S44, I4)."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from base.clock import utc_now
from base.database import Database
from base.errors import StorageUnavailable
from base.tables import data_keys

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(sqlite_url: Callable[[Path], str], tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = Database(url)
    yield opened
    await opened.close()


@pytest.fixture
def other(url: str) -> sqlite3.Connection:
    """Another process's connection."""
    return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)


async def store(database: Database, name: str) -> None:
    async with database.transaction() as db:
        await db.execute(data_keys.insert().values(name=name, sealed=b"", created_at=utc_now()))


async def names(database: Database) -> set[str]:
    async with database.reading() as db:
        return set((await db.execute(select(data_keys.c.name))).scalars())


async def test_a_lock_that_is_held_for_a_moment_is_waited_for(database: Database, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(store(database, "patient"))
    await asyncio.sleep(0.2)
    assert not writing.done()
    other.execute("ROLLBACK")
    await writing
    assert await names(database) == {"patient"}


async def test_all_who_wait_for_a_lock_that_stays_are_told_so(database: Database, other: sqlite3.Connection) -> None:
    """S19: 503 for each of them, within the time of two, not of five after each other."""
    other.execute("BEGIN IMMEDIATE")
    loop = asyncio.get_running_loop()
    began = loop.time()
    results = await asyncio.gather(*(store(database, str(n)) for n in range(5)), return_exceptions=True)
    took_s = loop.time() - began
    assert all(isinstance(result, StorageUnavailable) for result in results), results
    assert took_s < 9
    other.execute("ROLLBACK")
    await store(database, "afterwards")
    assert await names(database) == {"afterwards"}


async def test_whoever_goes_away_while_waiting_leaves_no_lock_behind(
    database: Database, other: sqlite3.Connection
) -> None:
    """S44"""
    other.execute("BEGIN IMMEDIATE")
    leaving = asyncio.create_task(store(database, "gone"))
    await asyncio.sleep(0.2)
    leaving.cancel()
    other.execute("ROLLBACK")
    with pytest.raises(asyncio.CancelledError):
        await leaving
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    await store(database, "next")
    assert await names(database) == {"next"}


async def test_whoever_goes_away_in_the_middle_leaves_nothing(database: Database) -> None:
    """S44"""
    reached, never = asyncio.Event(), asyncio.Event()

    async def stop_halfway() -> None:
        async with database.transaction() as db:
            await db.execute(data_keys.insert().values(name="half", sealed=b"", created_at=utc_now()))
            reached.set()
            await never.wait()

    leaving = asyncio.create_task(stop_halfway())
    await reached.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await store(database, "next")
    assert await names(database) == {"next"}


async def test_a_damaged_file_is_the_storages_fault(database: Database, url: str) -> None:
    """I4"""
    await store(database, "x")
    await database.close()
    path = Path(url.removeprefix("sqlite:///"))
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 40_000)
    with pytest.raises(StorageUnavailable, match="SQLITE_"):
        Database(url)
