"""Where an event waits for the few milliseconds until it is on the disk: bounded, and quick enough for any request."""

from collections import deque
from dataclasses import dataclass
from threading import Lock

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
        self._lock = Lock()
        self._low: deque[bytes] = deque()
        self._raised: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._low) + len(self._raised)

    def put(self, lane: Lane, payload: bytes) -> None:
        """Adds one event; never waits for more than another thread's `put` or `take`."""
        with self._lock:
            (self._low if lane is Lane.LOW else self._raised).append(payload)
            self._bytes += len(payload)
            while len(self._low) + len(self._raised) > self._max_events or self._bytes > self._max_bytes:
                self._bytes -= len((self._low or self._raised).popleft())
                self._dropped += 1

    def take(self) -> Taken:
        """Everything, oldest first within a lane; the buffer is empty afterwards."""
        with self._lock:
            taken = Taken({Lane.RAISED: list(self._raised), Lane.LOW: list(self._low)}, self._dropped)
            self._low.clear()
            self._raised.clear()
            self._bytes = self._dropped = 0
            return taken
