"""Archive files: events that retention is about to remove, as lines of JSON, compressed.

A file holds each body byte for byte, and the personal fields as they were: sealed. It holds no keys and no keyed index
values, so that an erasure reaches every copy of it: with the person's key their fields are gone, here as well.
"""

import base64
import gzip
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from audit.removal.journal import sync_folder

FORMAT = "ostiary audit archive 1"
# More than any event has; a damaged file must not fill the memory.
_LONGEST_LINE = 4 * 1024 * 1024


class ArchiveRefused(Exception):
    """An archive file that cannot be written, or that does not hold what it should; the message says which and why."""


class Kept(NamedTuple):
    """What an archive keeps of an event: its number, its canonical bytes, and its sealed personal fields."""

    seq: int
    body: str
    sealed_for: bytes
    sealed: bytes


class _Head(msgspec.Struct):
    format: str
    log: str
    first: int
    last: int


class _Line(msgspec.Struct):
    seq: int
    body: str
    sealed_for: str
    sealed: str


_HEAD, _LINE = msgspec.json.Decoder(_Head), msgspec.json.Decoder(_Line)


def archive_name(first: int, last: int) -> str:
    """The name of the file of these events."""
    return f"events-{first:012d}-{last:012d}.ndjson.gz"


def write_archive(path: Path, kept: Sequence[Kept], *, log: str) -> None:
    """Writes the file, whole or not at all, and waits for the disk; `log` is the log's name. Raises ArchiveRefused."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(part, kept, log)
        part.replace(path)
        sync_folder(path.parent)
    except OSError as failure:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise ArchiveRefused(f"{path.name} cannot be written: {failure.strerror}") from None


def _write(path: Path, kept: Sequence[Kept], log: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
            head = _Head(FORMAT, log, kept[0].seq, kept[-1].seq)
            packed.write(msgspec.json.encode(head) + b"\n")
            for each in kept:
                sealed = base64.b64encode(each.sealed).decode()
                packed.write(msgspec.json.encode(_Line(each.seq, each.body, each.sealed_for.hex(), sealed)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_archive(path: Path) -> Iterator[tuple[int, str]]:
    """The number and the body of each event of an archive file, in order; memory stays flat. Raises ArchiveRefused."""
    for each in read_kept(path):
        yield each.seq, each.body


def read_kept(path: Path) -> Iterator[Kept]:
    """All that an archive file keeps of each event, in order; raises ArchiveRefused, at the latest at the end."""
    try:
        with gzip.open(path, "rb") as packed:
            head = _HEAD.decode(packed.readline(_LONGEST_LINE))
            if head.format != FORMAT:
                raise ArchiveRefused(f"{path.name}: a file of the format '{head.format}', expected '{FORMAT}'")
            expected = head.first
            while raw := packed.readline(_LONGEST_LINE):
                line = _LINE.decode(raw)
                if line.seq != expected:
                    raise ArchiveRefused(f"{path.name}: event {line.seq} stands where event {expected} should")
                yield Kept(line.seq, line.body, bytes.fromhex(line.sealed_for), base64.b64decode(line.sealed))
                expected += 1
    except (OSError, EOFError, ValueError, zlib.error) as failure:
        raise ArchiveRefused(f"{path.name} cannot be read: {failure}") from None
    if expected != head.last + 1:
        raise ArchiveRefused(f"{path.name}: it ends at event {expected - 1}, expected {head.last}")
