"""Sends every event to a syslog receiver: in order, at least once."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from audit.services import AuditServices
from audit.siem.connection import SyslogConnection, connect
from audit.siem.forms import Form
from audit.siem.place import ExportPlace, Lag, following
from audit.siem.syslog import frame, syslog_message
from audit.siem.syslog_target import SyslogTarget
from base.leases import LeaseLost

log = logging.getLogger("ostiary.siem")

CURSOR = "siem:syslog"
BATCH = 500
BATCHES_A_ROUND = 10
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
# A receiver that was killed is seen within milliseconds. What it was given longer ago than this, over a connection
# that still stands, counts as arrived.
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Sent:
    """A batch on its way: the number behind it, and when it was sent."""

    following: int
    at: float


class SyslogExport:
    """One process's part in sending events. `round` is called again and again; a receiver that is away costs nothing
    but its own lag."""

    def __init__(
        self,
        audit: AuditServices,
        *,
        target: SyslogTarget,
        authorities: Path | None,
        form: Form,
        hostname: str,
        settle_s: float = SETTLE_S,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self._place = ExportPlace(audit, CURSOR)
        self._target, self._authorities = target, authorities
        self._form: Form = form
        self._hostname = hostname
        self._settle_s, self._first_wait_s = settle_s, first_wait_s
        self._connection: SyslogConnection | None = None
        self._sent: deque[_Sent] = deque()
        # What has arrived, and what is sent next; known once the cursor was loaded.
        self._arrived = self._next = 0
        self._has_read_all = False
        self._wait_s, self._retry_at = first_wait_s, 0.0
        self._failing = False

    @property
    def lag(self) -> Lag | None:
        """How far the receiver is behind; None where another process sends."""
        return self._place.lag

    async def round(self) -> None:
        """Sends what waits, at most ten batches; raises StorageUnavailable alone."""
        if not await self._place.take():
            self._let_go()
            return
        try:
            if self._connection is None and time.monotonic() >= self._retry_at:
                await self._begin()
            if self._connection is not None:
                await self._send_all(self._connection)
        except LeaseLost:
            self._let_go()
            return
        except OSError as failure:
            self._failed(failure)
        if self._connection is None:
            self._arrived = await self._place.load()
        has_all = self._connection is not None and self._has_read_all and self._arrived == self._next
        await self._place.measure(self._arrived, has_all=has_all)

    async def stop(self) -> None:
        """Closes the connection. What was sent just now is sent again by whoever goes on."""
        if self._connection is not None:
            await self._connection.close()
        self._let_go()
        await self._place.give_back()

    async def _begin(self) -> None:
        """Connects, and goes back to the first event that is not known to have arrived."""
        self._arrived = self._next = await self._place.load()
        self._connection = await connect(self._target, self._authorities)
        if self._failing:
            log.warning("%s: %s takes events again", CURSOR, self._target)
        self._failing = False

    async def _send_all(self, connection: SyslogConnection) -> None:
        await self._settle(connection)
        for _ in range(BATCHES_A_ROUND):
            if not await self._send_batch(connection):
                break
            await self._settle(connection)

    async def _send_batch(self, connection: SyslogConnection) -> bool:
        """Sends the next batch; returns whether there may be more."""
        events = await self._place.read(self._next, limit=BATCH)
        self._has_read_all = len(events) < BATCH
        if not events:
            return False
        frames = [frame(syslog_message(event, self._form, hostname=self._hostname)) for event in events]
        await connection.send(b"".join(frames))
        self._next = following(events)
        self._sent.append(_Sent(self._next, time.monotonic()))
        return not self._has_read_all

    async def _settle(self, connection: SyslogConnection) -> None:
        """Moves the cursor behind the batches that have been with the receiver for a while; raises OSError."""
        # Whatever the receiver's end sent by now is looked at first.
        await asyncio.sleep(0)
        connection.check()
        if not connection.is_acknowledged():
            # It takes nothing just now: what lies in its buffers may never be read.
            return
        before, arrived = time.monotonic() - self._settle_s, self._arrived
        while self._sent and self._sent[0].at <= before:
            arrived = self._sent.popleft().following
        if arrived != self._arrived:
            await self._place.move(arrived)
            self._arrived = arrived
            # Only now has it proven that it takes events: one that hangs up at once is not asked every second.
            self._wait_s = self._first_wait_s

    def _failed(self, failure: OSError) -> None:
        if not self._failing:
            words = str(failure) or "no answer in time"
            log.warning("%s: %s does not take events: %s; trying again until it does", CURSOR, self._target, words)
        self._failing = True
        self._retry_at = time.monotonic() + self._wait_s
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.drop()
        self._connection = None
        self._sent.clear()
