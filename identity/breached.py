"""The operator's file of breached passwords: opened once, searched without reading it into memory.

The format is Pwned Passwords "ordered by hash": a line is the SHA-1 of a password in 40 upper-case hex digits, by
choice followed by `:` and a count; lines ascend; LF or CRLF. The public list has 40 GB, so a search looks at some
thirty lines through a memory map.
To exchange the file, rename a new one over it: shortening a mapped file in place kills the process that reads it.
"""

import hashlib
import mmap
import os
import re
from pathlib import Path
from types import TracebackType

_HASH_LENGTH = 40
_LINE = re.compile(rb"([0-9A-F]{40})(?::[0-9]{1,20})?")
_LONGEST_LINE = 64  # 40 digits, a colon, a count, CRLF
_SAMPLES = 256
_COUNTED_BYTES = 1 << 28  # beyond this, counting lines for an error message would take too long


class InvalidBreachedList(ValueError):
    """A file that is not a sorted list of SHA-1 hashes; `str()` names the line and what was expected."""


class BreachedList:
    """A sorted file of breached SHA-1 hashes; closes as a context manager or by `close()`.

    Opening raises OSError where the file cannot be read and InvalidBreachedList where a sample of its lines is wrong:
    the first, the last and 256 pairs of neighbours between. An empty file is an empty list.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        with path.open("rb") as file:
            is_empty = file.seek(0, os.SEEK_END) == 0  # an empty file cannot be mapped
            self._lines: mmap.mmap | bytes = b"" if is_empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._check_sample()
        except InvalidBreachedList:
            self.close()
            raise

    def __enter__(self) -> "BreachedList":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the map back; closing twice does no harm, searching a closed list raises ValueError."""
        if isinstance(self._lines, mmap.mmap):
            self._lines.close()

    def contains(self, password: bytes) -> bool:
        """Whether the password, prepared as for hashing, is in the list."""
        wanted = hashlib.sha1(password, usedforsecurity=False).hexdigest().upper().encode()
        low, high = 0, len(self._lines)
        while low < high:  # both are always the beginning of a line, or the end of the file
            start = self._line_start((low + high) // 2)
            found = self._lines[start : start + _HASH_LENGTH]
            if found == wanted:
                return True
            if found < wanted:
                low = self._line_end(start)
            else:
                high = start
        return False

    def _line_start(self, position: int) -> int:
        """Where the line begins that `position` is in; at most one longest line back, whatever the file holds."""
        earliest = max(0, position - _LONGEST_LINE)
        newline = self._lines.rfind(b"\n", earliest, position)
        return earliest if newline < 0 else newline + 1

    def _line_end(self, start: int) -> int:
        """Where the next line begins, or the end of the file."""
        newline = self._lines.find(b"\n", start, start + _LONGEST_LINE)
        return len(self._lines) if newline < 0 else newline + 1

    def _check_sample(self) -> None:
        size = len(self._lines)
        starts = {self._line_start(size * sample // _SAMPLES) for sample in range(_SAMPLES)}
        starts |= {self._line_end(start) for start in starts} | {self._line_start(max(0, size - 1))}
        before = b""
        for start in sorted(starts - {size}):
            line = _LINE.fullmatch(self._lines[start : self._line_end(start)].rstrip(b"\r\n"))
            if line is None:
                raise self._fault(start, "expected 40 upper-case hex digits (SHA-1), optionally ':' and a count")
            if line[1] < before:
                raise self._fault(start, "expected the hashes in ascending order (the list 'ordered by hash')")
            before = line[1]

    def _fault(self, start: int, expected: str) -> InvalidBreachedList:
        place = f"byte {start}"
        if start < _COUNTED_BYTES:
            line_number = self._lines[:start].count(b"\n") + 1
            place = f"line {line_number}"
        return InvalidBreachedList(f"{self._name}, {place}: {expected}")
