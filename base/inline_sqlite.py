"""SQLite's write transactions under SQLAlchemy, on the loop itself.

The usual driver sends every cursor, execute, fetch and close through a queue to a thread and back, which made half of
a sign-in's cost. A statement on a warm page cache takes some 15 µs, less than one such hop. Only what may wait goes to
a thread: the lock that another process holds, and the disk at commit.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import cast

from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.util import await_only

from base.sqlite import BUSY_TIMEOUT_MS, connect


class _Cursor(sqlite3.Cursor):
    """A cursor that the asynchronous engine may close."""

    async def _async_soft_close(self) -> None:
        """Nothing to wait for."""


class _Connection(sqlite3.Connection):
    def cursor(self, factory: object = None) -> sqlite3.Cursor:  # type: ignore[override]
        """A cursor of the kind above, whatever is asked for."""
        return super().cursor(_Cursor)


class InlineSqlite(SQLiteDialect_pysqlite):
    """The standard driver, which does not block for long, under the asynchronous engine."""

    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: object) -> type[AsyncAdaptedQueuePool]:
        """A pool whose waiting does not hold the loop."""
        return AsyncAdaptedQueuePool

    def do_execute(self, cursor: DBAPICursor, statement: str, parameters: object, context: object = None) -> None:
        """Carries out one statement."""
        cursor.execute(statement, cast(tuple[object, ...], parameters))
        # The engine takes a driver that never awaits for a blocking one.
        await_only(_done())

    def do_executemany(self, cursor: DBAPICursor, statement: str, parameters: object, context: object = None) -> None:
        """Carries out one statement for many rows."""
        cursor.executemany(statement, cast(list[tuple[object, ...]], parameters))
        await_only(_done())

    def do_commit(self, dbapi_connection: DBAPIConnection) -> None:
        """Waits for the disk in a thread."""
        if cast(sqlite3.Connection, dbapi_connection).in_transaction:
            await_only(_to_the_end(dbapi_connection.commit))


async def _done() -> None:
    """Nothing to wait for."""


async def _to_the_end(work: Callable[[], object]) -> None:
    """Runs `work` in a thread; a cancelled caller waits for its end, so nobody finds the connection busy."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        raise


def connect_inline(path: str) -> sqlite3.Connection:
    """A connection for this dialect; it does not wait for locks by itself."""
    connection = connect(path, factory=_Connection)
    connection.execute("PRAGMA busy_timeout=0")
    return connection


def begin_immediate(connection: sqlite3.Connection) -> None:
    """Takes the write lock: at once where it is free, else in a thread, which waits for it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as failure:
        if failure.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        try:
            await_only(_to_the_end(partial(_begin_later, connection)))
        except asyncio.CancelledError:
            connection.rollback()
            raise


def _begin_later(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    finally:
        connection.execute("PRAGMA busy_timeout=0")
