"""Leases: one process of a deployment does a thing at a time, and one that lost its turn writes nothing.

Time alone decides nothing: a process that slept through its lease still believes in it. So every write that relies on
a lease confirms it in its own transaction, by the fencing number that each new holder raises.
"""

import os
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import to_micros
from base.database import Database
from base.tables import leases

_TAKE = text(
    "INSERT INTO leases (name, holder, fence, until) VALUES (:name, :holder, 1, :until)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until,"
    " fence = CASE WHEN leases.holder = excluded.holder THEN leases.fence ELSE leases.fence + 1 END"
    " WHERE leases.holder = excluded.holder OR leases.until < :now OR leases.until > :too_late RETURNING fence"
)
_SEIZE = text(
    "UPDATE leases SET holder = :holder, fence = fence + 1, until = :until WHERE name = :name RETURNING fence"
)
_MINE = (leases.c.name == bindparam("lease"), leases.c.holder == bindparam("mine"), leases.c.fence == bindparam("num"))
_CONFIRM = update(leases).where(*_MINE).values(until=bindparam("later")).returning(leases.c.fence)


class LeaseLost(Exception):
    """Another process took the lease: what was about to be written must not be."""


class Lease:
    """One process's claim to the lease `name`, for `ttl` at a time. Made in each process that would do the work."""

    def __init__(self, database: Database, name: str, *, ttl: timedelta = timedelta(seconds=10)) -> None:
        self.name = name
        self._database = database
        self._ttl = ttl
        self._holder = os.urandom(16)
        self._fence: int | None = None
        # Whether ours or another's, nothing has to be asked before then.
        self._ask_at: datetime | None = None

    async def take(self, now: datetime) -> bool:
        """Whether this process holds the lease now. Asks the database twice a `ttl` at most."""
        # A clock that was set back must not keep us from asking.
        if self._ask_at is None or not self._ask_at - self._ttl <= now < self._ask_at:
            await self._ask(now)
        return self._fence is not None

    async def _ask(self, now: datetime) -> None:
        self._fence = None
        async with self._database.reading() as db:
            row = (await db.execute(select(leases).where(leases.c.name == self.name))).first()
        # No lease reaches so far: whoever took it had a clock that ran ahead, and may be gone until then.
        too_late = now + 2 * self._ttl
        if row is None or row.holder == self._holder or not now <= row.until <= too_late:
            mine = {"name": self.name, "holder": self._holder}
            async with self._database.transaction() as db:
                params = {"until": to_micros(now + self._ttl), "now": to_micros(now), **mine}
                params["too_late"] = to_micros(too_late)
                self._fence = (await db.execute(_TAKE, params)).scalar_one_or_none()
        self._ask_at = now + self._ttl / 2

    async def seize(self, now: datetime) -> bool:
        """Takes the lease whoever holds it; whether it was there to be taken. Their next write finds it lost.

        For who sees that the holder does not do what the lease is for: it may be gone, and its time not yet over.
        """
        async with self._database.transaction() as db:
            params = {"name": self.name, "holder": self._holder, "until": to_micros(now + self._ttl)}
            self._fence = (await db.execute(_SEIZE, params)).scalar_one_or_none()
        self._ask_at = now + self._ttl / 2
        return self._fence is not None

    def doubt(self) -> None:
        """Lets the next `take` ask the database: what was known of others may be over."""
        self._ask_at = None

    async def confirm(self, db: AsyncConnection, now: datetime) -> None:
        """Holds on to the lease until the transaction's end, and prolongs it; raises LeaseLost where it is another's.

        To be called in every write transaction that relies on the lease, before its first write.
        """
        params = {"lease": self.name, "mine": self._holder, "num": self._fence, "later": now + self._ttl}
        if self._fence is None or (await db.execute(_CONFIRM, params)).first() is None:
            self._fence = self._ask_at = None
            raise LeaseLost(self.name)
        self._ask_at = now + self._ttl / 2

    async def give_back(self, now: datetime) -> None:
        """Lets another process take it at once, where it is ours."""
        if self._fence is None:
            return
        params = {"lease": self.name, "mine": self._holder, "num": self._fence, "later": now - timedelta(seconds=1)}
        async with self._database.transaction() as db:
            await db.execute(_CONFIRM, params)
        self._fence = self._ask_at = None
