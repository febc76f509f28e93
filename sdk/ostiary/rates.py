"""Rate limits: how many of something one key may do in a sliding window. No I/O: the server and the guards share it.

A window's count and the one before it are kept; the earlier one fades as the new one goes on. That is exact to a few
per cent, takes two small counters a key, and has no double burst at a window's edge.
"""

import math
from dataclasses import dataclass

from ostiary.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class RateVerdict:
    """Whether one more is allowed; `retry_after_s` is 0 where it is, and `remaining` says how many more are."""

    allowed: bool
    retry_after_s: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` in any `window_s` seconds; ConfigurationError unless both are whole and positive."""

    limit: int
    window_s: int

    def __post_init__(self) -> None:
        if not all(type(number) is int and number > 0 for number in (self.limit, self.window_s)):
            raise ConfigurationError("Rate: limit and window_s must be whole numbers above 0")

    def window(self, now: float) -> tuple[int, float]:
        """The number of the window that `now` (seconds since the epoch) lies in, and how far it has gone."""
        number, inside = divmod(now, self.window_s)
        return int(number), inside

    def judge(self, *, previous: int, current: int, elapsed_s: float) -> RateVerdict:
        """`judge` for this rate."""
        return judge(previous=previous, current=current, limit=self.limit, window_s=self.window_s, elapsed_s=elapsed_s)


def judge(*, previous: int, current: int, limit: int, window_s: int, elapsed_s: float) -> RateVerdict:
    """The verdict about the hit that made `current` (it is counted already).

    `previous` counts at most as `limit`: somebody who knocked in vain for a whole window is let in again as slowly as
    one who used up the limit, and no slower. `elapsed_s` is how far the current window has gone.
    """
    capped = min(previous, limit)
    carried = capped * (1 - elapsed_s / window_s)
    used = carried + current
    if used <= limit:
        return RateVerdict(True, 0, int(limit - used))
    return RateVerdict(False, max(1, math.ceil(_wait_s(capped, current + 1, limit, window_s) - elapsed_s)), 0)


def _wait_s(capped: int, coming: int, limit: int, window_s: int) -> float:
    """When the next hit will pass, counted from the current window's beginning; `coming` is the count it will make."""
    if coming <= limit:
        # Enough of the earlier window has faded when capped * (1 - t / window) + coming = limit.
        return window_s * (1 - (limit - coming) / capped)
    # Not within this window; in the next one this one's `limit` fades, and room for one must have opened.
    return window_s + window_s / limit
