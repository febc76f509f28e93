"""Grouping: every caller gets its own result, a bad item harms no neighbour, nobody hangs."""

import asyncio
from collections.abc import Sequence

import pytest

from base.errors import StorageContended, StorageUnavailable
from base.group import MAX_GROUP, MAX_WAITING, Group

pytestmark = pytest.mark.anyio


class Recorder:
    """Doubles numbers and remembers in which groups they came; some numbers fail."""

    def __init__(self, failures: dict[int, Exception] | None = None) -> None:
        self.groups: list[list[int]] = []
        self.failures = failures or {}
        self.alone: set[int] = set()

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(items))
        await asyncio.sleep(0)
        for item in items:
            if item in self.failures and (len(items) > 1 or item not in self.alone):
                raise self.failures[item]
        return [item * 2 for item in items]


async def test_what_arrives_together_is_carried_out_together_and_each_gets_its_own_result() -> None:
    run = Recorder()
    group = Group(run)
    assert await asyncio.gather(*(group.submit(number) for number in range(50))) == [n * 2 for n in range(50)]
    assert run.groups == [list(range(50))]


async def test_a_group_has_a_largest_size() -> None:
    run = Recorder()
    group = Group(run)
    await asyncio.gather(*(group.submit(number) for number in range(MAX_GROUP + 1)))
    assert [len(numbers) for numbers in run.groups] == [MAX_GROUP, 1]


async def test_a_bad_item_harms_no_neighbour() -> None:
    group = Group(Recorder({3: ValueError("bad")}))
    results = await asyncio.gather(*(group.submit(number) for number in range(5)), return_exceptions=True)
    assert [results[n] for n in (0, 1, 2, 4)] == [0, 2, 4, 8]
    assert isinstance(results[3], ValueError)


async def test_where_storage_fails_all_of_the_group_fails_and_nothing_is_tried_again() -> None:
    run = Recorder({3: StorageUnavailable("gone")})
    group = Group(run)
    results = await asyncio.gather(*(group.submit(number) for number in range(5)), return_exceptions=True)
    assert all(isinstance(result, StorageUnavailable) for result in results)
    assert len(run.groups) == 1


async def test_a_group_that_lost_a_race_for_rows_is_tried_again_one_by_one() -> None:
    run = Recorder({3: StorageContended("deadlock")})
    run.alone = {3}
    group = Group(run)
    assert await asyncio.gather(*(group.submit(number) for number in range(5))) == [0, 2, 4, 6, 8]


async def test_a_caller_that_goes_away_changes_nothing_for_the_others() -> None:
    group = Group(Recorder())
    leaving = asyncio.create_task(group.submit(1))
    staying = asyncio.create_task(group.submit(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 4
    assert leaving.cancelled()


async def test_too_many_waiting_are_refused_at_once() -> None:
    blocked = asyncio.Event()

    async def run(items: Sequence[int]) -> Sequence[int]:
        await blocked.wait()
        return items

    group = Group(run)
    under_way = [asyncio.create_task(group.submit(number)) for number in range(MAX_GROUP)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(group.submit(number)) for number in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(StorageUnavailable, match="too many statements are waiting"):
        await group.submit(0)
    blocked.set()
    assert len(await asyncio.gather(*under_way, *waiting)) == MAX_GROUP + MAX_WAITING


async def test_whoever_waits_when_the_server_stops_is_told() -> None:
    async def run(items: Sequence[int]) -> Sequence[int]:
        await asyncio.Event().wait()
        return items

    group = Group(run)
    waiting = asyncio.create_task(group.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    [drain] = [task for task in asyncio.all_tasks() if "_drain" in repr(task)]
    later = asyncio.create_task(group.submit(2))
    await asyncio.sleep(0)
    drain.cancel()
    for task in (waiting, later):
        with pytest.raises(StorageUnavailable, match="stopping"):
            await task
