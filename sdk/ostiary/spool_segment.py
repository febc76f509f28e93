"""A segment: events that travel together, in a file or, where there is no disk to write to, in memory.

A segment is appended to until it is sealed, and is sent only then. So what is sent again after a crash is the same
bytes as before.
"""

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ostiary.spool_frames import Unpacked, pack, unpack

SUFFIX = ".seg"


class Lane(StrEnum):
    """Which queue an event waits in: MEDIUM and HIGH are sent first and dropped last."""

    RAISED = "raised"
    LOW = "low"


class Segment(Protocol):
    """Events of one lane; `count` of them, in `size` bytes."""

    lane: Lane
    count: int
    size: int

    def append(self, payloads: Sequence[bytes]) -> None:
        """Adds events, all or none; OSError where they cannot be written."""

    def seal(self) -> None:
        """Nothing is appended from now on."""

    def read(self) -> Unpacked:
        """The events; OSError where the file cannot be read."""

    def delete(self) -> None:
        """Forgets the events."""


class HeldSegment:
    """A segment in memory."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self.count, self.size = lane, 0, 0
        self._payloads: list[bytes] = []

    def append(self, payloads: Sequence[bytes]) -> None:
        """Adds events."""
        self._payloads += payloads
        self.count += len(payloads)
        self.size += sum(map(len, payloads))

    def seal(self) -> None:
        """Nothing to close."""

    def read(self) -> Unpacked:
        """The events."""
        return Unpacked(list(self._payloads), 0)

    def delete(self) -> None:
        """Forgets the events."""
        self._payloads.clear()


class FileSegment:
    """A segment in a file of its own, readable by its owner alone."""

    def __init__(self, path: Path, lane: Lane) -> None:
        self.path, self.lane, self.count, self.size = path, lane, 0, 0
        self._file: int | None = None

    @classmethod
    def create(cls, path: Path, lane: Lane) -> "FileSegment":
        """A new, empty one; OSError where the folder cannot be written."""
        made = cls(path, lane)
        made._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        return made

    @classmethod
    def load(cls, path: Path) -> "FileSegment | None":
        """One that a process left behind, sealed; None where the file is no segment. OSError where it is unreadable."""
        lane = find_lane(path)
        if lane is None:
            return None
        found = cls(path, lane)
        data = path.read_bytes()
        found.count, found.size = len(unpack(data).payloads), len(data)
        return found

    def append(self, payloads: Sequence[bytes]) -> None:
        """Adds events, all or none; OSError where they cannot be written."""
        if self._file is None:
            raise OSError("the segment is sealed")
        data = pack(payloads)
        try:
            _write_whole(self._file, data)
        except OSError:
            # Half of it may lie there (the disk is full): what is kept elsewhere must not be found here too.
            os.ftruncate(self._file, self.size)
            raise
        self.count += len(payloads)
        self.size += len(data)

    def seal(self) -> None:
        """Closes the file; nothing is appended from now on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read(self) -> Unpacked:
        """The events; OSError where the file cannot be read."""
        return unpack(self.path.read_bytes())

    def delete(self) -> None:
        """Removes the file; one that is gone already is no fault."""
        self.seal()
        self.path.unlink(missing_ok=True)


def segment_name(lane: Lane, number: int) -> str:
    """A file name that sorts by age within a lane."""
    return f"{lane}-{number:010d}{SUFFIX}"


def find_lane(path: Path) -> Lane | None:
    """The lane that a file name tells, or None."""
    name = path.name.partition("-")[0]
    return Lane(name) if path.suffix == SUFFIX and name in list(Lane) else None


def _write_whole(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
