"""A small store of values that may be lost: Redis, or its twin within this process.

Nothing whose loss is a security event belongs here. Values are bytes, times to live whole seconds. Both stores keep
the same contract, and one suite of tests runs on both.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")

MAX_ENTRIES = 100_000
TIMEOUT_S = 0.3
_PREFIX = "ostiary:"


class CacheUnavailable(Exception):
    """Redis did not answer in time, twice; what the key holds now is unknown."""


class KeyValue(Protocol):
    """What both stores offer. Every method may raise CacheUnavailable."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None where there is none or it has expired; a counter reads as its decimal digits."""
        ...

    async def set(self, key: str, value: bytes, *, ttl_s: int) -> None:
        """Stores the value for `ttl_s` seconds, in place of any earlier one."""
        ...

    async def incr(self, key: str, *, ttl_s: int) -> int:
        """Adds one to a counter and gives its new number; the first one sets when it expires."""
        ...

    async def delete(self, key: str) -> None:
        """Removes the key, where it exists."""
        ...

    async def close(self) -> None:
        """Gives back connections."""
        ...


class InProcess:
    """The twin: for a single process. Holds `max_entries` at most and drops the least recently written first."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._entries: OrderedDict[str, tuple[bytes | int, float]] = OrderedDict()
        self._max_entries = max_entries
        self._monotonic = monotonic

    async def get(self, key: str) -> bytes | None:
        """See `KeyValue.get`."""
        found = self._live(key)
        if found is None:
            return None
        return str(found[0]).encode() if isinstance(found[0], int) else found[0]

    async def set(self, key: str, value: bytes, *, ttl_s: int) -> None:
        """See `KeyValue.set`."""
        self._store(key, value, self._monotonic() + ttl_s)

    async def incr(self, key: str, *, ttl_s: int) -> int:
        """See `KeyValue.incr`."""
        found = self._live(key)
        number, until = (1, self._monotonic() + ttl_s) if found is None else (int(found[0]) + 1, found[1])
        self._store(key, number, until)
        return number

    async def delete(self, key: str) -> None:
        """See `KeyValue.delete`."""
        self._entries.pop(key, None)

    async def close(self) -> None:
        """See `KeyValue.close`."""
        self._entries.clear()

    def _live(self, key: str) -> tuple[bytes | int, float] | None:
        found = self._entries.get(key)
        if found is not None and found[1] <= self._monotonic():
            del self._entries[key]
            return None
        return found

    def _store(self, key: str, value: bytes | int, until: float) -> None:
        self._entries[key] = (value, until)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)


# The first increment alone sets the time to live, in one step, so that a crash cannot leave a counter for ever.
_INCR = "local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n"


class RedisStore:
    """Redis with short timeouts and one retry: a dead one costs 0.6 s a call at most, not the default's 3.5 s."""

    def __init__(self, url: str) -> None:
        # Redis costs 90 ms to import and most small deployments have none.
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
            protocol=3,
        )

    async def get(self, key: str) -> bytes | None:
        """See `KeyValue.get`."""
        value = await _answered(self._redis.get(_PREFIX + key))
        return value.encode() if isinstance(value, str) else value

    async def set(self, key: str, value: bytes, *, ttl_s: int) -> None:
        """See `KeyValue.set`."""
        await _answered(self._redis.set(_PREFIX + key, value, ex=ttl_s))

    async def incr(self, key: str, *, ttl_s: int) -> int:
        """See `KeyValue.incr`."""
        return int(str(await _answered(self._redis.eval(_INCR, 1, _PREFIX + key, str(ttl_s)))))

    async def delete(self, key: str) -> None:
        """See `KeyValue.delete`."""
        await _answered(self._redis.delete(_PREFIX + key))

    async def ping(self) -> None:
        """Returns when Redis answers."""
        await _answered(self._redis.ping())

    async def close(self) -> None:
        """See `KeyValue.close`."""
        await self._redis.aclose()


async def _answered(call: Awaitable[Result]) -> Result:
    from redis.exceptions import RedisError

    try:
        return await call
    except (RedisError, OSError, TimeoutError) as failure:
        raise CacheUnavailable(type(failure).__name__) from failure
