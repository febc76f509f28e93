"""Work that a process does one at a time, with a short line before it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.api.problems import Problem

_RETRY_AFTER_S = 15


class Turns:
    """One at a time; at most `most_waiting` wait, and nobody longer than `patience_s`: then 503 with Retry-After."""

    def __init__(self, *, most_waiting: int, patience_s: float) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._most_waiting = most_waiting
        self._patience_s = patience_s

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Holds the turn; raises Problem."""
        if self._turn.locked() and self._waiting >= self._most_waiting:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await self._turn.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()


def _busy() -> Problem:
    detail = "another report is being written: try again later"
    return Problem(503, detail, headers={"Retry-After": str(_RETRY_AFTER_S)})
