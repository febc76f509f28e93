"""What happened of late at accounts, addresses and networks, counted in memory as `risk.history.activity` stores it."""

import math
import zlib

from risk.sighting import Activity

WINDOW_S = 6 * 3600.0
_KEPT_WINDOWS = 8
_SWEPT_EVERY = 200_000
_BITS = 62
_NOTHING = Activity()


class _Tally:
    """Sums that halve with every whole window since `began_s`, and two bitmaps of who was tried."""

    __slots__ = ("before", "began_s", "failures", "people", "successes")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.failures = self.successes = 0.0
        self.people = self.before = 0

    def turn(self, at_s: float) -> None:
        """Brings the sums to this moment."""
        gone = int((at_s - self.began_s) // WINDOW_S)
        if gone <= 0:
            return
        self.failures *= 0.5**gone
        self.successes *= 0.5**gone
        self.before = self.people if gone == 1 else 0
        self.people = 0
        self.began_s += gone * WINDOW_S

    def shown(self) -> Activity:
        empty = _BITS - (self.people | self.before).bit_count()
        return Activity(self.failures, self.successes, -_BITS * math.log(max(empty, 0.5) / _BITS))


class Tallies:
    """Failures, sign-ins and people tried, by key; keys that were quiet for two days are forgotten."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._counted = 0

    def at(self, key: str, at_s: float) -> Activity:
        """What was seen there before this moment."""
        tally = self._tallies.get(key)
        if tally is None:
            return _NOTHING
        tally.turn(at_s)
        return tally.shown()

    def count_failure(self, key: str, person: str, at_s: float) -> None:
        """A failed try at `person`'s account."""
        tally = self._turned(key, at_s)
        tally.failures += 1
        tally.people |= 1 << (zlib.crc32(person.encode()) % _BITS)

    def count_success(self, key: str, at_s: float) -> None:
        """A good sign-in."""
        self._turned(key, at_s).successes += 1

    def _turned(self, key: str, at_s: float) -> _Tally:
        self._counted += 1
        if self._counted % _SWEPT_EVERY == 0:
            oldest_s = at_s - _KEPT_WINDOWS * WINDOW_S
            self._tallies = {name: tally for name, tally in self._tallies.items() if tally.began_s >= oldest_s}
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = _Tally(at_s)
        else:
            tally.turn(at_s)
        return tally
