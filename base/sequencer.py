"""Numbers rows without gaps, in one order, whoever wrote them: rows are born unnumbered in the transaction of a change.

Numbering inside that transaction would make every sign-in wait for every other. One process at a time does it, under
a lease that each of its writes confirms; a number is given in the same transaction that remembers the next one.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from sqlalchemy import Column, Table, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import Clock
from base.database import Database
from base.ids import new_id
from base.leases import Lease, LeaseLost
from base.statements import Insert, Prepared, Statement
from base.tables import sequences
from base.within import store

BATCH = 1000
LEASE = timedelta(seconds=4)
# A process that freezes with its transaction open holds the lease's row: PostgreSQL ends it after this long.
FROZEN_MS = 600

# The values of the order's `columns`, the row's id first.
Numbered = Sequence[tuple[object, ...]]
Append = Callable[[AsyncConnection, Numbered, int], Awaitable[None]]


class SequenceBroken(Exception):
    """Rows that were to be numbered are gone: nothing was written."""


@dataclass(frozen=True, eq=False)
class Order:
    """One gapless order: a table with `id` and `seq`, in what order new rows are numbered, and its first number.

    `columns` are what `append` is given of each row, the id first.
    """

    name: str
    table: Table
    by: tuple[Column[object], ...]
    columns: tuple[Column[object], ...]
    first: int

    def waiting(self) -> Statement:
        """Whether there is anything to be numbered: asked ten times a second, mostly in vain."""
        some = f"SELECT 1 FROM {self.table.name} WHERE seq IS NULL LIMIT 1"  # noqa: S608
        return Statement(
            name=f"{self.name} waiting",
            columns=(("asked", "integer"),),
            sqlite=(some,),
            postgres=f"SELECT n, 1 FROM input WHERE EXISTS ({some})",  # noqa: S608
        )

    async def unnumbered(self, db: AsyncConnection) -> Numbered:
        """The next rows to be numbered."""
        query = select(*self.columns).where(self.table.c.seq.is_(None)).order_by(*self.by).limit(BATCH)
        return cast(Numbered, (await db.execute(query)).all())

    def numbering(self) -> Insert:
        """Gives a number to each of many rows."""
        name = self.table.name
        # The names are ours; values travel as parameters.
        return Insert(
            columns=("seq", "id"),
            sqlite=f"UPDATE {name} SET seq = ? WHERE id = ? AND seq IS NULL",  # noqa: S608
            prepared=Prepared(
                f"UPDATE {name} SET seq = t.n FROM unnest($1::bigint[], $2::bytea[]) AS t(n, i)"  # noqa: S608
                f" WHERE {name}.id = t.i AND {name}.seq IS NULL".encode(),
                ("bigint", "bytea"),
            ),
        )


class Sequencer:
    """One process's part in numbering one order. `append` is carried out in the transaction that numbers the rows.

    With `patience_s`, a holder of the lease that numbered nothing for so long while rows waited loses it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        order: Order,
        *,
        append: Append | None = None,
        patience_s: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lease = Lease(database, order.name, ttl=LEASE)
        self._patience_s = patience_s
        self._monotonic = monotonic
        # Since when rows wait for whoever holds the lease, and the number that was due next then.
        self._waiting_since: tuple[float, int | None] | None = None
        self._database = database
        self._clock = clock
        self._order = order
        self._numbering = order.numbering()
        self._waiting = order.waiting()
        self._append = append

    async def round(self) -> int:
        """Numbers what waits, where this process holds the lease; returns how many rows."""
        numbered = 0
        while await self.is_behind() and (await self.lease.take(self._clock()) or await self._seize()):
            async with self._database.reading() as db:
                rows = await self._order.unnumbered(db)
            if not rows:
                break
            try:
                await self._number(rows)
            except LeaseLost:
                break
            numbered += len(rows)
            if len(rows) < BATCH:
                break
        return numbered

    async def is_behind(self) -> bool:
        """Whether rows wait for their number."""
        if await self._database.find(self._waiting, (1,)) is not None:
            return True
        self._waiting_since = None
        return False

    async def _seize(self) -> bool:
        """Takes the lease from a holder that numbers nothing, once this order's patience is over."""
        if self._patience_s is None:
            return False
        async with self._database.reading() as db:
            due = await next_number(db, self._order.name)
        now = self._monotonic()
        if self._waiting_since is None or self._waiting_since[1] != due:
            self._waiting_since = now, due
        if now - self._waiting_since[0] < self._patience_s:
            return False
        self._waiting_since = None
        return await self.lease.seize(self._clock())

    async def _number(self, rows: Numbered) -> None:
        order, now = self._order, self._clock()
        async with self._database.transaction() as db:
            if self._patience_s is not None and not self._database.is_sqlite:
                await db.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {FROZEN_MS}"))
            await self.lease.confirm(db, now)
            query = select(sequences.c.next).where(sequences.c.name == order.name)
            first: int | None = (await db.execute(query)).scalar_one_or_none()
            if first is None:
                first = order.first
                await db.execute(insert(sequences).values(name=order.name, next=first, epoch=new_id(now)))
            following = first + len(rows)
            await store(db, self._numbering, [(first + place, cast(bytes, row[0])) for place, row in enumerate(rows)])
            counted = select(func.count()).where(order.table.c.seq >= first, order.table.c.seq < following)
            if (await db.execute(counted)).scalar_one() != len(rows):
                raise SequenceBroken(f"{order.name}: rows are gone before they got a number")
            if self._append is not None:
                await self._append(db, rows, first)
            await db.execute(update(sequences).where(sequences.c.name == order.name).values(next=following))


async def next_number(db: AsyncConnection, order_name: str) -> int | None:
    """The number that the next row of an order gets; None before the first."""
    query = select(sequences.c.next).where(sequences.c.name == order_name)
    number: int | None = (await db.execute(query)).scalar_one_or_none()
    return number
