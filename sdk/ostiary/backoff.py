"""How long to leave a server alone that did not answer well: longer each time, and never all callers at once. Pure."""

from collections.abc import Callable
from math import ceil


class Backoff:
    """Pauses that double from `first_s` to `most_s`, each shortened by chance to half of it at least.

    `random` gives numbers from 0 to 1. Chance spreads the callers that all saw the same server go away.
    """

    def __init__(self, first_s: float, most_s: float, *, random: Callable[[], float]) -> None:
        self._first_s, self._most_s, self._random = first_s, most_s, random
        self._next_s = first_s

    def next_pause_s(self, *, at_least_s: float = 0) -> float:
        """Seconds to wait now; `at_least_s` is what the server asked for, believed up to `most_s`.

        By chance it is up to half as long again: many were told the same at the same moment.
        """
        chance = self._random()
        pause_s = self._next_s * (0.5 + chance / 2)
        self._next_s = min(self._next_s * 2, self._most_s)
        return max(pause_s, min(at_least_s, self._most_s) * (1 + chance / 2))

    def reset(self) -> None:
        """All is well again: the next pause is the first one."""
        self._next_s = self._first_s


def spread_s(least_s: int, *, random: Callable[[], float]) -> int:
    """`least_s` and, by chance, up to half of it more, in whole seconds: what to tell many who ask at once.

    Told the same, they would all come back in the same second. `random` gives numbers from 0 to 1, without 1 itself.
    """
    return least_s + int(random() * (ceil(least_s / 2) + 1))
