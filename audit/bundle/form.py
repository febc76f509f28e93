"""The log bundle: a range of events with what proves it, as one file that needs no database to be checked.

Lines of JSON, compressed by gzip or not. The first line is the header: the log's origin and key, a signed checkpoint,
and the hashes of all that lies left and right of the range. Then a line for each event: its number, its hash, and its
body, which is missing where a clean-up removed it. `docs/audit.md` has the format byte by byte.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO

import msgspec

from audit.bundle.unpacking import GZIP, Unpacked
from audit.ledger.merkle import HASH_BYTES

FORMAT = "ostiary-log-bundle/1"
# What a file of others may make us hold at a time, however small it looks compressed.
MAX_LINE_BYTES = 1024 * 1024
# Nested too deep to be read counts as not readable.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class BundleRefused(ValueError):
    """A file that is no bundle, or a damaged one; the message says where and why."""


class Proof(msgspec.Struct, forbid_unknown_fields=True):
    """The consistency proof between the bundle's tree and that of `size` events (RFC 9162 §2.1.4), in hexadecimal."""

    size: int
    hashes: list[str]


class Header(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The first line. `left` and `right` are the hashes of the fewest complete subtrees on either side of the range."""

    format: str = FORMAT
    origin: str
    key: str
    first: int
    count: int
    checkpoint: str
    left: list[str]
    right: list[str]
    proofs: list[Proof] = []


class BundleEvent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One event. `opened` are its salt and personal fields where they were asked for; null where they were erased."""

    seq: int
    hash: str
    body: str | None = None
    opened: dict[str, msgspec.Raw] | None | msgspec.UnsetType = msgspec.UNSET


_encode = msgspec.json.Encoder().encode
_HEADER = msgspec.json.Decoder(Header)
_EVENT = msgspec.json.Decoder(BundleEvent)


class BundleWriter:
    """Writes a bundle, compressed, a line at a time. The same events give the same bytes."""

    def __init__(self, out: BinaryIO, header: Header) -> None:
        self._file = gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=6, mtime=0)
        self._add(header)

    def add(self, event: BundleEvent) -> None:
        """The next event; they come by number, without gaps."""
        self._add(event)

    def close(self) -> None:
        """Ends the file; the stream beneath stays open."""
        self._file.close()

    def __enter__(self) -> "BundleWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _add(self, value: object) -> None:
        line = _encode(value)
        if len(line) >= MAX_LINE_BYTES:
            raise BundleRefused(f"an event has {len(line)} bytes, a bundle's lines hold at most {MAX_LINE_BYTES}")
        self._file.write(line + b"\n")


class BundleReader:
    """Reads a bundle, one line in memory at a time. Raises BundleRefused for whatever does not belong in one."""

    def __init__(self, file: BinaryIO) -> None:
        start = file.read(len(GZIP))
        file.seek(0)
        self._file = io.BufferedReader(Unpacked(file)) if start == GZIP else file
        self._line = 0
        self.header = self._read_header()

    def events(self) -> Iterator[BundleEvent]:
        """Each event; as many as the header says, numbered one after the other."""
        first, count = self.header.first, self.header.count
        for seq in range(first, first + count):
            line = self._next()
            if not line:
                raise BundleRefused(f"the bundle ends before event {seq}; it should go up to {first + count - 1}")
            try:
                event = _EVENT.decode(line)
            except _UNREADABLE as reason:
                raise BundleRefused(f"line {self._line}, where event {seq} should be: {reason}") from None
            if event.seq != seq:
                raise BundleRefused(f"line {self._line}: expected event {seq}, found event {event.seq}")
            yield event
        if self._next():
            raise BundleRefused(f"line {self._line}: the bundle goes on behind its last event {first + count - 1}")

    def _read_header(self) -> Header:
        line = self._next()
        try:
            header = _HEADER.decode(line)
        except _UNREADABLE as reason:
            raise BundleRefused(f"the first line is no header of a log bundle: {reason}") from None
        if header.format != FORMAT:
            raise BundleRefused(f"expected the format {FORMAT}, found {header.format[:80]!r}")
        if header.first < 0 or header.count < 1:
            raise BundleRefused("expected a first number from 0 on, and at least one event")
        return header

    def _next(self) -> bytes:
        self._line += 1
        try:
            line = self._file.readline(MAX_LINE_BYTES + 1)
        except (EOFError, OSError, zlib.error) as failure:
            raise BundleRefused(f"line {self._line}: the file is damaged or cut short: {failure}") from None
        if len(line) > MAX_LINE_BYTES:
            raise BundleRefused(f"line {self._line} is longer than {MAX_LINE_BYTES} bytes")
        return line


def parse_hash(text: str, what: str) -> bytes:
    """The hash behind 64 hexadecimal digits; raises BundleRefused, with `what` it was to be."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES or found.hex() != text:
        raise BundleRefused(f"expected {what} as {2 * HASH_BYTES} hexadecimal digits")
    return found
