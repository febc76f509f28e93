"""The cache's contract, on Redis and on its twin; and what each of them does alone."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest

from base.cache import CacheUnavailable, InProcess, KeyValue, RedisStore
from tests.services import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["redis", "in process"])
async def store(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[KeyValue]:
    """Each store in turn, empty."""
    made: KeyValue = RedisStore(redis_url) if request.param == "redis" else InProcess()
    yield made
    await made.close()


async def test_a_value_comes_back_as_it_was_stored(store: KeyValue) -> None:
    await store.set("k", b"\x00\xff bytes", ttl_s=60)
    assert await store.get("k") == b"\x00\xff bytes"


async def test_a_key_that_was_never_stored_is_none(store: KeyValue) -> None:
    assert await store.get("never") is None


async def test_a_later_value_replaces_an_earlier_one(store: KeyValue) -> None:
    await store.set("k", b"one", ttl_s=60)
    await store.set("k", b"two", ttl_s=60)
    assert await store.get("k") == b"two"


async def test_a_deleted_key_is_gone_and_may_be_deleted_again(store: KeyValue) -> None:
    await store.set("k", b"one", ttl_s=60)
    await store.delete("k")
    await store.delete("k")
    assert await store.get("k") is None


async def test_fifty_increments_at_once_count_to_fifty(store: KeyValue) -> None:
    numbers = await asyncio.gather(*(store.incr("n", ttl_s=60) for _ in range(50)))
    assert sorted(numbers) == list(range(1, 51))
    assert await store.get("n") == b"50"


async def test_a_value_and_a_counter_end_with_their_time(store: KeyValue) -> None:
    await store.set("k", b"one", ttl_s=1)
    await store.incr("n", ttl_s=1)
    # A later increment does not prolong the counter's life.
    await asyncio.sleep(0.6)
    await store.incr("n", ttl_s=1)
    await asyncio.sleep(0.6)
    assert await store.get("k") is None
    assert await store.incr("n", ttl_s=1) == 1


async def test_the_twin_is_bounded_and_drops_what_was_written_longest_ago() -> None:
    store = InProcess(max_entries=3)
    for name in "abcd":
        await store.set(name, name.encode(), ttl_s=60)
    assert [await store.get(name) for name in "abcd"] == [None, b"b", b"c", b"d"]


async def test_a_redis_that_refuses_is_told_as_unavailable() -> None:
    store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(CacheUnavailable, match="ConnectionError"):
        await store.get("k")
    with pytest.raises(CacheUnavailable):
        await store.incr("k", ttl_s=5)
    await store.close()


async def test_a_redis_that_never_answers_costs_less_than_a_second() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = RedisStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        with pytest.raises(CacheUnavailable, match="Timeout"):
            await store.get("k")
        assert time.monotonic() - began < 1.5
        await store.close()
