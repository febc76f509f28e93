"""An emitter where the system gives no thread, and one that a signal's handler uses in the middle of itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import ostiary
from ostiary.emitter_buffer import EventBuffer
from ostiary.spool_segment import Lane
from tests.sdk.intake_server import Intake, MakeEmitter, until

SDK_FOLDER = Path(ostiary.__file__).parents[1]

SIGNALLED = """
import faulthandler, signal, sys, time
from ostiary import AuditEmitter
faulthandler.dump_traceback_later(20, exit=True)
emitter = AuditEmitter("http://127.0.0.1:9", lambda: "t", spool_dir=None)
ids = set()
signal.signal(signal.SIGALRM, lambda *_: ids.add(emitter.emit("order.signalled")))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
ends_at = time.monotonic() + 2
while time.monotonic() < ends_at or len(ids) < 100:
    ids.add(emitter.emit("order.placed"))
signal.setitimer(signal.ITIMER_REAL, 0)
while emitter.stats.buffered:
    time.sleep(0.01)
print(len(ids) == emitter.stats.spooled + emitter.stats.dropped)
emitter.close(0)
"""


def refuse_threads(monkeypatch: pytest.MonkeyPatch, *, after: int = 0) -> None:
    """So many of ours still start; then the system has none."""
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def refusing(thread: threading.Thread) -> None:
        if thread.name.startswith("ostiary-"):
            if len(started) == after:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing)


@pytest.mark.parametrize("after", [0, 1])
def test_a_system_without_threads_costs_no_request_and_no_event(
    open_emitter: MakeEmitter,
    intake: Intake,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    after: int,
) -> None:
    """The next event tries again; it is logged once."""
    emitter = open_emitter()
    with monkeypatch.context() as patched:
        refuse_threads(patched, after=after)
        emitter.start()
        sent = [emitter.emit("order.placed", severity="HIGH") for _ in range(3)]
    assert caplog.text.count("gets no thread and tries again with the next event: can't start new thread") == 1
    sent.append(emitter.emit("order.placed", severity="HIGH"))
    until(lambda: list(intake.stored) == sent)


@pytest.mark.parametrize("after", [0, 1])
def test_an_emitter_that_never_got_its_threads_leaves_its_events_on_the_disk(
    open_emitter: MakeEmitter, intake: Intake, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """And closes without an error; the next process sends them."""
    emitter = open_emitter()
    with monkeypatch.context() as patched:
        refuse_threads(patched, after=after)
        event_id = emitter.emit("order.placed")
        emitter.close()
    assert intake.batches == []
    open_emitter().start()
    until(lambda: list(intake.stored) == [event_id])


def test_an_emitter_that_was_never_used_leaves_nothing(open_emitter: MakeEmitter, tmp_path: Path) -> None:
    open_emitter().close()
    assert list(tmp_path.iterdir()) == []


def test_a_signals_handler_may_emit_while_its_own_thread_emits() -> None:
    """Thousands of times a second: no standstill, and every event is counted."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(SDK_FOLDER)!r})\n{SIGNALLED}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "True\n", done.stderr


class Interrupted(bytes):
    """An event during whose counting another one is emitted, as by a signal's handler."""

    then: Callable[[], None]

    def __len__(self) -> int:
        then, self.then = self.then, lambda: None
        then()
        return super().__len__()


def test_an_event_in_the_middle_of_another_ones_is_kept_and_counted() -> None:
    """The same without luck: at the one moment that matters, in a thread so that a standstill can be seen."""
    buffer, first = EventBuffer(max_events=10, max_bytes=9), Interrupted(b"12345")
    first.then = lambda: buffer.put(Lane.RAISED, b"6789")
    thread = threading.Thread(target=buffer.put, args=(Lane.LOW, first), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "the buffer waits for itself"
    assert len(buffer) == 2
    buffer.put(Lane.LOW, b"0")
    taken = buffer.take()
    assert (taken.lanes, taken.dropped) == ({Lane.RAISED: [b"6789"], Lane.LOW: [b"0"]}, 1)
