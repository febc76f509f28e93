"""Hot statements within an ordinary write transaction: the same values as on the hot path, without SQLAlchemy's share.

A statement through SQLAlchemy costs some 150 µs of CPU, the same one through the driver 20; a sign-in has a dozen. On
PostgreSQL most of the rest is the journey, so those that nobody waits for (`send`, `store`) travel with the next one
or with the commit: what is wrong with them shows there.
"""

import sqlite3
from collections.abc import Sequence
from typing import cast

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from base.errors import StatementRefused, StorageContended, StorageUnavailable, named
from base.pipeline import PipelinedConnection, ask_for
from base.statements import Insert, Prepared, Row, Statement


async def run(db: AsyncConnection, statement: Statement, params: Row) -> Row | None:
    """The first row of a statement, as raw values, or None. On SQLite `db` must be a write transaction."""
    rows = await run_all(db, statement, params)
    return rows[0] if rows else None


async def run_all(db: AsyncConnection, statement: Statement, params: Row) -> list[Row]:
    """All its rows."""
    raw = _driver_of(db)
    if isinstance(raw, sqlite3.Connection):
        return _on_sqlite(raw, statement, params)
    (rows,) = await _on_postgres(raw, ((statement, params),))
    return rows


async def run_each(db: AsyncConnection, *asked: tuple[Statement, Row]) -> list[list[Row]]:
    """The rows of each of several statements, carried out one after the other in one journey."""
    raw = _driver_of(db)
    if isinstance(raw, sqlite3.Connection):
        return [_on_sqlite(raw, statement, params) for statement, params in asked]
    return await _on_postgres(raw, asked)


async def send(db: AsyncConnection, statement: Statement, params: Row) -> None:
    """Carries out a statement whose rows nobody needs, at the latest with whatever comes next."""
    raw = _driver_of(db)
    if isinstance(raw, sqlite3.Connection):
        _on_sqlite(raw, statement, params)
    else:
        _put_off(raw, statement.prepared, [params])


async def store(db: AsyncConnection, insert: Insert, rows: Sequence[Row]) -> None:
    """Inserts rows of raw values, at the latest with whatever comes next."""
    if not rows:
        return
    raw = _driver_of(db)
    if not isinstance(raw, sqlite3.Connection):
        _put_off(raw, insert.prepared, rows)
        return
    try:
        raw.executemany(insert.sqlite, rows)
    except sqlite3.Error as failure:
        raise _told(failure) from None


def _driver_of(db: AsyncConnection) -> sqlite3.Connection | PipelinedConnection:
    """The driver's own connection under a transaction."""
    proxied = db.sync_connection.connection if db.sync_connection is not None else None
    if proxied is None or proxied.dbapi_connection is None:
        raise StorageUnavailable("the connection is gone")
    if isinstance(proxied.dbapi_connection, sqlite3.Connection):
        return proxied.dbapi_connection
    if not isinstance(proxied.driver_connection, PipelinedConnection):
        raise TypeError("statements of the hot path run in write transactions")
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


async def _on_postgres(raw: PipelinedConnection, asked: Sequence[tuple[Statement, Row]]) -> list[list[Row]]:
    try:
        results = await raw.ask(*(ask_for(statement.prepared, (params,)) for statement, params in asked))
        return [[row[1:] for row in rows] for rows in results]
    except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable) as failure:
        raise StorageContended(named(failure)) from None
    except (psycopg.IntegrityError, psycopg.DataError) as failure:
        raise StatementRefused(named(failure)) from None
    except psycopg.Error as failure:
        raise StorageUnavailable(named(failure)) from None


def _put_off(raw: PipelinedConnection, statement: Prepared, rows: Sequence[Row]) -> None:
    try:
        raw.later(ask_for(statement, rows))
    except psycopg.DataError as failure:
        raise StatementRefused(named(failure)) from None


def _told(failure: sqlite3.Error) -> Exception:
    at_fault = isinstance(failure, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError)
    return StatementRefused(named(failure)) if at_fault else StorageUnavailable(named(failure))
