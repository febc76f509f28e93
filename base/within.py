"""Hot statements within an ordinary write transaction: the same values as on the hot path, without SQLAlchemy's share.

A statement through SQLAlchemy costs some 150 µs of CPU, the same one through the driver 20; a sign-in has a dozen.
"""

import sqlite3
from collections.abc import Sequence
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from base.errors import StatementRefused, StorageContended, StorageUnavailable, named
from base.statements import Insert, Row, Statement


async def run(db: AsyncConnection, statement: Statement, params: Row) -> Row | None:
    """The first row of a statement, as raw values, or None. On SQLite `db` must be a write transaction."""
    rows = await run_all(db, statement, params)
    return rows[0] if rows else None


async def run_all(db: AsyncConnection, statement: Statement, params: Row) -> list[Row]:
    """All its rows."""
    raw = _driver_of(db)
    if isinstance(raw, sqlite3.Connection):
        return _on_sqlite(raw, statement, params)
    columns: list[list[object]] = [[value] for value in params]
    return [row[1:] for row in await _on_postgres(raw, statement.postgres_text, columns, returns=True)]


async def store(db: AsyncConnection, insert: Insert, rows: Sequence[Row]) -> None:
    """Inserts rows of raw values."""
    if not rows:
        return
    raw = _driver_of(db)
    if isinstance(raw, sqlite3.Connection):
        try:
            raw.executemany(insert.sqlite, rows)
        except sqlite3.Error as failure:
            raise _told(failure) from None
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    await _on_postgres(raw, insert.postgres, columns, returns=False)


def _driver_of(db: AsyncConnection) -> object:
    """The driver's own connection under a transaction."""
    proxied = db.sync_connection.connection if db.sync_connection is not None else None
    if proxied is None or proxied.dbapi_connection is None:
        raise StorageUnavailable("the connection is gone")
    if isinstance(proxied.dbapi_connection, sqlite3.Connection):
        return proxied.dbapi_connection
    return proxied.driver_connection


def _on_sqlite(raw: sqlite3.Connection, statement: Statement, params: Row) -> list[Row]:
    values = statement.named(params)
    gate, *others = statement.sqlite
    try:
        rows = raw.execute(gate, values).fetchall()
        if rows:
            for other in others:
                raw.execute(other, values)
    except sqlite3.Error as failure:
        raise _told(failure) from None
    return cast(list[Row], rows)


async def _on_postgres(raw: object, text: str, columns: list[list[object]], *, returns: bool) -> list[Row]:
    # Only deployments on PostgreSQL bring its driver in.
    import psycopg

    if not isinstance(raw, psycopg.AsyncConnection):
        raise TypeError("statements of the hot path run in write transactions")
    try:
        cursor = await raw.execute(text, columns)
        return await cursor.fetchall() if returns else []
    except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable) as failure:
        raise StorageContended(named(failure)) from None
    except (psycopg.IntegrityError, psycopg.DataError) as failure:
        raise StatementRefused(named(failure)) from None
    except psycopg.Error as failure:
        raise StorageUnavailable(named(failure)) from None


def _told(failure: sqlite3.Error) -> Exception:
    at_fault = isinstance(failure, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError)
    return StatementRefused(named(failure)) if at_fault else StorageUnavailable(named(failure))
