"""Events that wait for the server: on disk, bounded, and found again after a crash.

`spool_folder` tells how processes share a folder, `spool_segment` and `spool_frames` how events lie in it. A write
here survives the death of the process; the last seconds before a power cut may not survive that.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import RLock

from ostiary.spool_folder import LOSSES, ProcessFolder
from ostiary.spool_losses import LossCount
from ostiary.spool_segment import FileSegment, HeldSegment, Lane, Segment, segment_name

# Room is made by whole segments: one of them must be a small part of what waits.
_SEGMENTS_AT_LEAST = 8

logger = logging.getLogger("ostiary")


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Bytes on disk, bytes in memory where the disk fails, and what one segment may hold."""

    max_bytes: int
    max_held_bytes: int
    max_segment_events: int
    max_segment_bytes: int


class Spool:
    """Two queues of segments, RAISED before LOW. Safe between threads; nothing here raises for the disk's trouble.

    `root` is the folder that processes share, None to keep everything in memory. Where there is no room the oldest
    LOW segment goes first, and one of the others only for one of the others. Both are counted in `losses`.
    """

    def __init__(self, root: Path | None, limits: SpoolLimits, *, now: Callable[[], str]) -> None:
        self._root, self._limits = root, limits
        self._lock = RLock()
        self._lanes: dict[Lane, deque[Segment]] = {lane: deque() for lane in Lane}
        self._open: dict[Lane, Segment] = {}
        self._busy: Segment | None = None
        self._aside: list[Segment] = []
        self._folder: ProcessFolder | None = None
        self._numbers = count()
        self._is_failing = False
        self.losses = LossCount(now)
        self.last_error = ""

    def __len__(self) -> int:
        with self._lock:
            return sum(segment.count for segment in self._segments())

    @property
    def size(self) -> int:
        """Bytes that wait."""
        with self._lock:
            return sum(segment.size for segment in self._segments())

    @property
    def has_full_segment(self) -> bool:
        """True when something waits that will not grow any more."""
        with self._lock:
            return any(segment is not self._open.get(segment.lane) for segment in self._ready())

    def open(self) -> None:
        """Makes this process's folder, once, and takes over what processes left that have died since.

        Theirs is older than ours and is sent first. To be called again now and then.
        """
        if self._root is None:
            return
        try:
            if self._folder is None:
                self._folder = ProcessFolder.create(self._root)
                self.losses.keep_in(self._folder.path / LOSSES)
            for orphan in self._folder.adopt():
                for path in reversed(orphan.segments()):
                    self._take_over(path, self._folder.path)
                self.losses.take_over(orphan.losses)
        except OSError as error:
            self._note_failure(error)
        with self._lock:
            self._make_room(Lane.RAISED, 0, held=False)

    def append(self, lane: Lane, payloads: Sequence[bytes]) -> None:
        """Takes events in; afterwards they are on disk, or in memory where the disk refuses, or counted as lost."""
        with self._lock:
            for part in self._parts(lane, payloads):
                self._append_part(lane, part)

    def take(self) -> Segment | None:
        """The segment to send next, sealed and still here until `settle`; None where nothing waits, or only aside."""
        with self._lock:
            self._busy = next((segment for segment in self._ready() if segment.count), None)
            if self._busy is not None:
                self._seal(self._busy)
            return self._busy

    def settle(self, segment: Segment) -> None:
        """The segment's events are the server's now, or nobody's: it is removed."""
        with self._lock:
            self._busy = None
            self._remove(segment)

    def set_aside(self, segment: Segment, payloads: Sequence[bytes]) -> Segment:
        """Of the segment under way these events are left and let others pass; the segment that they are now in.

        They count and make room as before, and wait for `take_again`.
        """
        with self._lock:
            self._busy = None
            left = segment if len(payloads) == segment.count else self._rewrite(segment, payloads)
            self._aside.append(left)
            return left

    def take_again(self, segment: Segment) -> bool:
        """The segment is under way again, until `settle`; False where it had to make room meanwhile."""
        with self._lock:
            if segment not in self._aside:
                return False
            self._aside.remove(segment)
            self._busy = segment
            return True

    def close(self) -> int:
        """Gives the folder up; how many events were in memory alone and are lost with it."""
        with self._lock:
            for segment in list(self._open.values()):
                self._seal(segment)
            for segment in [each for each in self._segments() if not each.count]:
                self._remove(segment)
            held = sum(segment.count for segment in self._segments() if isinstance(segment, HeldSegment))
            if self._folder is not None:
                self._folder.close()
            return held

    def leave(self) -> None:
        """In a forked child: closes the handles that it inherited; files and lock stay the parent's."""
        for segment in self._open.values():
            segment.seal()
        if self._folder is not None:
            self._folder.leave()

    def _segments(self) -> Iterable[Segment]:
        return (segment for lane in Lane for segment in self._lanes[lane])

    def _ready(self) -> Iterable[Segment]:
        return (segment for segment in self._segments() if segment not in self._aside)

    def _rewrite(self, segment: Segment, payloads: Sequence[bytes]) -> Segment:
        """A new segment in the place of one of which only these events are left."""
        left: Segment = HeldSegment(segment.lane)
        try:
            if isinstance(segment, FileSegment):
                name = segment_name(segment.lane, next(self._numbers))
                left = FileSegment.create(segment.path.with_name(name), segment.lane)
            left.append(payloads)
            left.seal()
        except OSError as error:
            # All of it is sent again then; the server knows by the ids what it has.
            self._note_failure(error)
            self._remove(left)
            return segment
        lane = self._lanes[segment.lane]
        lane[lane.index(segment)] = left
        self._remove(segment)
        return left

    def _parts(self, lane: Lane, payloads: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
        """The events in pieces that each fit into the lane's segment of that moment."""
        start = 0
        while start < len(payloads):
            events, room = self._room_in(lane)
            end = start
            while end < len(payloads) and end - start < events and len(payloads[end]) <= room:
                room -= len(payloads[end])
                end += 1
            if end == start and lane in self._open:
                self._seal(self._open[lane])
                continue
            # One event that is larger than a segment should be still has to go somewhere.
            end = max(end, start + 1)
            yield payloads[start:end]
            start = end

    def _room_in(self, lane: Lane) -> tuple[int, int]:
        limits, segment = self._limits, self._open.get(lane)
        largest = min(limits.max_segment_bytes, limits.max_bytes // _SEGMENTS_AT_LEAST)
        if segment is None:
            return limits.max_segment_events, largest
        return limits.max_segment_events - segment.count, largest - segment.size

    def _append_part(self, lane: Lane, part: Sequence[bytes]) -> None:
        segment = self._find_segment(lane, sum(map(len, part)))
        if segment is None:
            self.losses.add(len(part))
            return
        try:
            segment.append(part)
        except OSError as error:
            self._note_failure(error)
            self._end(segment)
            self._hold(lane, part)

    def _hold(self, lane: Lane, part: Sequence[bytes]) -> None:
        """Keeps in memory what the disk did not take."""
        if not self._make_room(lane, sum(map(len, part)), held=True):
            self.losses.add(len(part))
            return
        segment = HeldSegment(lane)
        segment.append(part)
        self._open[lane] = segment
        self._lanes[lane].append(segment)

    def _find_segment(self, lane: Lane, size: int) -> Segment | None:
        """The lane's open segment with room made for so many bytes, or None where there cannot be any."""
        segment = self._open.get(lane) or self._begin(lane)
        if isinstance(segment, HeldSegment) and self._overflows(size, held=True):
            # Memory is full; perhaps the disk takes something again.
            self._end(segment)
            segment = self._begin(lane)
        if self._make_room(lane, size, held=isinstance(segment, HeldSegment)):
            # The room may have been that of the open segment itself.
            return self._open.get(lane) or self._begin(lane)
        self._end(segment)
        return None

    def _end(self, segment: Segment) -> None:
        """Nothing more comes into it; an empty one goes away."""
        self._seal(segment)
        if not segment.count:
            self._remove(segment)

    def _begin(self, lane: Lane) -> Segment:
        segment: Segment = HeldSegment(lane)
        if self._folder is not None:
            try:
                segment = FileSegment.create(self._folder.path / segment_name(lane, next(self._numbers)), lane)
                self._is_failing, self.last_error = False, ""
            except OSError as error:
                self._note_failure(error)
        self._open[lane] = segment
        self._lanes[lane].append(segment)
        return segment

    def _make_room(self, lane: Lane, size: int, *, held: bool) -> bool:
        """Drops what must go first until `size` more bytes fit; False where they are what must go."""
        while self._overflows(size, held=held):
            victim = self._find_victim(lane, held=held)
            if victim is None:
                return False
            self.losses.add(victim.count)
            self._remove(victim)
        return True

    def _overflows(self, size: int, *, held: bool) -> bool:
        if self.size + size > self._limits.max_bytes:
            return True
        in_memory = sum(each.size for each in self._segments() if isinstance(each, HeldSegment))
        return held and in_memory + size > self._limits.max_held_bytes

    def _find_victim(self, lane: Lane, *, held: bool) -> Segment | None:
        lanes = (Lane.LOW,) if lane is Lane.LOW else (Lane.LOW, Lane.RAISED)
        for segment in (each for candidate in lanes for each in self._lanes[candidate]):
            fits = not held or isinstance(segment, HeldSegment)
            if fits and segment.count and segment is not self._busy:
                return segment
        return None

    def _seal(self, segment: Segment) -> None:
        segment.seal()
        if self._open.get(segment.lane) is segment:
            del self._open[segment.lane]

    def _remove(self, segment: Segment) -> None:
        self._seal(segment)
        for known in (self._lanes[segment.lane], self._aside):
            if segment in known:
                known.remove(segment)
        try:
            segment.delete()
        except OSError as error:
            self._note_failure(error)

    def _take_over(self, path: Path, folder: Path) -> None:
        """Moves a file of events to us and before everything that waits; what cannot be moved stays for later."""
        try:
            found = FileSegment.load(path)
            if found is not None:
                found.path = path.rename(folder / segment_name(found.lane, next(self._numbers)))
        except OSError as error:
            self._note_failure(error)
            return
        if found is not None:
            with self._lock:
                self._lanes[found.lane].appendleft(found)

    def _note_failure(self, error: OSError) -> None:
        """Logged once until a write succeeds again; the text of an OSError names files, never events."""
        self.last_error = f"spool: {error}"[:200]
        if not self._is_failing:
            self._is_failing = True
            logger.error("audit events cannot be written to the spool and stay in memory: %s", error)
