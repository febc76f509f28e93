"""Where hits are counted: in this process, or in Redis for all processes together."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ostiary.fork_lock import ForkLock

if TYPE_CHECKING:
    from redis.asyncio import Redis as AsyncRedis

MAX_KEYS = 100_000
TIMEOUT_S = 0.3


@dataclass(frozen=True, slots=True)
class Window:
    """One key in one window: its number, and how long it is."""

    key: str
    number: int
    window_s: int


# Of each window: how many hits it has, the new one included, and how many the one before it had.
Counts = list[tuple[int, int]]


class CountsUnavailable(Exception):
    """Redis did not answer in time."""


class SharedCounts(Protocol):
    """What `RateLimiter` asks of a store that processes share."""

    async def hit(self, windows: Sequence[Window]) -> Counts:
        """Count one hit in each window; CountsUnavailable where that is not known to have worked."""
        ...


class SyncSharedCounts(Protocol):
    """What `SyncRateLimiter` asks of such a store."""

    def hit(self, windows: Sequence[Window]) -> Counts:
        """As `SharedCounts.hit`."""
        ...


class ProcessCounts:
    """Counters in memory, `max_keys` at most: who was not seen for longest is forgotten first. Safe between threads."""

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        # Of each key: window number, hits in it, hits in the one before.
        self._counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        self._lock = ForkLock()

    def __len__(self) -> int:
        return len(self._counts)

    def hit(self, windows: Sequence[Window]) -> Counts:
        """Count one hit in each window."""
        with self._lock.lock:
            return [self._hit(window) for window in windows]

    def _hit(self, window: Window) -> tuple[int, int]:
        number, current, previous = self._counts.get(window.key, (window.number, 0, 0))
        if number == window.number - 1:
            previous, current = current, 0
        elif number != window.number:
            previous, current = 0, 0
        self._counts[window.key] = (window.number, current + 1, previous)
        self._counts.move_to_end(window.key)
        if len(self._counts) > self._max_keys:
            self._counts.popitem(last=False)
        return current + 1, previous


# All windows in one step and one round trip. The first hit alone sets when a counter goes, so that a crash in between
# cannot leave one for ever.
_HIT = """
local counts = {}
for i = 1, #KEYS, 2 do
  local n = redis.call('INCR', KEYS[i])
  if n == 1 then redis.call('EXPIRE', KEYS[i], ARGV[(i + 1) / 2]) end
  counts[i] = n
  counts[i + 1] = tonumber(redis.call('GET', KEYS[i + 1]) or 0)
end
return counts
"""


class RedisCounts:
    """Counters in one Redis, for asyncio. Needs the package `redis`.

    A dead Redis costs 0.3 s a hit at most, and `RateLimiter` leaves it alone for a second then.
    """

    def __init__(self, url: str, *, prefix: str = "ostiary:rate:") -> None:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis: AsyncRedis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._script = self._redis.register_script(_HIT)
        self._prefix = prefix

    async def hit(self, windows: Sequence[Window]) -> Counts:
        """Count one hit in each window; CountsUnavailable where Redis does not answer."""
        from redis.exceptions import RedisError

        keys, ttls = _script_arguments(windows, self._prefix)
        try:
            return _pairs(await self._script(keys=keys, args=ttls))
        except (RedisError, OSError, TimeoutError) as failure:
            raise CountsUnavailable(type(failure).__name__) from failure

    async def close(self) -> None:
        """Give back connections."""
        await self._redis.aclose()


class SyncRedisCounts:
    """`RedisCounts` without `await`, for threads."""

    def __init__(self, url: str, *, prefix: str = "ostiary:rate:") -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._script = self._redis.register_script(_HIT)
        self._prefix = prefix

    def hit(self, windows: Sequence[Window]) -> Counts:
        """Count one hit in each window; CountsUnavailable where Redis does not answer."""
        from redis.exceptions import RedisError

        keys, ttls = _script_arguments(windows, self._prefix)
        try:
            return _pairs(self._script(keys=keys, args=ttls))
        except (RedisError, OSError, TimeoutError) as failure:
            raise CountsUnavailable(type(failure).__name__) from failure

    def close(self) -> None:
        """Give back connections."""
        self._redis.close()


def _script_arguments(windows: Sequence[Window], prefix: str) -> tuple[list[str], list[int]]:
    # In one hash slot, as a cluster wants the keys of one script.
    numbered = [(f"{{{prefix}}}{each.key}:", each.number) for each in windows]
    keys = [f"{name}{number}" for name, newest in numbered for number in (newest, newest - 1)]
    return keys, [2 * each.window_s for each in windows]


def _pairs(answer: object) -> Counts:
    if not isinstance(answer, list):
        raise CountsUnavailable("Redis gave no list")
    numbers = [int(number) for number in answer]
    return list(zip(numbers[::2], numbers[1::2], strict=True))
