"""Everyone's sign-ins, shared by all processes: each collects its own and adds them to the one row now and then."""

import asyncio
import logging
from datetime import datetime

from sqlalchemy import select, text

from base.clock import to_micros
from base.database import Database
from risk.history.packing import Unreadable
from risk.history.population import Population
from risk.history.profile import Profile
from risk.sighting import Sighting
from risk.tables import risk_population

log = logging.getLogger("ostiary.risk")

_NAME = "everyone"
# What one process collects between two rounds; beyond it nothing is learned, and nothing is lowered by that (S35).
_MOST_COLLECTED = 20_000
# Held only for the version that was read; another process was faster where no row comes back.
_KEEP = text(
    "INSERT INTO risk_population (name, body, updated_at, version) VALUES (:name, :body, :now, 1)"
    " ON CONFLICT (name) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at,"
    " version = risk_population.version + 1 WHERE risk_population.version = :version RETURNING version"
)


class Crowd:
    """The population that this process scores against, and what it has seen since the last `round`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.population = Population.shipped()
        self._version = -1
        self._collected = Population.empty()
        self._number = 0

    def note(self, sighting: Sighting, *, before: Profile, weight: float = 1.0) -> None:
        """Takes in a sign-in that the person's history learns from, too; `before` is that history before it does."""
        if self._number < _MOST_COLLECTED:
            self._collected.learn(sighting, before=before, weight=weight)
            self._number += 1

    async def round(self, now: datetime) -> None:
        """Adds what was collected to the shared row, and goes on with what all processes saw together."""
        collected, number = self._collected, self._number
        if number:
            self._collected, self._number = Population.empty(), 0
            try:
                await self._add(collected, now)
            except BaseException:
                # Not added: it travels with the next round.
                self._collected, self._number = collected.merge(self._collected), number + self._number
                raise
        await self._reload()

    async def _add(self, collected: Population, now: datetime) -> None:
        kept = None
        while kept is None:
            body, version = await self._read()
            # Packing takes a moment, and the loop has others to answer; the row is free meanwhile.
            params = {"name": _NAME, "body": await asyncio.to_thread(_merged, body, collected), "version": version}
            async with self._database.transaction() as db:
                kept = (await db.execute(_KEEP, params | {"now": to_micros(now)})).scalar_one_or_none()

    async def _read(self) -> tuple[bytes | None, int]:
        async with self._database.reading() as db:
            query = select(risk_population.c.body, risk_population.c.version).where(risk_population.c.name == _NAME)
            row = (await db.execute(query)).first()
        return (None, 0) if row is None else (bytes(row.body), row.version)

    async def _reload(self) -> None:
        async with self._database.reading() as db:
            query = select(risk_population.c.version).where(risk_population.c.name == _NAME)
            version = (await db.execute(query)).scalar_one_or_none()
        if version is not None and version != self._version:
            body, self._version = await self._read()
            self.population = await asyncio.to_thread(_opened, body)


def _merged(body: bytes | None, collected: Population) -> bytes:
    return _opened(body).merge(collected).to_bytes()


def _opened(body: bytes | None) -> Population:
    if body is None:
        return Population.shipped()
    try:
        return Population.from_bytes(body)
    except Unreadable as broken:
        log.warning("what is known of everybody's sign-ins does not open and begins anew: %s", broken)
        return Population.shipped()
