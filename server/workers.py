"""Several processes behind the same sockets: forks them, replaces one that dies, passes signals on."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

from base.errors import NotReady, StorageUnavailable
from server.composition import open_services
from server.serve import Announce, Prepared, run_process

log = logging.getLogger("ostiary.workers")

RESTART_AFTER_S = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_workers(prepared: Prepared, announce: Announce) -> None:
    """Runs `settings.workers` processes until SIGTERM or SIGINT, then waits for them to finish.

    Raises NotReady and StorageUnavailable for what no process could serve with, such as a foreign master key.
    """
    asyncio.run(_check(prepared))
    _Workers(prepared).run(announce)


async def _check(prepared: Prepared) -> None:
    # Here it is one sentence and the end; in the processes it would be a failure again at every restart.
    async with open_services(prepared.settings, prepared.master_keys) as services:
        services.policies.check_loaded()


class _Workers:
    """The processes by their ids, each with its number."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._running: dict[int, int] = {}
        self._stopping = False

    def run(self, announce: Announce) -> None:
        """Returns when all have ended after a signal."""
        for name in _SIGNALS:
            signal.signal(name, self._stop)
        for number in range(self._prepared.settings.workers):
            self._start(number, announce if number == 0 else None)
        while self._running:
            pid, status = os.wait()
            number = self._running.pop(pid)
            if not self._stopping:
                log.error("server process %d ended with %d; another one takes its place", pid, status)
                time.sleep(RESTART_AFTER_S)
                self._start(number, None)

    def _start(self, number: int, announce: Announce | None) -> None:
        # A signal between the fork and the entry would leave a process that nobody tells to stop.
        with _signals_held():
            if not self._stopping:
                self._running[_fork(self._prepared, number, announce)] = number

    def _stop(self, name: int, frame: FrameType | None) -> None:
        self._stopping = True
        for pid in self._running:
            # One that has just ended may still have its entry.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, name)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Signals that came before were handled; those that come meanwhile are handled at the end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _fork(prepared: Prepared, number: int, announce: Announce | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for name in _SIGNALS:
            signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        run_process(prepared, number, announce)
        code = 0
    except (NotReady, StorageUnavailable) as fault:
        # One sentence tells it; the place in the code does not.
        log.error("server process %d failed: %s", number, fault)  # noqa: TRY400
    except BaseException:
        log.exception("server process %d failed", number)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: what the parent registered to run at its exit is the parent's.
        os._exit(code)
