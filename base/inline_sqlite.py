"""SQLite under SQLAlchemy without a hop to a thread for every call.

`aiosqlite` sends each cursor, execute, fetch and close through a queue to a thread and back, four times a statement:
several milliseconds of a sign-in. A statement on a warm page cache takes some 15 µs, so it runs on the loop here. What
may wait, for the lock of another process or for the disk (`BEGIN IMMEDIATE`, commit, rollback), goes to a thread.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from base.sqlite import connect

_MAY_WAIT = ("BEGIN IMMEDIATE",)


class InlineCursor:
    """A cursor in the shape that SQLAlchemy's adapter of `aiosqlite` expects."""

    def __init__(self, raw: sqlite3.Cursor) -> None:
        self._raw = raw
        self.arraysize = 1

    async def __aenter__(self) -> "InlineCursor":
        return self

    @property
    def description(self) -> object:
        """The columns of the result, or None."""
        return self._raw.description

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed."""
        return self._raw.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The row id of the last insert."""
        return self._raw.lastrowid

    async def execute(self, statement: str, parameters: Sequence[object] = ()) -> "InlineCursor":
        """Carries out one statement."""
        if statement in _MAY_WAIT:
            await asyncio.to_thread(self._raw.execute, statement)
        else:
            self._raw.execute(statement, parameters)  # type: ignore[arg-type]
        return self

    async def executemany(self, statement: str, rows: Sequence[Sequence[object]]) -> "InlineCursor":
        """Carries out one statement for many rows."""
        self._raw.executemany(statement, rows)  # type: ignore[arg-type]
        return self

    async def fetchall(self) -> list[object]:
        """Every row of the result."""
        return self._raw.fetchall()

    async def close(self) -> None:
        """Gives the statement back."""
        self._raw.close()


class _AtOnce:
    """Stands for the queue of `aiosqlite`'s thread, which the adapter uses to set the isolation level."""

    def put_nowait(self, job: tuple[asyncio.Future[object], Callable[[], object]]) -> None:
        """Does it now."""
        future, function = job
        future.set_result(function())


class InlineConnection:
    """A connection in the shape that SQLAlchemy's adapter of `aiosqlite` expects."""

    def __init__(self, path: str) -> None:
        self._conn = self._connection = connect(path)
        self._tx = _AtOnce()

    @property
    def isolation_level(self) -> str | None:
        """None: transactions are begun by hand."""
        return self._conn.isolation_level

    def cursor(self) -> InlineCursor:
        """A new cursor."""
        return InlineCursor(self._conn.cursor())

    async def create_function(self, *arguments: object, **named: object) -> None:
        """Registers a function; SQLAlchemy brings `regexp`."""
        self._conn.create_function(*arguments, **named)  # type: ignore[arg-type]

    async def commit(self) -> None:
        """Waits for the disk in a thread."""
        if self._conn.in_transaction:
            await asyncio.to_thread(self._conn.commit)

    async def rollback(self) -> None:
        """Undoes the transaction."""
        if self._conn.in_transaction:
            await asyncio.to_thread(self._conn.rollback)

    async def close(self) -> None:
        """Closes the connection; closing twice does no harm."""
        self._conn.close()

    def stop(self) -> None:
        """Closes without waiting."""
        self._conn.close()


def inline_creator(path: str) -> Callable[..., Awaitable[InlineConnection]]:
    """What `create_async_engine(async_creator=…)` calls for a new connection."""

    async def create(path: str) -> InlineConnection:
        return InlineConnection(path)

    return partial(create, path)
