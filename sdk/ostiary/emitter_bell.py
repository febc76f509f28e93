"""What wakes the emitter's writer. An Event would do, if a signal's handler could not come in the middle of its set."""

from queue import Empty, SimpleQueue


class Bell:
    """One thread waits, any other rings, as often as it likes; a ring while nobody waits is kept."""

    def __init__(self) -> None:
        # The one thing to wait for whose `put` may be interrupted by itself (docs of the module queue).
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        """Wakes whoever waits; never waits itself."""
        if self._rings.empty():
            self._rings.put(None)

    def wait(self, timeout_s: float) -> None:
        """Returns at a ring, or when the time is over."""
        try:
            self._rings.get(timeout=timeout_s)
        except Empty:
            return

    def forget(self) -> None:
        """What was rung until now is dealt with by what comes next."""
        while not self._rings.empty():
            self.wait(0)
