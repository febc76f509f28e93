"""The database: ordinary transactions through SQLAlchemy, and the hot path beside them.

`Database.transaction()` and `.reading()` give a SQLAlchemy `AsyncConnection`; functions take it as `db` and never
commit. `write` and `find` carry hot-path values (`base.statements`). Every storage failure leaves as
`StorageUnavailable`.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol, cast

from sqlalchemy import Connection, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from base.errors import NotReady, StatementRefused, StorageUnavailable, named
from base.inline_sqlite import begin_immediate, connect_inline
from base.pipeline import PipelinedConnection
from base.postgres import SESSION, PostgresHot
from base.sqlite import PRAGMAS, SqliteHot, passed
from base.statements import Row, Statement, Unit


class Hot(Protocol):
    """What both hot paths offer."""

    async def write(self, unit: Unit) -> Row | None: ...
    async def find(self, query: Statement, params: Row) -> Row | None: ...
    async def close(self) -> None: ...


def parse_database_url(text: str) -> URL:
    """The SQLAlchemy URL of `sqlite:///path` or `postgresql://…`; raises NotReady for anything else."""
    url = make_url(text)
    if url.drivername == "sqlite" and url.database:
        return url.set(drivername="sqlite+aiosqlite")
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise NotReady("OSTIARY_DATABASE_URL must start with sqlite:///path or postgresql://, not " + url.drivername)


def _sqlite_writing(url: URL) -> AsyncEngine:
    """One connection: writers take turns before they ask SQLite, so they never wait within one process."""
    registry.register("sqlite.inline", "base.inline_sqlite", "InlineSqlite")

    engine = create_async_engine(
        url.set(drivername="sqlite+inline"),
        creator=partial(connect_inline, str(url.database)),
        pool_size=1,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        begin_immediate(cast(sqlite3.Connection, raw))

    return engine


def _sqlite_reading(url: URL) -> AsyncEngine:
    """Connections with threads of their own: a long search does not hold the loop."""
    engine = create_async_engine(url, pool_size=4, max_overflow=4, pool_timeout=10, hide_parameters=True)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


class Database:
    """One deployment's database. Made open; `close()` waits for writes under way."""

    def __init__(self, url: str) -> None:
        parsed = parse_database_url(url)
        self.is_sqlite = parsed.drivername.startswith("sqlite")
        self._gate = asyncio.Lock()
        self._hot: Hot
        if self.is_sqlite:
            self._writing, self._reading = _sqlite_writing(parsed), _sqlite_reading(parsed)
            self._hot = SqliteHot(str(parsed.database), self._gate)
        else:
            options = f"-c statement_timeout=5000 -c lock_timeout=3000 {SESSION}"
            self._writing = self._reading = create_async_engine(
                parsed,
                pool_size=8,
                max_overflow=4,
                pool_timeout=5,
                hide_parameters=True,
                connect_args={
                    "connect_timeout": 3,
                    "options": options,
                    "prepare_threshold": None,
                    "async_creator_fn": PipelinedConnection.connect,
                },
            )
            self._hot = PostgresHot(parsed.set(drivername="postgresql").render_as_string(hide_password=False))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction; commits at the end, rolls back on an exception."""
        if not self.is_sqlite:
            async with _begin(self._writing) as db:
                yield db
            return
        async with passed(self._gate), _begin(self._writing) as db:
            yield db

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for reading only."""
        async with _begin(self._reading) as db:
            yield db

    async def write(self, unit: Unit) -> Row | None:
        """The gate's row once the unit is durable; None where the gate did not hold and nothing was written."""
        return await self._hot.write(unit)

    async def find(self, query: Statement, params: Row) -> Row | None:
        """The first row of a hot read (raw values), or None."""
        return await self._hot.find(query, params)

    async def close(self) -> None:
        await self._hot.close()
        await self._writing.dispose()
        await self._reading.dispose()


@asynccontextmanager
async def _begin(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        async with engine.begin() as db:
            yield db
    except (IntegrityError, DataError) as failure:
        # The driver's words would repeat the value.
        raise StatementRefused(named(failure)) from None
    except (DBAPIError, PoolTimeout, OSError, sqlite3.OperationalError) as failure:
        raise StorageUnavailable(named(failure)) from None
