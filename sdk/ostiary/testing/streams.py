"""A body that comes as things happen: to a blocking client in its thread, or to an async one in its loop."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from threading import Condition

from ostiary.testing.answering import ConnectionCut


@dataclass
class Gate:
    """What stands in the way of all streams of one feed."""

    is_held: bool = False
    delay_s: float = 0
    piece_bytes: int | None = None


class FakeStream:
    """One open answer. `push` may come from any thread; `on_idle` is asked for something to say each `idle_s`.

    `epoch` and `seq` say up to where it was told, `later` are the lines that were kept back; it ends with the first
    news where it `ends_with_news`, and at `ends_at` (seconds since 1970) at the latest.
    """

    def __init__(
        self, gate: Gate, *, epoch: str, seq: int, idle_s: float | None, on_idle: Callable[["FakeStream"], None]
    ) -> None:
        self.epoch = epoch
        self.seq = seq
        self.later: list[bytes] = []
        self.is_closed = False
        self.ends_with_news = False
        self.ends_at = inf
        self._gate = gate
        self._idle_s = idle_s
        self._on_idle = on_idle
        self._frames: deque[bytes] = deque()
        self._word = Condition()
        self._wake_loop: Callable[[], None] = lambda: None
        self._is_over = self._is_cut = self._is_cut_next = False

    def push(self, frame: bytes, *, is_last: bool = False, cuts: bool = False) -> None:
        """Deliver this next; with `is_last` the answer ends behind it, with `cuts` the connection breaks there."""
        with self._word:
            if self._is_over or self._is_cut_next:
                return
            self._frames.append(frame)
            self._is_over, self._is_cut_next = is_last, cuts
        self.wake()

    def cut(self) -> None:
        """Break the connection off at once; what was not delivered yet is lost."""
        self._is_cut = True
        self.wake()

    def close(self) -> None:
        """The reader has left."""
        self.is_closed = True
        self.wake()

    def wake(self) -> None:
        """Let the reader look again."""
        with self._word:
            self._word.notify_all()
        self._wake_loop()

    def __iter__(self) -> Iterator[bytes]:
        while not self._ends():
            frame = self._find_frame()
            if frame is not None:
                time.sleep(self._gate.delay_s)
                yield from self._pieces(frame)
                continue
            with self._word:
                was_told = self._word.wait_for(self._has_news, self._idle_s)
            if not was_told:
                self._on_idle(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop, word = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(word.set)

        self._wake_loop = wake
        while not self._ends():
            word.clear()
            frame = self._find_frame()
            if frame is not None:
                await asyncio.sleep(self._gate.delay_s)
                for piece in self._pieces(frame):
                    yield piece
                continue
            try:
                async with asyncio.timeout(self._idle_s):
                    await word.wait()
            except TimeoutError:
                self._on_idle(self)

    def _ends(self) -> bool:
        """Whether nothing more will come. Raises ConnectionCut where it was broken off."""
        is_empty = not self._frames
        if self._is_cut or (self._is_cut_next and is_empty):
            raise ConnectionCut("the fake feed cut the connection")
        return self.is_closed or (self._is_over and is_empty)

    def _has_news(self) -> bool:
        return self.is_closed or self._is_cut or (bool(self._frames) and not self._gate.is_held)

    def _find_frame(self) -> bytes | None:
        with self._word:
            return self._frames.popleft() if self._frames and not self._gate.is_held else None

    def _pieces(self, frame: bytes) -> Iterator[bytes]:
        size = self._gate.piece_bytes or max(1, len(frame))
        for start in range(0, len(frame), size):
            yield frame[start : start + size]
