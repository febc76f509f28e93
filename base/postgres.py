"""The hot path on PostgreSQL: one statement a kind for a whole group, over one connection for writes, one for reads."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from base.errors import StatementRefused, StorageContended, StorageUnavailable, named
from base.group import Group
from base.pipeline import PipelinedConnection, ask_for
from base.statements import Insert, Row, Statement, Unit

TIMEOUT_S = 5.0
# A process that froze or lost its network in the middle of a transaction must not hold its rows for hours.
SESSION = (
    "-c synchronous_commit=on -c idle_in_transaction_session_timeout=20000"
    " -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
)


class _Link:
    """A connection that is made when first needed and thrown away after any failure."""

    def __init__(self, conninfo: str, *, reads: bool) -> None:
        self._conninfo = conninfo
        self._reads = reads
        self._connection: PipelinedConnection | None = None

    async def open(self) -> PipelinedConnection:
        if self._connection is None or self._connection.closed:
            self._connection = await PipelinedConnection.connect(
                self._conninfo,
                autocommit=self._reads,
                prepare_threshold=None,
                connect_timeout=3,
                options=f"-c statement_timeout=5000 -c lock_timeout=300 {SESSION}",
            )
        return self._connection

    async def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


@dataclass(frozen=True, slots=True)
class _Lookup:
    query: Statement
    params: Row


class PostgresHot:
    """Units and hot reads on PostgreSQL, set-based."""

    def __init__(self, conninfo: str) -> None:
        self._write_link = _Link(conninfo, reads=False)
        self._read_link = _Link(conninfo, reads=True)
        self._writes = Group[Unit, Row | None](self._write_group)
        self._reads = Group[_Lookup, Row | None](self._read_group)

    async def write(self, unit: Unit) -> Row | None:
        """The gate's row once the unit is durable; None where the gate did not hold and nothing was written."""
        return await self._writes.submit(unit)

    async def find(self, query: Statement, params: Row) -> Row | None:
        """The first row of a hot read, or None."""
        return await self._reads.submit(_Lookup(query, params))

    async def close(self) -> None:
        await self._writes.idle()
        await self._reads.idle()
        await self._write_link.drop()
        await self._read_link.drop()

    async def _write_group(self, units: Sequence[Unit]) -> list[Row | None]:
        return await _bounded(self._write_link, lambda connection: _commit(connection, units))

    async def _read_group(self, lookups: Sequence[_Lookup]) -> list[Row | None]:
        return await _bounded(self._read_link, lambda connection: _look_up(connection, lookups))


Work = Callable[[PipelinedConnection], Awaitable[list[Row | None]]]

_CONTENDED = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)


async def _bounded(link: _Link, work: Work) -> list[Row | None]:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await work(await link.open())
    except _CONTENDED as failure:
        raise StorageContended(named(failure)) from failure
    except (psycopg.IntegrityError, psycopg.DataError) as failure:
        # The statement's own values are at fault, not the storage; the driver's words would repeat them.
        raise StatementRefused(named(failure)) from None
    except (psycopg.Error, TimeoutError, OSError) as failure:
        # Among them a standby that only reads and a table or right that was taken away (S44).
        await link.drop()
        raise StorageUnavailable(named(failure)) from failure


async def _commit(connection: PipelinedConnection, units: Sequence[Unit]) -> list[Row | None]:
    try:
        results = await _pass_gates(connection, units)
        _put_off_rows(connection, [unit for unit, row in zip(units, results, strict=True) if row is not None])
        await connection.commit()
    except BaseException:
        await _undo(connection)
        raise
    return results


async def _undo(connection: PipelinedConnection) -> None:
    """Rolls back; a connection on which that fails is closed, or the next group would go on with this transaction."""
    try:
        await connection.rollback()
    except psycopg.Error:
        await connection.close()
    except BaseException:
        await connection.close()
        raise


async def _pass_gates(connection: PipelinedConnection, units: Sequence[Unit]) -> list[Row | None]:
    results: list[Row | None] = [() if unit.statement is None else None for unit in units]
    by_kind: dict[Statement, list[int]] = {}
    for position, unit in enumerate(units):
        if unit.statement is not None:
            by_kind.setdefault(unit.statement, []).append(position)
    for positions in by_kind.values():
        # The same order of rows in every process keeps groups from waiting for each other in a circle.
        positions.sort(key=lambda position: repr(units[position].params[0]))
    # Where no rows hang on what the gates say, they and the commit are one journey.
    ends = not any(unit.rows for unit in units)
    await _ask(connection, by_kind, [unit.params for unit in units], results, ends=ends)
    return results


def _put_off_rows(connection: PipelinedConnection, units: Sequence[Unit]) -> None:
    by_insert: dict[Insert, list[Row]] = {}
    for unit in units:
        for insert, row in unit.rows:
            by_insert.setdefault(insert, []).append(row)
    connection.later(*(ask_for(insert.prepared, rows) for insert, rows in by_insert.items()))


async def _look_up(connection: PipelinedConnection, lookups: Sequence[_Lookup]) -> list[Row | None]:
    results: list[Row | None] = [None] * len(lookups)
    by_kind: dict[Statement, list[int]] = {}
    for position, lookup in enumerate(lookups):
        by_kind.setdefault(lookup.query, []).append(position)
    await _ask(connection, by_kind, [lookup.params for lookup in lookups], results)
    return results


async def _ask(
    connection: PipelinedConnection,
    by_kind: Mapping[Statement, Sequence[int]],
    params: Sequence[Row],
    results: list[Row | None],
    *,
    ends: bool = False,
) -> None:
    """Fills in the results at the positions of each statement, all in one journey."""
    if not by_kind:
        return
    asked = [ask_for(kind.prepared, [params[position] for position in at]) for kind, at in by_kind.items()]
    for positions, rows in zip(by_kind.values(), await connection.ask(*asked, ends=ends), strict=True):
        for number, *row in rows:
            results[positions[int(number or 0) - 1]] = tuple(row)
