"""Many callers, one round trip: collects what arrives while the previous group is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from base.errors import StorageContended, StorageUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WAITING = 4096
MAX_GROUP = 256


class Group(Generic[Item, Result]):
    """Hands items to `run` in groups; each caller waits for its own result.

    `run` gives one result an item, in order, or raises and has then changed nothing. A group that fails is carried out
    again one by one, so that a bad item harms no neighbour; where storage itself failed, all of it fails.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._run = run
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """The result for this item, after the group it travelled in was carried out."""
        if len(self._waiting) >= MAX_WAITING:
            raise StorageUnavailable("too many statements are waiting for the database")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def idle(self) -> None:
        """Returns when nothing is waiting or under way."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                await self._carry_out(group)
        except asyncio.CancelledError:
            _fail(self._waiting, StorageUnavailable("the server is stopping"))
            raise
        finally:
            self._task = None

    async def _carry_out(self, group: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._run([item for item, _ in group])
        except asyncio.CancelledError:
            _fail(group, StorageUnavailable("the server is stopping"))
            raise
        except Exception as failure:  # noqa: BLE001 - every caller learns of it, none hangs
            is_lost = isinstance(failure, StorageUnavailable) and not isinstance(failure, StorageContended)
            if is_lost:
                # What waits would only run into the same time limit, one group after the other.
                waiting, self._waiting = self._waiting, []
                _fail([*group, *waiting], failure)
                return
            if len(group) == 1:
                _fail(group, failure)
                return
            for single in group:
                await self._carry_out([single])
            return
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)


def _fail(group: Sequence[tuple[Item, asyncio.Future[Result]]], failure: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(failure)
