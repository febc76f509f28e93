"""What one process saw wait for its number, look after look: since when entries wait, and as of when all is told. Pure.

A revocation is acknowledged before its entry has a number. A head that is told in between does not hold the entry, so
it must not vouch for the moment when it is told.
"""

from collections import deque
from typing import NamedTuple

# An entry that waits longer than this for its number is in force nowhere: then the process says nothing of the log.
LONGEST_WAIT_S = 0.8
# Looks that are kept apart, five seconds of them; by then the process has been silent for long.
MOST_LOOKS = 100


class Look(NamedTuple):
    """A question where the log stands: the how many-th of this process, its clock just before, and what it saw.

    Every entry that was there then has its number once the log goes up to `due`.
    """

    number: int
    began: float
    due: int


class Looks:
    """The looks whose entries wait, oldest first, and `whole`, the newest one whose entries all have their number."""

    def __init__(self) -> None:
        self.whole = Look(0, 0.0, 0)
        self._waiting: deque[Look] = deque()

    @property
    def is_waiting(self) -> bool:
        """Whether entries waited when it was last looked."""
        return bool(self._waiting)

    def forget(self) -> None:
        """There is another log: what waited for a number of the old one says nothing of it."""
        self._waiting.clear()

    def note(self, number: int, began: float, *, seq: int, waits: int) -> None:
        """A look saw the log go up to `seq` and so many entries wait.

        That others come all the time does not make the first ones old.
        """
        while self._waiting and self._waiting[0].due <= seq:
            self.whole = self._waiting.popleft()
        look = Look(number, began, seq + waits)
        if not waits:
            self._waiting.clear()
            self.whole = look
        elif not self._waiting or self._waiting[-1].due < look.due:
            if len(self._waiting) == MOST_LOOKS:
                # As old as the last one: older than it is does no harm.
                look = self._waiting.pop()._replace(due=look.due)
            self._waiting.append(look)

    def is_held_up(self, now: float) -> bool:
        """Whether an entry waits for too long."""
        return bool(self._waiting) and now - self._waiting[0].began > LONGEST_WAIT_S
