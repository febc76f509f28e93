"""PostgreSQL in few journeys: statements of the hot path, prepared once a connection, many carried out together.

A statement through a cursor costs some 80 µs of CPU, most of it for the journey; six together cost the same here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from struct import Struct
from struct import error as OutOfRange
from typing import TypeVar

from psycopg import AsyncConnection, DataError, OperationalError, pq
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import AsyncRowFactory, tuple_row
from psycopg.waiting import Ready, Wait

from base.statements import Prepared, Row, Value

Result = TypeVar("Result")

_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


def _as_it_is(value: bytes) -> bytes:
    return value


# The number of each type and what its values look like in binary.
_TYPES: dict[str, tuple[int, Callable[..., bytes]]] = {
    "boolean": (16, Struct("!?").pack),
    "bytea": (17, _as_it_is),
    "bigint": (20, Struct("!q").pack),
    "smallint": (21, Struct("!h").pack),
    "integer": (23, Struct("!i").pack),
    "text": (25, str.encode),
}
# Of an array of one dimension: dimensions, whether some are NULL (which nobody looks at), type, how many, from where.
_HEAD, _LENGTH, _NULL = Struct("!iiIii").pack, Struct("!i").pack, b"\xff\xff\xff\xff"


def _array(kind: str, values: Sequence[Value]) -> bytes:
    number, encode = _TYPES[kind]
    parts = [_HEAD(1, 0, number, len(values), 1)]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            encoded = encode(value)
            parts += (_LENGTH(len(encoded)), encoded)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement and its parameters as they travel."""

    statement: Prepared
    params: Sequence[bytes]


def ask_for(statement: Prepared, rows: Sequence[Row]) -> Asked:
    """The statement over these rows of parameters; raises DataError for a number that its column cannot hold."""
    try:
        columns = zip(statement.kinds, zip(*rows, strict=True), strict=True)
        return Asked(statement, [_array(kind, column) for kind, column in columns])
    except OutOfRange:
        raise DataError("a number is out of range") from None


class PipelinedConnection(AsyncConnection[Row]):
    """A connection that carries out statements together, and puts off those whose results nobody waits for.

    What was put off goes ahead of whatever comes next, and at the latest with the commit: the order is the one in
    which it was said, only its failures tell of themselves later. Needs `prepare_threshold=None`: at a rollback the
    driver would take back all prepared statements, these among them.
    """

    def __init__(self, pgconn: PGconn, row_factory: AsyncRowFactory[Row] = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self._put_off: list[Asked] = []
        self._names: dict[Prepared, bytes] = {}
        self._numbers = count()
        self._loads = Transformer(self)

    def later(self, *asked: Asked) -> None:
        """Carries these out before the next statement or with the commit, whichever comes first."""
        self._put_off += asked

    async def ask(self, *asked: Asked, ends: bool = False) -> list[list[Row]]:
        """The rows of each statement, in order, after one journey; with `ends` the transaction is committed then.

        Begins a transaction where none is under way, unless the connection is in autocommit mode. Raises psycopg's
        error of the first statement that failed; none after it was carried out.
        """
        async with self.lock:
            return await self._carry_out(asked, ends=ends)

    async def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:  # noqa: ASYNC109 - the driver's own
        """What every other use of the connection comes down to; what was put off goes first."""
        if self._put_off:
            await self._carry_out((), ends=False)
        return await super().wait(gen, interval, timeout)

    async def commit(self) -> None:
        """Commits, together with what was put off."""
        if self._put_off:
            await self.ask(ends=True)
        else:
            await super().commit()

    async def rollback(self) -> None:
        """Rolls back; what was put off never happens."""
        self._put_off.clear()
        await super().rollback()

    async def _carry_out(self, asked: Sequence[Asked], *, ends: bool) -> list[list[Row]]:
        before, self._put_off = self._put_off, []
        try:
            results = await super().wait(self._exchange([*before, *asked], ends=ends))
        finally:
            if self.pgconn.status == pq.ConnStatus.OK and self.pgconn.pipeline_status != pq.PipelineStatus.OFF:
                # Given up halfway: whoever came next would read the answers to this.
                await self.close()
        return results[len(before) :]

    def _exchange(self, asked: Sequence[Asked], *, ends: bool) -> PQGen[list[list[Row]]]:
        pgconn = self.pgconn
        begins = not self.autocommit and pgconn.transaction_status == pq.TransactionStatus.IDLE
        pgconn.enter_pipeline_mode()
        # What each answer is to: a statement, one that is being prepared, or None.
        expected: list[Asked | Prepared | None] = []
        if begins:
            pgconn.send_query_params(b"BEGIN", None)
            expected.append(None)
        for each in asked:
            self._send(each, expected)
        if ends:
            pgconn.send_query_params(b"COMMIT", None)
            expected.append(None)
        pgconn.pipeline_sync()
        while pgconn.flush():
            while not (ready := (yield Wait.RW)):
                continue
            if ready & Ready.R:
                pgconn.consume_input()
        return (yield from self._receive(expected))

    def _send(self, asked: Asked, expected: list[Asked | Prepared | None]) -> None:
        statement = asked.statement
        name = self._names.get(statement)
        if name is None:
            name = self._names[statement] = b"ostiary_%d" % next(self._numbers)
            self.pgconn.send_prepare(name, statement.text)
            expected.append(statement)
        formats = [pq.Format.BINARY] * len(asked.params)
        self.pgconn.send_query_prepared(name, asked.params, formats, pq.Format.BINARY)
        expected.append(asked)

    def _receive(self, expected: Sequence[Asked | Prepared | None]) -> PQGen[list[list[Row]]]:
        results: list[list[Row]] = []
        failure: Exception | None = None
        for what in expected:
            result = yield from self._next()
            if result is None:
                raise failure or OperationalError("the connection was lost")
            is_done = result.status in _DONE
            if result.status == pq.ExecStatus.FATAL_ERROR and failure is None:
                failure = error_from_result(result)
            if isinstance(what, Asked) and is_done:
                results.append(self._rows_of(result))
            elif isinstance(what, Prepared) and not is_done:
                del self._names[what]
            # Each answer ends with nothing.
            yield from self._next()
        yield from self._next()
        self.pgconn.exit_pipeline_mode()
        if failure is not None:
            raise failure
        return results

    def _next(self) -> PQGen[PGresult | None]:
        while self.pgconn.is_busy():
            while not (yield Wait.R):
                continue
            self.pgconn.consume_input()
        return self.pgconn.get_result()

    def _rows_of(self, result: PGresult) -> list[Row]:
        if result.status != pq.ExecStatus.TUPLES_OK or result.ntuples == 0:
            return []
        self._loads.set_pgresult(result)
        return self._loads.load_rows(0, result.ntuples, tuple)
