"""Keeps the ledger: numbers what happened, signs the log every minute in which it grew, and takes that outside."""

import asyncio
import logging
from datetime import datetime, timedelta

from audit.ledger.checkpoints import PUBLISHED_AT_ONCE, make_checkpoint, publish_checkpoints
from audit.ledger.numbering import make_sequencer
from audit.ledger.places import PublishingFailed, Put, places_of
from audit.services import AuditServices
from base.leases import LeaseLost

log = logging.getLogger("ostiary.ledger")

STOP_TRIES, STOP_PAUSE_S = 20, 0.1
LONGEST_PAUSE = timedelta(minutes=5)


class LedgerKeeping:
    """One process's part: only the one that holds the ledger's lease writes."""

    def __init__(self, audit: AuditServices) -> None:
        self._audit = audit
        self._sequencer = make_sequencer(audit)
        self._places = {name: _Place(name, put) for name, put in places_of(audit).items()}
        self._signed_at: datetime | None = None
        # Whether every place outside had all there was to have when it was last looked at.
        self._is_published = False

    async def number(self) -> None:
        """One round of numbering."""
        await self._sequencer.round()

    async def sign(self) -> None:
        """A checkpoint, where one is due, and whatever has not reached its places outside yet."""
        now, every = self._audit.clock(), self._audit.settings.checkpoint_every
        # A clock that was set back must not stop the signing.
        is_due = self._signed_at is None or not now - every < self._signed_at <= now
        # The lease is a write: while nothing is to be done, none is asked for.
        if (self._is_published and not is_due) or not await self._sequencer.lease.take(now):
            return
        if is_due:
            try:
                is_signed = await self._sign(now)
            except Exception:
                # What was signed before leaves the database even where the log cannot be signed any more.
                await self._publish(now)
                raise
            if not is_signed:
                return
            self._signed_at = now
        await self._publish(now)

    async def stop(self) -> None:
        """Numbers and signs what is left, and lets another process go on.

        Where another one holds the lease, it may be about to stop as well: this waits a moment for what it leaves.
        """
        sequencer, lease = self._sequencer, self._sequencer.lease
        for _ in range(STOP_TRIES):
            lease.doubt()
            await sequencer.round()
            now = self._audit.clock()
            if await lease.take(now):
                if await self._sign(now):
                    await self._publish(now)
                    await lease.give_back(now)
                return
            if not await sequencer.is_behind():
                return
            await asyncio.sleep(STOP_PAUSE_S)

    async def _sign(self, now: datetime) -> bool:
        try:
            await make_checkpoint(self._audit, self._sequencer.lease, now=now)
        except LeaseLost:
            return False
        return True

    async def _publish(self, now: datetime) -> None:
        self._is_published = all([await place.publish(self._audit, now) for place in self._places.values()])


class _Place:
    """One place outside: what it does not take is tried again after a pause that grows; the others go on."""

    def __init__(self, name: str, put: Put) -> None:
        self._name = name
        self._put = put
        self._failures = 0
        self._not_before: datetime | None = None

    async def publish(self, audit: AuditServices, now: datetime) -> bool:
        """Takes there what it lacks, where its pause is over; whether it has everything now."""
        if self._not_before is not None and now < self._not_before < now + LONGEST_PAUSE:
            return False
        try:
            taken = await publish_checkpoints(audit, self._name, self._put, now=now)
        except PublishingFailed as failure:
            # Said once until it works again; the checkpoint waits in the database.
            if not self._failures:
                log.warning("a checkpoint did not leave the database, and is tried again: %s", failure)
            self._failures += 1
            self._not_before = now + min(timedelta(seconds=2 ** min(self._failures, 9)), LONGEST_PAUSE)
            return False
        if self._failures:
            log.warning("checkpoints reach their %s again", self._name.partition(" ")[0])
        self._failures, self._not_before = 0, None
        return taken < PUBLISHED_AT_ONCE
