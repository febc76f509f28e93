"""Rate limits: the rule as a table, and the limiter on both stores and without its Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.cache import CacheUnavailable, InProcess, KeyValue, RedisStore
from base.rates import RateLimiter
from ostiary.rates import judge

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("previous", "current", "elapsed_s", "allowed", "retry_after_s"),
    [
        (0, 1, 0, True, 0),
        (0, 10, 59, True, 0),
        (0, 11, 0, False, 66),
        (0, 11, 45, False, 21),
        (10, 1, 0, False, 12),
        (10, 1, 30, True, 0),
        (10, 6, 30, False, 12),
        (10_000, 1, 30, True, 0),
    ],
)
def test_a_window_fades_as_the_next_one_goes_on(
    previous: int, current: int, elapsed_s: float, allowed: bool, retry_after_s: int
) -> None:
    verdict = judge(previous=previous, current=current, limit=10, window_s=60, elapsed_s=elapsed_s)
    assert (verdict.allowed, verdict.retry_after_s) == (allowed, retry_after_s)


@given(
    previous=st.integers(0, 1000),
    current=st.integers(1, 1000),
    limit=st.integers(1, 500),
    elapsed_s=st.floats(0, 59.999),
)
def test_a_verdict_never_allows_more_than_the_limit_and_always_says_when_to_return(
    previous: int, current: int, limit: int, elapsed_s: float
) -> None:
    verdict = judge(previous=previous, current=current, limit=limit, window_s=60, elapsed_s=elapsed_s)
    if current > limit:
        assert not verdict.allowed
    if verdict.allowed:
        assert verdict.retry_after_s == 0
        assert 0 <= verdict.remaining <= limit - current
    else:
        assert 1 <= verdict.retry_after_s <= 120
        assert verdict.remaining == 0


@pytest.fixture(params=["redis", "in process"])
async def store(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[KeyValue]:
    """Each store in turn, empty."""
    made: KeyValue = RedisStore(redis_url) if request.param == "redis" else InProcess()
    yield made
    await made.close()


@pytest.mark.anyio
async def test_exactly_the_limit_passes_when_all_come_at_once(store: KeyValue) -> None:
    limiter = RateLimiter(store)
    verdicts = await asyncio.gather(*(limiter.hit("a", limit=5, window_s=60, now=NOON) for _ in range(20)))
    assert sum(verdict.allowed for verdict in verdicts) == 5
    assert (await limiter.hit("b", limit=5, window_s=60, now=NOON)).allowed, "another key has its own count"


@pytest.mark.anyio
async def test_waiting_as_long_as_told_opens_the_door_again(store: KeyValue) -> None:
    limiter = RateLimiter(store)
    for _ in range(5):
        await limiter.hit("a", limit=5, window_s=60, now=NOON)
    refused = await limiter.hit("a", limit=5, window_s=60, now=NOON)
    assert not refused.allowed
    later = NOON + timedelta(seconds=refused.retry_after_s)
    assert (await limiter.hit("a", limit=5, window_s=60, now=later)).allowed


@given(limit=st.integers(1, 50), previous=st.integers(0, 100), current=st.integers(1, 100), at_s=st.integers(0, 59))
def test_whoever_waits_as_long_as_told_is_let_in(limit: int, previous: int, current: int, at_s: int) -> None:
    told = judge(previous=previous, current=current, limit=limit, window_s=60, elapsed_s=at_s)
    windows, at_s = divmod(at_s + told.retry_after_s, 60)
    counts = [previous, current, 0, 0][windows : windows + 2]
    later = judge(previous=counts[0], current=counts[1] + 1, limit=limit, window_s=60, elapsed_s=at_s)
    assert told.allowed or later.allowed


class _Broken(InProcess):
    """A Redis that is down; counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def incr(self, key: str, *, ttl_s: int) -> int:
        self.asked += 1
        raise CacheUnavailable("down")


@pytest.mark.anyio
async def test_without_its_redis_there_is_still_a_limit() -> None:
    """I6: nothing fails open."""
    limiter = RateLimiter(_Broken())
    verdicts = [await limiter.hit("a", limit=3, window_s=60, now=NOON) for _ in range(10)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 3 + [False] * 7


@pytest.mark.anyio
async def test_a_redis_that_is_down_is_asked_once_a_second() -> None:
    moment = 100.0
    broken = _Broken()
    limiter = RateLimiter(broken, monotonic=lambda: moment)
    for _ in range(10):
        await limiter.hit("a", limit=3, window_s=60, now=NOON)
    assert broken.asked == 1
    moment += 1.0
    await limiter.hit("a", limit=3, window_s=60, now=NOON)
    assert broken.asked == 2
