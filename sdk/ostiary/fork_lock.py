"""A lock that does not stay shut in a forked child: who held it in the parent never comes there to release it. Pure."""

import os
from threading import Lock


class ForkLock:
    """`with fork_lock.lock:` as with any lock; each process has one of its own."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = Lock()

    @property
    def lock(self) -> Lock:
        """This process's lock."""
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), Lock()
        return self._lock

    @property
    def is_taken(self) -> bool:
        """Whether somebody of this process holds it."""
        return self.lock.locked()
