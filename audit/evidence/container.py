"""The zip file around an evidence bundle: written a piece at a time, read with a limit on everything.

Reading never unpacks to a path: entries are streams, their names come from a fixed list, and no declared size is
believed beyond what is allowed.
"""

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, BinaryIO

from audit.evidence.manifest import CHECKPOINTS, EVENTS, MANIFEST, NAMES, NOTE, REPORT, EvidenceRefused, FileFacts

PIECE = 256 * 1024
_MIB = 1024 * 1024
# What a file of others may make us read. Events lie in the zip as they are, so that they cannot grow; the rest may be
# compressed, but has its limit.
LIMITS = {NOTE: 64 * 1024, MANIFEST: _MIB, CHECKPOINTS: 16 * _MIB, REPORT: 64 * _MIB}
_REPORT_LIMIT = 256 * _MIB
_END = struct.Struct("<4s4H2LH")
_END64, _LOCATOR = 56, 20
_MOST_DIRECTORY = 64 * 1024


class EvidenceWriter:
    """Writes the zip; keeps the length and digest of every file. The same content and time give the same bytes."""

    def __init__(self, out: BinaryIO, made_at: datetime) -> None:
        self._zip = zipfile.ZipFile(out, "w")
        self._date = made_at.timetuple()[:6]
        self.files: dict[str, FileFacts] = {}

    def put(self, name: str, content: bytes) -> None:
        """A whole file."""
        with self.adding(name) as entry:
            entry.write(content)

    @contextmanager
    def adding(self, name: str) -> Iterator["DigestingFile"]:
        """A file that is written a piece at a time."""
        info = zipfile.ZipInfo(name, (self._date[0], self._date[1], self._date[2], *self._date[3:6]))
        info.external_attr = 0o600 << 16
        info.compress_type = zipfile.ZIP_STORED if name in (EVENTS, "report.csv.zip") else zipfile.ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=name == EVENTS) as raw:
            entry = DigestingFile(raw)
            yield entry
        self.files[name] = FileFacts(bytes=entry.count, sha256=entry.hexdigest())

    def __enter__(self) -> "EvidenceWriter":
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the zip; the stream beneath stays open."""
        self._zip.close()


class DigestingFile:
    """A stream that counts and digests what is written to it."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()
        self.count = 0

    def write(self, data: bytes) -> int:
        """Passes the bytes on."""
        self._digest.update(data)
        self.count += len(data)
        return self._raw.write(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def hexdigest(self) -> str:
        """The SHA-256 so far."""
        return self._digest.hexdigest()


class EvidenceReader:
    """Reads such a zip. Raises EvidenceRefused for whatever is not one: the names, the sizes, a damaged part."""

    def __init__(self, file: BinaryIO) -> None:
        _check_directory(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, struct.error) as fault:
            raise EvidenceRefused(f"this is no whole zip file: {fault}") from None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            self._take(info)
        # Zip forgives what stands before it; whoever opens the file with another program would see that.
        if min((info.header_offset for info in self._entries.values()), default=0):
            raise EvidenceRefused("something stands before the first file")

    @property
    def names(self) -> frozenset[str]:
        """The files that are there."""
        return frozenset(self._entries)

    def size(self, name: str) -> int:
        """The length of a file that is there."""
        return self._entries[name].file_size

    def read(self, name: str) -> bytes:
        """A whole small file; raises EvidenceRefused where it is missing or damaged."""
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """A file a piece at a time; raises EvidenceRefused."""
        if name not in self._entries:
            raise EvidenceRefused(f"{name} is missing")
        try:
            with self._zip.open(self._entries[name]) as entry:
                while piece := entry.read(PIECE):
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as fault:
            raise EvidenceRefused(f"{name} is damaged or cut short: {fault}") from None

    def facts(self, name: str) -> FileFacts:
        """The length and digest of a file as it is; raises EvidenceRefused."""
        digest, count = hashlib.sha256(), 0
        for piece in self.pieces(name):
            digest.update(piece)
            count += len(piece)
        return FileFacts(bytes=count, sha256=digest.hexdigest())

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """A file as a stream that can seek."""
        with self._zip.open(self._entries[name]) as entry:
            yield entry

    def _take(self, info: zipfile.ZipInfo) -> None:
        name = info.orig_filename
        if name not in NAMES or info.filename != name:
            raise EvidenceRefused(f"there is a file too many: {_shown(name)}")
        if name in self._entries:
            raise EvidenceRefused(f"{name} is there twice")
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise EvidenceRefused(f"{name} is packed in a way that no evidence bundle uses")
        if name == EVENTS:
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise EvidenceRefused(f"{name} must lie in the file as it is")
        elif info.file_size > LIMITS.get(name, _REPORT_LIMIT):
            raise EvidenceRefused(f"{name} is longer than {LIMITS.get(name, _REPORT_LIMIT)} bytes")
        self._entries[name] = info


def _check_directory(file: BinaryIO) -> None:
    """Raises EvidenceRefused where the list of files is missing, or so long that reading it would fill the memory."""
    length = file.seek(0, 2)
    file.seek(max(length - _END.size, 0))
    end = file.read(_END.size)
    if len(end) != _END.size or end[:4] != b"PK\x05\x06":
        raise EvidenceRefused("this is no whole zip file: its end is missing")
    _, _, _, _, count, size, _, comment = _END.unpack(end)
    large = _large_directory(file, length)
    if count > len(NAMES) or max(size, large) > _MOST_DIRECTORY or comment:
        raise EvidenceRefused(f"this zip file is none that we wrote: its list has {count} entries and {size} bytes")
    file.seek(0)


def _large_directory(file: BinaryIO, length: int) -> int:
    """The length of the list as a zip64 record states it, which counts where there is one; 0 without."""
    begin = length - _END.size - _LOCATOR - _END64
    if begin < 0:
        return 0
    file.seek(begin)
    record = file.read(_END64 + _LOCATOR)
    return int.from_bytes(record[40:48], "little") if record[_END64 : _END64 + 4] == b"PK\x06\x07" else 0


def _shown(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:80])
