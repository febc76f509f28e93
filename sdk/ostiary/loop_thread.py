"""An event loop of the SDK's own, in a daemon thread: for what goes on beside a program of any kind.

Services have event loops, threads or both, and a loop that is busy must not make the feed old. The thread begins at
first use, once a process: a forked child begins its own.
"""

import asyncio
import inspect
import time
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event, Lock, Thread, current_thread
from typing import TypeVar

from ostiary.emitter_forks import at_forks

T = TypeVar("T")
START_S = 10.0
END_S = 1.0


@dataclass(frozen=True, slots=True)
class _Running:
    """A thread with its loop, and what ends it."""

    thread: Thread
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


class LoopThread:
    """Runs coroutines in a loop of its own, whoever hands them in. Safe between threads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._running: _Running | None = None
        # A loop of the parent's is neither run nor closed in a child: closing would reach into the parent's.
        self._inherited: list[object] = []
        begin_in_children(self, LoopThread._begin_in_child)

    def submit(self, work: Callable[[], Coroutine[object, object, T]]) -> "Future[T]":
        """Begins the work in the thread; the future tells how it ended, and cancelling it cancels the work.

        RuntimeError or MemoryError where the system has no thread to give.
        """
        with self._lock:
            running = self._running or self._begin()
            return asyncio.run_coroutine_threadsafe(work(), running.loop)

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this thread, which must not wait for itself."""
        running = self._running
        return running is not None and running.thread is current_thread()

    def stop(self, timeout_s: float) -> bool:
        """Cancels what is at work and ends the thread, waiting so long at most; False if it did not end in time."""
        with self._lock:
            running, self._running = self._running, None
        if running is None:
            return True
        running.loop.call_soon_threadsafe(running.stop.set)
        if running.thread is not current_thread():
            running.thread.join(timeout_s)
        return not running.thread.is_alive()

    def _begin(self) -> _Running:
        began = Event()
        made: list[_Running] = []

        async def live() -> None:
            made.append(_Running(current_thread(), asyncio.get_running_loop(), asyncio.Event()))
            began.set()
            await made[0].stop.wait()
            await _end_others()

        Thread(target=lambda: asyncio.run(live()), name=self._name, daemon=True).start()
        if not began.wait(START_S):
            raise RuntimeError("a thread of ours did not begin in time")
        self._running = made[0]
        return made[0]

    def _begin_in_child(self) -> None:
        self._inherited.append(self._running)
        self._lock, self._running = Lock(), None


async def _end_others() -> None:
    """Cancels what is at work, and waits for it a moment.

    A task that was never begun is let begin first: what it holds would complain that nobody waited for it.
    """
    ends_at = time.monotonic() + END_S
    told: set[object] = set()
    while (others := asyncio.all_tasks() - {asyncio.current_task()}) and time.monotonic() < ends_at:
        for task in others - told:
            coroutine = task.get_coro()
            if not inspect.iscoroutine(coroutine) or inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
                # Once: a second time would end what it does to end well.
                told.add(task)
                task.cancel()
        await asyncio.wait(others, timeout=0.01)


S = TypeVar("S")


def begin_in_children(owner: S, begin: Callable[[S], None]) -> None:
    """Calls `begin(owner)` in each forked child. Weakly, since such a callback is for good and its owner is not."""
    known = weakref.ref(owner)

    def begin_known() -> None:
        if (found := known()) is not None:
            begin(found)

    at_forks(lambda: known() is not None, begin_known)
