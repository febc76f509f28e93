"""The hot path on SQLite: one writer thread with group commit, and reads on the loop's own connection.

A read from a warm page cache takes some 15 µs, less than a hop to a thread; a commit waits for the disk and so has a
thread of its own.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from base.errors import StatementRefused, StorageUnavailable, named
from base.group import Group
from base.statements import Row, Statement, Unit

BUSY_TIMEOUT_MS = 3000
GATE_TIMEOUT_S = 3.0
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "cache_size=-8000",
    # 16 MiB: pages that many events touch go back to the database once, not once every 4 MiB.
    "wal_autocheckpoint=4000",
    # What was deleted is overwritten: erased people's keys must not stay in unused parts of the file.
    "secure_delete=ON",
)


def connect(path: str, *, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """A raw connection in autocommit mode with the deployment's pragmas."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=128, factory=factory
    )
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.DatabaseError as failure:
        connection.close()
        raise StorageUnavailable(named(failure)) from failure
    return connection


# Everything else is the storage's fault: locked, full, unreadable, damaged.
_VALUE_AT_FAULT = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)


@asynccontextmanager
async def passed(gate: asyncio.Lock) -> AsyncIterator[None]:
    """Holds the process's one write lock; raises StorageUnavailable where others hold it for too long."""
    try:
        async with asyncio.timeout(GATE_TIMEOUT_S):
            await gate.acquire()
    except TimeoutError:
        raise StorageUnavailable("other writes took too long") from None
    try:
        yield
    finally:
        gate.release()


class SqliteHot:
    """Units and hot reads on SQLite. `gate` is the one lock that every write transaction of the process takes."""

    def __init__(self, path: str, gate: asyncio.Lock) -> None:
        self._gate = gate
        self._reader = connect(path)
        self._writer = connect(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._group = Group[Unit, Row | None](self._run)

    async def write(self, unit: Unit) -> Row | None:
        """The gate's row once the unit is durable; None where the gate did not hold and nothing was written."""
        return await self._group.submit(unit)

    async def find(self, query: Statement, params: Row) -> Row | None:
        """The first row of a hot read, or None."""
        try:
            row: Row | None = self._reader.execute(query.sqlite[0], query.named(params)).fetchone()
        except sqlite3.DatabaseError as failure:
            raise StorageUnavailable(named(failure)) from failure
        return row

    async def close(self) -> None:
        await self._group.idle()
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def _run(self, units: Sequence[Unit]) -> Sequence[Row | None]:
        loop = asyncio.get_running_loop()
        async with passed(self._gate):
            return await loop.run_in_executor(self._thread, self._commit, units)

    def _commit(self, units: Sequence[Unit]) -> list[Row | None]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            results = [self._carry_out(unit) for unit in units]
            self._writer.execute("COMMIT")
        except _VALUE_AT_FAULT as failure:
            raise StatementRefused(named(failure)) from None
        except sqlite3.Error as failure:
            raise StorageUnavailable(named(failure)) from failure
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        return results

    def _carry_out(self, unit: Unit) -> Row | None:
        returned: Row | None = ()
        if unit.statement is not None:
            params = unit.statement.named(unit.params)
            gate, *others = unit.statement.sqlite
            returned = self._writer.execute(gate, params).fetchone()
            if returned is None:
                return None
            for other in others:
                self._writer.execute(other, params)
        for insert, row in unit.rows:
            self._writer.execute(insert.sqlite, row)
        return returned
