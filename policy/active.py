"""The set in force, in the memory of every process: fresh within a second of its activation.

A set that does not load changes nothing: what was in force stays in force, and an event tells of it. Where nothing was,
everything is denied, and a server does not start.
"""

import asyncio
import logging
from functools import lru_cache

from sqlalchemy import select

from audit.catalogue import POLICY_LOAD_FAILED
from audit.emit import Emitter
from audit.record import Event
from base.clock import Clock, utc_now
from base.database import Database
from base.errors import NotReady
from base.revisions import find_revision
from base.tables import revisions
from ostiary.policy.annotations import InvalidPolicies
from ostiary.policy.engine import PolicyEngine
from policy.schema import schema_text
from policy.sets import KeptSet, find_newest

log = logging.getLogger("ostiary.policy")

NAME = "policy"
# The revision of a set that was never in force.
UNNUMBERED = 0
_MOST_WORDS = 256


@lru_cache(maxsize=8)
def load_engine(policies: str, own_schema: str, revision: int) -> PolicyEngine:
    """The engine of a set; engines never change, so the same texts give the same one. Raises InvalidPolicies."""
    return PolicyEngine(policies, schema_text(own_schema), revision=revision)


class ActivePolicies:
    """The engine in force, asked for without I/O."""

    def __init__(self, database: Database, emitter: Emitter, clock: Clock = utc_now) -> None:
        self._database = database
        self._emitter = emitter
        self._clock = clock
        self._number = -1
        self._engine: PolicyEngine | None = None
        # Why the newest set cannot be used, and its revision.
        self._fault: str | None = None
        self._broken: int | None = None
        self._reading = asyncio.Lock()

    @property
    def engine(self) -> PolicyEngine:
        """What decides. Before anything could be loaded it denies everything."""
        return self._engine or load_engine("", "", UNNUMBERED)

    @property
    def revision(self) -> int:
        """The number of the set in force in this process."""
        return self.engine.revision

    def check_loaded(self) -> None:
        """Raises NotReady where nothing is in force, since the newest set cannot be used."""
        if self._engine is None:
            raise NotReady(
                f"the set of policies in force cannot be used: {self._fault or 'there is none'};"
                " `ostiary policy rollback` puts an older one in force"
            )

    async def poll(self) -> None:
        """Reloads where another set was activated since the last time."""
        if await find_revision(self._database, NAME) != self._number:
            await self.refresh()

    async def refresh(self) -> None:
        """Reads the newest set, and puts it in force in this process where it can be used."""
        async with self._reading:
            async with self._database.reading() as db:
                number = (await db.execute(select(revisions.c.number).where(revisions.c.name == NAME))).scalar_one()
                newest = await find_newest(db)
            if newest is not None and newest.revision not in (self._engine and self._engine.revision, self._broken):
                await self._load(newest)
            self._number = number

    async def _load(self, kept: KeptSet) -> None:
        text = kept.text
        try:
            # Tens of milliseconds.
            engine = await asyncio.to_thread(load_engine, text.policies, text.own_schema, kept.revision)
        except InvalidPolicies as broken:
            await self._keep_old(kept.revision, str(broken))
            self._broken = kept.revision
        else:
            self._engine, self._fault, self._broken = engine, None, None

    async def _keep_old(self, revision: int, words: str) -> None:
        self._fault = f"revision {revision}: {words}"
        if self._engine is None:
            return
        before = self._engine.revision
        log.error("the policies of revision %d cannot be used, and revision %d stays: %s", revision, before, words)
        event = Event(
            type=POLICY_LOAD_FAILED,
            actor="system",
            subject=str(revision),
            outcome="failure",
            data={"before": before, "revision": revision, "reason": words[:_MOST_WORDS]},
        )
        async with self._database.transaction() as db:
            await self._emitter.emit(db, event, now=self._clock())
