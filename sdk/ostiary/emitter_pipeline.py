"""Buffer, spool, server: the two threads that carry events along, so that whoever emits never waits.

One thread only writes to the disk and one only talks to the server: while an answer is slow, events still reach the
disk. They are threads and not tasks because services have event loops, threads or both, and because an event loop
that stops takes its tasks with it before the last events are on the disk.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from ostiary.emitter_bell import Bell
from ostiary.emitter_buffer import EventBuffer
from ostiary.emitter_sender import Sender
from ostiary.spool import Spool
from ostiary.spool_segment import Lane

# How long the writer lets events gather before a write.
GATHER_S = 0.02
# How often it looks for what other processes left, and for a disk that works again.
OPEN_EVERY_S = 60.0
UNEXPECTED_PAUSE_S = 60.0

logger = logging.getLogger("ostiary")


class Pipeline:
    """The way of events from memory over the disk to the server; `close` once.

    `delay_s` is how long the sender lets events gather after each batch.
    """

    def __init__(self, buffer: EventBuffer, spool: Spool, sender: Sender, *, delay_s: float) -> None:
        self._buffer, self._spool, self._sender, self._delay_s = buffer, spool, sender, delay_s
        self._to_write, self._to_send, self._closing = Bell(), Event(), Event()
        self._writer: Thread | None = None
        self._sending: Thread | None = None
        self._has_warned = False

    def start(self) -> bool:
        """Starts the threads that do not run yet; they are daemons, and `close` is what waits for them.

        False, logged once, where the system has no thread to give; events then gather until another call.
        """
        try:
            self._writer = self._writer or self._begin(self._write, "writer")
            self._sending = self._sending or self._begin(self._send, "sender")
        except (RuntimeError, MemoryError) as error:
            if not self._has_warned:
                self._has_warned = True
                words = "the audit emitter gets no thread and tries again with the next event: %s"
                logger.error(words, error)  # noqa: TRY400 - where it came from is no riddle
            return False
        return True

    def put(self, lane: Lane, payload: bytes) -> None:
        """Takes one event; returns at once."""
        self._buffer.put(lane, payload)
        self._to_write.ring()

    def close(self, timeout_s: float) -> None:
        """Writes and sends what it can within the time; the rest waits in the spool for the next process.

        A pipeline that never started and holds nothing leaves no trace.
        """
        ends_at = time.monotonic() + timeout_s
        if self._writer is None:
            if not self._buffer:
                return
            # There was no thread to be had: what waits is at least written.
            self._spool.open()
        self._closing.set()
        self._to_write.ring()
        self._to_send.set()
        for thread in (self._sending, self._writer):
            if thread is not None and not _has_ended(thread, by=ends_at):
                # They may still hold a segment: the folder stays locked, and theirs, until the process ends.
                logger.warning("audit events are still under way; those that do not arrive wait in the spool")
                return
        # Another thread may have emitted while this one closed.
        self._write_taken()
        lost = self._spool.close()
        if lost:
            logger.error("%d audit events were in memory alone and are lost", lost)

    def _begin(self, work: Callable[[], None], name: str) -> Thread:
        thread = Thread(target=self._run, args=(work,), name=f"ostiary-audit-{name}", daemon=True)
        thread.start()
        return thread

    def _run(self, work: Callable[[], None]) -> None:
        while True:
            try:
                work()
                return
            except Exception:  # the edge of a thread: one that ended would fill the memory and say nothing
                logger.exception("the audit emitter met an error that it did not expect")
                self._closing.wait(UNEXPECTED_PAUSE_S)
                if self._closing.is_set():
                    return
                # What woke it may have been spent on the error.
                self._to_write.ring()
                self._to_send.set()

    def _write(self) -> None:
        self._spool.open()
        opened_at = time.monotonic()
        while True:
            # From here on the sender may see what was left behind.
            self._to_send.set()
            self._to_write.wait(OPEN_EVERY_S)
            is_closing = self._closing.wait(GATHER_S)
            self._to_write.forget()
            self._write_taken()
            if time.monotonic() - opened_at > OPEN_EVERY_S:
                self._spool.open()
                opened_at = time.monotonic()
            if is_closing:
                return

    def _write_taken(self) -> None:
        taken = self._buffer.take()
        self._spool.losses.add(taken.dropped)
        for lane, payloads in taken.lanes.items():
            self._spool.append(lane, payloads)

    def _send(self) -> None:
        while True:
            self._to_send.wait()
            self._to_send.clear()
            is_last = self._closing.is_set()
            if is_last:
                # The writer ends when the last event is in the spool; then everything there is gets one more attempt.
                self._join_writer()
            pause = self._send_what_waits()
            if is_last:
                self._sender.close()
                return
            if pause is not None:
                self._closing.wait(pause)
                self._to_send.set()

    def _join_writer(self) -> None:
        # It was started before the sender.
        if self._writer is not None:
            self._writer.join()

    def _send_what_waits(self) -> float | None:
        """Until nothing waits (None), or until the server does not take it: seconds to leave it alone."""
        pause = self._sender.step()
        while pause == 0:
            if not self._spool.has_full_segment:
                self._closing.wait(self._delay_s)
            pause = self._sender.step()
        return pause


def _has_ended(thread: Thread, *, by: float) -> bool:
    thread.join(max(by - time.monotonic(), 0))
    return not thread.is_alive()
