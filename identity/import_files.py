"""A file of people, read entry by entry with its line's number: JSON lines, CSV, or one JSON document.

Only one line is in memory at a time, but for a JSON document, which is read whole and so has a limit.
What cannot be read is told by its number, and reading goes on.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import msgspec

from identity.errors import Refused
from identity.exported_passwords import NO_PLAIN_TEXT
from identity.import_fields import Fields, check_columns

MAX_LINE_BYTES = 1024 * 1024
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

# How a byte that is no UTF-8 comes out of the decoder.
_NO_TEXT = re.compile("[\udc80-\udcff]")

Line = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One person as the file tells of them. `line` counts from 1; in a JSON document it counts the people."""

    line: int
    fields: Fields


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """An entry that cannot be taken: which one, which field, and what was expected. Never says a value."""

    line: int
    field: str
    message: str


def read_entries(stream: BinaryIO) -> Iterator[Entry | RefusedLine]:
    """The file's entries in order; raises Refused where it is no file of people at all."""
    number, head = 1, stream.readline(MAX_DOCUMENT_BYTES).removeprefix(codecs.BOM_UTF8)
    while head and not head.strip():
        number, head = number + 1, stream.readline(MAX_DOCUMENT_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Refused("file", "must be in UTF-8; this is UTF-16")
    if head.lstrip()[:1] not in (b"{", b"["):
        return _read_csv(chain([(number, head)] if head else [], _lines(stream, after=number)))
    if _is_one_entry(head):
        return _read_json_lines(chain([(number, head)], _lines(stream, after=number)))
    return _read_document(stream, head, number)


def _lines(stream: BinaryIO, *, after: int) -> Iterator[Line]:
    """Each further line with its number; of one that is too long only a beginning, longer than the limit."""
    number = after
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE_BYTES + 1)
        yield number, line


def _is_one_entry(head: bytes) -> bool:
    """Whether the first line is a person of its own, be it a broken one, and not the beginning of a document."""
    bare = head.strip()
    if not bare.startswith(b"{") or not bare.endswith(b"}"):
        return False
    try:
        found = msgspec.json.decode(bare)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return True
    return not isinstance(found.get("users"), list)


def _read_json_lines(lines: Iterator[Line]) -> Iterator[Entry | RefusedLine]:
    for number, line in lines:
        if len(line) > MAX_LINE_BYTES:
            yield RefusedLine(number, "line", f"must have at most {MAX_LINE_BYTES} bytes")
        elif line.strip():
            yield _read_object(number, line)


def _read_object(number: int, line: bytes) -> Entry | RefusedLine:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = None
    if isinstance(found, dict):
        return Entry(number, found)
    return RefusedLine(number, "line", "must be one JSON object, in UTF-8")


def _read_document(stream: BinaryIO, head: bytes, number: int) -> Iterator[Entry | RefusedLine]:
    whole = head + stream.read(MAX_DOCUMENT_BYTES + 1 - len(head))
    if len(whole) > MAX_DOCUMENT_BYTES:
        words = f"must be JSON lines above {MAX_DOCUMENT_BYTES // 1024**2} MiB: jq -c '.users[]' FILE makes them"
        raise Refused("file", words)
    people = _find_people(whole)
    if people is None:
        # Lines after all, the first of them cut off.
        return _read_json_lines(enumerate(whole.splitlines(keepends=True), number))
    return (
        Entry(place, found) if isinstance(found, dict) else RefusedLine(place, "line", "must be a JSON object")
        for place, found in enumerate(people, 1)
    )


def _find_people(whole: bytes) -> list[object] | None:
    try:
        found = msgspec.json.decode(whole)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if isinstance(found, dict):
        found = found.get("users", [found])
    return found if isinstance(found, list) else None


def _read_csv(lines: Iterator[Line]) -> Iterator[Entry | RefusedLine]:
    _, first = next(lines, (1, b""))
    header = first.decode("utf-8", "surrogateescape")
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    try:
        names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter, strict=True), [])]
    except csv.Error:
        names = []
    if not names:
        raise Refused("file", "must begin with a header line, such as email,name,password_hash, or be JSON lines")
    if "password" in names:
        raise Refused("password", NO_PLAIN_TEXT)
    check_columns(names)
    return _read_rows(lines, names, delimiter)


def _read_rows(lines: Iterator[Line], names: Sequence[str], delimiter: str) -> Iterator[Entry | RefusedLine]:
    last = [1]

    def texts() -> Iterator[str]:
        for number, line in lines:
            last[0] = number
            yield (line if len(line) <= MAX_LINE_BYTES else b"\xff\n").decode("utf-8", "surrogateescape")

    rows = csv.reader(texts(), delimiter=delimiter, strict=True)
    while True:
        # A quoted field may hold line ends: the entry has the number of its first line.
        number = last[0] + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            words = f"cannot be read as CSV up to line {last[0]}: a quote is missing or stands out of place"
            yield RefusedLine(number, "line", words)
            continue
        if row:
            yield _read_row(number, names, row)


def _read_row(number: int, names: Sequence[str], row: list[str]) -> Entry | RefusedLine:
    if _NO_TEXT.search("".join(row)):
        return RefusedLine(number, "line", f"must be in UTF-8, with at most {MAX_LINE_BYTES} bytes")
    if len(row) != len(names):
        return RefusedLine(number, "line", f"must have {len(names)} fields, as the header has; it has {len(row)}")
    return Entry(number, {name: cell for name, cell in zip(names, row, strict=True) if cell.strip()})
