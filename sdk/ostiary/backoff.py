"""How long to leave a server alone that did not answer well: longer each time, and never all callers at once. Pure."""

from collections.abc import Callable


class Backoff:
    """Pauses that double from `first_s` to `most_s`, each shortened by chance to half of it at least.

    `random` gives numbers from 0 to 1. Chance spreads the callers that all saw the same server go away.
    """

    def __init__(self, first_s: float, most_s: float, *, random: Callable[[], float]) -> None:
        self._first_s, self._most_s, self._random = first_s, most_s, random
        self._next_s = first_s

    def next_pause_s(self, *, at_least_s: float = 0) -> float:
        """Seconds to wait now; `at_least_s` is what the server asked for, believed up to `most_s`."""
        pause_s = self._next_s * (0.5 + self._random() / 2)
        self._next_s = min(self._next_s * 2, self._most_s)
        return max(pause_s, min(at_least_s, self._most_s))

    def reset(self) -> None:
        """All is well again: the next pause is the first one."""
        self._next_s = self._first_s
