"""A process with threads that forks: what has to be still at that moment, and what the child begins anew."""

import logging
import os
from collections.abc import Callable
from threading import RLock

_PATIENCE_S = 1.0


def at_forks(is_needed: Callable[[], bool], begin_in_child: Callable[[], None]) -> None:
    """Calls `begin_in_child` in each child for as long as `is_needed`; nothing on a system that cannot fork.

    Our threads log. A fork in the middle of a line would leave the stream locked in the child for good, and with it
    the first of its threads that logs; so the fork waits until no line is being written.
    """
    if not hasattr(os, "register_at_fork"):
        return
    held: list[RLock] = []

    def before() -> None:
        if is_needed():
            held.extend(lock for lock in _locks_of_logging() if lock.acquire(timeout=_PATIENCE_S))

    def after_in_parent() -> None:
        while held:
            held.pop().release()

    def after_in_child() -> None:
        # The logging module has made these locks anew by itself.
        held.clear()
        if is_needed():
            begin_in_child()

    os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)


def _locks_of_logging() -> list[RLock]:
    """Of every handler that a line of ours goes through."""
    handlers: list[logging.Handler] = []
    logger: logging.Logger | None = logging.getLogger("ostiary")
    while logger is not None:
        handlers += logger.handlers
        logger = logger.parent if logger.propagate else None
    if not handlers and logging.lastResort is not None:
        handlers = [logging.lastResort]
    return [handler.lock for handler in handlers if handler.lock is not None]
