"""Several processes behind the same sockets: forks them, replaces one that dies, passes signals on."""

import logging
import os
import signal
import sys
import time
from types import FrameType

from server.serve import Announce, Prepared, run_process

log = logging.getLogger("ostiary.workers")

RESTART_AFTER_S = 1.0


def run_workers(prepared: Prepared, announce: Announce) -> None:
    """Runs `settings.workers` processes until SIGTERM or SIGINT, then waits for them to finish."""
    running: dict[int, int] = {}
    stopping = False

    def stop(name: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for pid in running:
            os.kill(pid, name)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    for number in range(prepared.settings.workers):
        running[_fork(prepared, number, announce if number == 0 else None)] = number
    while running:
        pid, status = os.wait()
        number = running.pop(pid)
        if not stopping:
            log.error("server process %d ended with %d; another one takes its place", pid, status)
            time.sleep(RESTART_AFTER_S)
        if not stopping:
            running[_fork(prepared, number, None)] = number


def _fork(prepared: Prepared, number: int, announce: Announce | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_DFL)
    code = 1
    try:
        run_process(prepared, number, announce)
        code = 0
    except BaseException:
        log.exception("server process %d failed", number)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: what the parent registered to run at its exit is the parent's.
        os._exit(code)
