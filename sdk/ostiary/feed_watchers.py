"""Who wants to hear of changes in the feed, and who waits for its first head."""

import logging
from collections.abc import Callable
from threading import Event, Lock

logger = logging.getLogger("ostiary")


class Watchers:
    """Callbacks that the feed's thread calls after each change. Safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._callbacks: tuple[Callable[[], None], ...] = ()
        self.ready = Event()

    def add(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls it from now on; what is returned ends that."""
        # A callback may stand here twice; each registration ends on its own.
        entry = _Once(callback)
        with self._lock:
            self._callbacks = (*self._callbacks, entry)

        def remove() -> None:
            with self._lock:
                self._callbacks = tuple(each for each in self._callbacks if each is not entry)

        return remove

    def tell(self) -> None:
        """Calls everybody; one that fails is logged and harms nobody."""
        for callback in self._callbacks:
            try:
                callback()
            except Exception:  # somebody else's code
                logger.exception("a callback of the feed failed")

    def begin_in_child(self) -> None:
        """After a fork: the same callbacks, nobody waiting."""
        self._lock, self.ready = Lock(), Event()


class _Once:
    """One registration of a callback."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def __call__(self) -> None:
        self._callback()
