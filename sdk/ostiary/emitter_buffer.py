"""Where an event waits for the few milliseconds until it is on the disk: bounded, and quick enough for any request."""

from collections import deque
from dataclasses import dataclass
from threading import RLock

from ostiary.spool_segment import Lane


@dataclass(frozen=True, slots=True)
class Taken:
    """What left the buffer at once: the events by lane, and how many had been dropped since the last time."""

    lanes: dict[Lane, list[bytes]]
    dropped: int


class EventBuffer:
    """Events in memory, at most `max_events` and `max_bytes` of them. Safe between threads.

    Where it is full the oldest LOW event makes room, and an older one of the rest only when there is no LOW one.
    """

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events, self._max_bytes = max_events, max_bytes
        # A signal's handler may emit while its own thread is in here: it gets the lock again, leaves its event among
        # those that have arrived, and the work that it interrupted goes on as it was.
        self._lock = RLock()
        self._is_sorting = False
        self._arrived: deque[tuple[Lane, bytes]] = deque()
        self._low: deque[bytes] = deque()
        self._raised: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._arrived) + len(self._low) + len(self._raised)

    def put(self, lane: Lane, payload: bytes) -> None:
        """Adds one event; never waits for more than another thread's `put` or `take`."""
        self._arrived.append((lane, payload))
        with self._lock:
            self._sort()

    def take(self) -> Taken:
        """Everything, oldest first within a lane; the buffer is empty afterwards."""
        with self._lock:
            self._sort()
            self._is_sorting = True
            try:
                taken = Taken({Lane.RAISED: list(self._raised), Lane.LOW: list(self._low)}, self._dropped)
                self._low.clear()
                self._raised.clear()
                self._bytes = self._dropped = 0
            finally:
                self._is_sorting = False
            return taken

    def _sort(self) -> None:
        """Moves what has arrived to its lane and makes room there; with the lock, and not within itself."""
        if self._is_sorting:
            return
        self._is_sorting = True
        try:
            while self._arrived:
                self._add(*self._arrived.popleft())
        finally:
            self._is_sorting = False

    def _add(self, lane: Lane, payload: bytes) -> None:
        (self._low if lane is Lane.LOW else self._raised).append(payload)
        self._bytes += len(payload)
        while len(self._low) + len(self._raised) > self._max_events or self._bytes > self._max_bytes:
            self._bytes -= len((self._low or self._raised).popleft())
            self._dropped += 1
