"""Many callers, one round trip: collects what arrives while the previous group is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from base.errors import StorageUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WAITING = 4096
MAX_GROUP = 256


class Group(Generic[Item, Result]):
    """Hands items to `run` in groups; each caller waits for its own result.

    `run` gives one result or exception an item. Order within a group is the order of arrival.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | BaseException]]]) -> None:
        self._run = run
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """The result for this item, after the group it travelled in was carried out."""
        if len(self._waiting) >= MAX_WAITING:
            raise StorageUnavailable("too many writes are waiting for the database")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                await self._carry_out(group)
        finally:
            self._task = None

    async def _carry_out(self, group: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        results: Sequence[Result | BaseException]
        try:
            results = await self._run([item for item, _ in group])
        except BaseException as failure:  # noqa: BLE001 - every caller learns of it, none hangs
            results = [failure] * len(group)
        for (_, future), result in zip(group, results, strict=True):
            if future.done():
                continue
            if isinstance(result, asyncio.CancelledError):
                future.cancel()
            elif isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        if any(isinstance(result, asyncio.CancelledError) for result in results):
            raise asyncio.CancelledError

    async def idle(self) -> None:
        """Returns when nothing is waiting or under way."""
        while self._task is not None:
            await asyncio.wait([self._task])
