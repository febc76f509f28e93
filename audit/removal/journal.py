"""The journal of erasures: a file outside the database, so that a restored backup brings no erased person back.

A line of JSON for each destroyed key, on the disk before the database commits. Lines are only ever added. A line whose
commit then failed does no harm: whoever wanted the erasure tries again until it is done.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from base.clock import from_micros, to_micros
from base.errors import StorageUnavailable

VERSION = 1
# The caller's transaction is open meanwhile, and on SQLite every other writer waits for it: less than they would.
LOCK_TIMEOUT_S, _LOCK_PAUSE_S = 1.0, 0.002


class JournalUnwritable(StorageUnavailable):
    """The journal cannot be written, so nobody may be erased now: nothing was done, and it is safe to try again."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """That the key of a subject was destroyed then."""

    subject_id: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal says: each erased subject once, in order, and the numbers of the lines that say nothing."""

    erasures: tuple[Erasure, ...] = ()
    unreadable: tuple[int, ...] = ()


class _Line(msgspec.Struct):
    v: int
    erased: str
    at: int


_LINE = msgspec.json.Decoder(_Line)


def write_erasure(path: Path, erasure: Erasure) -> None:
    """Adds an erasure and waits for the disk; raises JournalUnwritable."""
    _append(path, _Line(VERSION, erasure.subject_id.hex(), to_micros(erasure.at)))


def read_journal(path: Path) -> Journal:
    """What the journal at `path` says; an empty one where there is no file. Raises OSError.

    A write that was cut off leaves a torn line. What it was to say was not done, so it is passed over and numbered.
    """
    found: dict[bytes, Erasure] = {}
    unreadable = []
    with suppress(FileNotFoundError), path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                erasure = _parse(raw)
            except (ValueError, OverflowError):
                unreadable.append(number)
            else:
                # An earlier line is of a commit that failed: the person lived on until the later one.
                found[erasure.subject_id] = erasure
    return Journal(tuple(found.values()), tuple(unreadable))


def _parse(raw: bytes) -> Erasure:
    line = _LINE.decode(raw)
    if line.v != VERSION:
        raise ValueError("a line of another version")
    return Erasure(bytes.fromhex(line.erased), from_micros(line.at))


def _append(path: Path, line: _Line) -> None:
    try:
        with _opened(path) as file:
            _add(file, msgspec.json.encode(line) + b"\n")
    except OSError as failure:
        raise JournalUnwritable(f"the journal of erasures cannot be written: {failure.strerror}") from None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file, made where it is missing, and locked: another process of this host waits for its turn, not for ever."""
    is_new = not path.exists()
    if is_new:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(file)
        if is_new:
            sync_folder(path.parent)
        yield file
    finally:
        os.close(file)


def _lock(file: int) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError(None, f"another process has kept it locked for {LOCK_TIMEOUT_S:g} s") from None
            time.sleep(_LOCK_PAUSE_S)
        else:
            return


def _add(file: int, line: bytes) -> None:
    size = os.fstat(file).st_size
    # What follows a torn line must not become part of it.
    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
    whole = b"\n" + line if torn else line
    try:
        if os.write(file, whole) != len(whole):
            raise OSError(None, "the disk took a part of the line only")
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


def sync_folder(folder: Path) -> None:
    """Waits until the folder itself, with a new file's name in it, is on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
