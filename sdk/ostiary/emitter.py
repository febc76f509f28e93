"""Audit events of a service on their way into the server's log: buffered, spooled to disk, sent in batches.

At least once, and by its id each event is stored once. What this cannot promise: the events of the last milliseconds
before the process is killed, those of the last seconds before a power cut, and what exceeds the spool while the
server is away, which an `audit.gap` event then counts.
"""

import atexit
import logging
import os
import ssl
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import anyio
import httpx2

from ostiary.discovery import parse_issuer
from ostiary.emitter_buffer import EventBuffer
from ostiary.emitter_client import IntakeClient
from ostiary.emitter_events import AuditEvent, encode_event
from ostiary.emitter_forks import at_forks
from ostiary.emitter_limits import EmitterLimits
from ostiary.emitter_pipeline import Pipeline
from ostiary.emitter_refused import RefusedFile
from ostiary.emitter_rules import MAX_BATCH_BYTES, MAX_BATCH_EVENTS
from ostiary.emitter_sender import Sender
from ostiary.emitter_sink import EventSink, new_event_id
from ostiary.errors import ConfigurationError
from ostiary.spool import Spool, SpoolLimits
from ostiary.spool_folder import check_locks_exist
from ostiary.spool_losses import Losses
from ostiary.spool_segment import Lane

GAP = "audit.gap"

logger = logging.getLogger("ostiary")


@dataclass(frozen=True, slots=True)
class EmitterStats:
    """What became of the events of this process, and of those it found in the spool.

    `buffered` are in memory, `spooled` wait for the server; `sent` are stored there, `dropped` found no room or were
    damaged on disk, `refused` the server will never take. `last_error` is empty while all is well.
    """

    buffered: int
    spooled: int
    sent: int
    dropped: int
    refused: int
    last_error: str


class AuditEmitter(EventSink):
    """Sends a service's audit events to the server (`POST /api/v1/audit/events`). One for each program; share it.

    `token` returns an access token with the scope `audit:write` for the issuer itself, as text or as something to
    await; it is asked before each batch and should remember its answer. It runs in a thread of the emitter, an async
    one in an event loop of its own there, so it must not share connections with the program's loop.

    `spool_dir` is a folder for events that wait, which several processes may share; each keeps at most
    `limits.spool_bytes`. None keeps them in memory alone: they end with the process.

    Threads start with the first event, or by `start`, which also sends what an earlier process left. A process that
    forks (gunicorn with preload) has an emitter of its own in each child. `close`, `aclose` or `with` send the last
    events; the end of the program does so, too. Bad settings raise ConfigurationError; nothing raises later.
    """

    def __init__(
        self,
        issuer: str,
        token: Callable[[], str | Awaitable[str]],
        *,
        spool_dir: str | os.PathLike[str] | None,
        limits: EmitterLimits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._address = parse_issuer(issuer)
        if not callable(token):
            raise ConfigurationError("token must be a function that returns an access token")
        if spool_dir is not None:
            check_locks_exist()
        self._token, self._limits = token, limits or EmitterLimits()
        self._root = None if spool_dir is None else Path(spool_dir)
        self._ssl_context, self._transport = ssl_context, transport
        self._starting = Lock()
        self._is_started = self._is_closed = False
        self._too_late = 0
        self._parts = self._assemble()
        _begin_in_children(self)

    def start(self) -> None:
        """Starts now rather than with the first event: what an earlier process left in the spool is sent."""
        # Whoever finds somebody at it goes on: a signal's handler would wait for the thread that it interrupts.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if not self._is_started and not self._is_closed:
                atexit.unregister(self.close)
                atexit.register(self.close)
                self._is_started = self._parts.pipeline.start()
        finally:
            self._starting.release()

    @property
    def stats(self) -> EmitterStats:
        """How things stand at this moment."""
        spool, sender = self._parts.spool, self._parts.sender
        return EmitterStats(
            buffered=len(self._parts.buffer),
            spooled=len(spool),
            sent=sender.sent,
            dropped=spool.losses.total + self._too_late,
            refused=self._parts.refused.count,
            last_error=sender.last_error or spool.last_error,
        )

    def close(self, timeout_s: float | None = None) -> None:
        """Sends the last events, waiting `limits.close_s` at most or as long as said; the rest waits in the spool.

        An event that is emitted afterwards is dropped.
        """
        with self._starting:
            is_first, self._is_closed = not self._is_closed, True
        atexit.unregister(self.close)
        if is_first:
            self._parts.pipeline.close(self._limits.close_s if timeout_s is None else timeout_s)

    async def aclose(self, timeout_s: float | None = None) -> None:
        """`close` for an event loop, which goes on meanwhile."""
        await anyio.to_thread.run_sync(self.close, timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, lane: Lane, payload: bytes) -> None:
        if self._is_closed:
            self._note_too_late()
            return
        self._parts.pipeline.put(lane, payload)
        if not self._is_started:
            self.start()

    def _note_too_late(self) -> None:
        if not self._too_late:
            logger.error("an audit event came after the emitter was closed and is lost")
        self._too_late += 1

    def _assemble(self) -> "_Parts":
        limits = self._limits
        bounds = SpoolLimits(
            max_bytes=limits.buffer_bytes if self._root is None else limits.spool_bytes,
            max_held_bytes=limits.buffer_bytes,
            max_segment_events=MAX_BATCH_EVENTS,
            max_segment_bytes=MAX_BATCH_BYTES,
        )
        client = IntakeClient(
            self._address,
            self._token,
            timeout_s=limits.timeout_s,
            ssl_context=self._ssl_context,
            transport=self._transport,
        )
        buffer = EventBuffer(max_events=limits.buffer_events, max_bytes=limits.buffer_bytes)
        spool = Spool(self._root, bounds, now=_now_text)
        refused = RefusedFile(self._root)
        sender = Sender(spool, client, refused=refused, make_gap=_gap_event)
        return _Parts(buffer, spool, refused, sender, Pipeline(buffer, spool, sender, delay_s=limits.delay_s))

    def _begin_in_child(self) -> None:
        """After a fork: the parent keeps its events, its files and its connection; threads do not come along."""
        self._parts.spool.leave()
        self._starting = Lock()
        self._is_started = False
        self._parts = self._assemble()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What belongs to one process and is made anew in a forked one."""

    buffer: EventBuffer
    spool: Spool
    refused: RefusedFile
    sender: Sender
    pipeline: Pipeline


def _gap_event(losses: Losses) -> bytes:
    """The event that tells how many others are missing."""
    event = AuditEvent(
        name=GAP,
        severity="MEDIUM",
        outcome="failure",
        message="Audit events of this service were dropped before they reached the server.",
        data={"dropped": losses.count, "since": losses.since, "until": losses.until},
    )
    return encode_event(event, event_id=new_event_id(), at=datetime.now(UTC))


def _now_text() -> str:
    return datetime.now(UTC).isoformat()


def _begin_in_children(emitter: AuditEmitter) -> None:
    """Weakly, since a fork's callback is for good: an emitter that is closed and let go of can go."""
    known = weakref.ref(emitter)

    def begin() -> None:
        if (found := known()) is not None:
            found._begin_in_child()

    at_forks(lambda: known() is not None, begin)
