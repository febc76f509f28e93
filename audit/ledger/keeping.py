"""Keeps the ledger: numbers what happened, signs the log every minute in which it grew, and takes that outside."""

import logging
from datetime import datetime

from audit.ledger.checkpoints import make_checkpoint, publish_checkpoints
from audit.ledger.numbering import make_sequencer
from audit.ledger.places import PublishingFailed
from audit.services import AuditServices
from base.leases import LeaseLost

log = logging.getLogger("ostiary.ledger")


class LedgerKeeping:
    """One process's part: only the one that holds the ledger's lease writes."""

    def __init__(self, audit: AuditServices) -> None:
        self._audit = audit
        self._sequencer = make_sequencer(audit)
        self._signed_at: datetime | None = None
        self._is_troubled = False

    async def number(self) -> None:
        """One round of numbering."""
        await self._sequencer.round()

    async def sign(self) -> None:
        """A checkpoint, where one is due, and whatever has not reached its places outside yet."""
        now, every = self._audit.clock(), self._audit.settings.checkpoint_every
        if not await self._sequencer.lease.take(now):
            return
        # A clock that was set back must not stop the signing.
        if self._signed_at is None or not now - every < self._signed_at <= now:
            try:
                await make_checkpoint(self._audit, self._sequencer.lease, now=now)
            except LeaseLost:
                return
            self._signed_at = now
        await self._publish(now)

    async def stop(self) -> None:
        """Numbers and signs what is left, and lets another process go on."""
        lease, now = self._sequencer.lease, self._audit.clock()
        await self._sequencer.round()
        if await lease.take(now):
            await make_checkpoint(self._audit, lease, now=now)
            await self._publish(now)
            await lease.give_back(now)

    async def _publish(self, now: datetime) -> None:
        try:
            await publish_checkpoints(self._audit, now=now)
        except PublishingFailed as failure:
            # Said once until it works again; the checkpoint waits in the database.
            if not self._is_troubled:
                log.warning("a checkpoint did not leave the database, and is tried again: %s", failure)
            self._is_troubled = True
        else:
            if self._is_troubled:
                log.warning("checkpoints reach their places again")
            self._is_troubled = False
