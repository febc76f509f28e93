"""Rate limits: how many of something one key may do in a sliding window.

A window's count and the one before it are kept; the earlier one fades as the new one goes on. That is exact to a few
per cent, takes two small counters a key, and has no double burst at a window's edge.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from base.cache import CacheUnavailable, InProcess, KeyValue
from base.clock import to_micros

COOL_DOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class RateVerdict:
    """Whether one more is allowed; `retry_after_s` is 0 where it is, and `remaining` says how many more are."""

    allowed: bool
    retry_after_s: int
    remaining: int


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


class RateLimiter:
    """Counts hits in a store that processes share.

    When Redis is down, this process counts by itself: a limit then holds per process instead of for all of them
    together, but there is always a limit; nothing fails open. After a failure Redis is left alone for a second, so that
    its outage does not slow every request by its timeout.
    """

    def __init__(self, store: KeyValue, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._twin = InProcess()
        self._monotonic = monotonic
        self._resting_until = 0.0

    async def hit(self, key: str, *, limit: int, window_s: int, now: datetime) -> RateVerdict:
        """Counts one hit of `key` and says whether it is within `limit` in `window_s` seconds."""
        micros = to_micros(now)
        window, inside = divmod(micros, window_s * 1_000_000)
        current_key, previous_key = f"rate:{key}:{window}", f"rate:{key}:{window - 1}"
        current, previous = await self._count(current_key, previous_key, window_s)
        return judge(previous=previous, current=current, limit=limit, window_s=window_s, elapsed_s=inside / 1_000_000)

    async def _count(self, current_key: str, previous_key: str, window_s: int) -> tuple[int, int]:
        if self._monotonic() >= self._resting_until:
            try:
                return await _count_in(self._store, current_key, previous_key, window_s)
            except CacheUnavailable:
                self._resting_until = self._monotonic() + COOL_DOWN_S
        return await _count_in(self._twin, current_key, previous_key, window_s)


async def _count_in(store: KeyValue, current_key: str, previous_key: str, window_s: int) -> tuple[int, int]:
    current = await store.incr(current_key, ttl_s=2 * window_s)
    return current, int(await store.get(previous_key) or 0)
