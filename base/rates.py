"""Rate limits: how many of something one key may do in a sliding window, counted in the cache.

The rule itself is the SDK's (`ostiary.rates`), so that services and this server judge alike.
"""

import time
from collections.abc import Callable
from datetime import datetime

from base.cache import CacheUnavailable, InProcess, KeyValue
from base.clock import to_micros
from ostiary.rates import RateVerdict, judge

COOL_DOWN_S = 1.0


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
