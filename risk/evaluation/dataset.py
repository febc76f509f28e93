"""Sign-ins out of a CSV file, in time order, without holding the file in memory."""

import csv
import heapq
import itertools
import re
import tempfile
from collections.abc import Callable, Iterator, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TextIO

from risk.evaluation import columns
from risk.evaluation.columns import BadDataset, check_header, known

SORTED_AT_ONCE = 200_000
TAKEOVERS = "takeover"
LONGEST_CELL = 1_000_000

Told = Callable[[int, int], None]

_V4 = re.compile(r"((?:\d{1,3}\.){3})\d{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One sign-in, or try of one, as the file tells it; None is what the file does not know.

    `attacker` is the kind of attacker where it was a takeover, None where it was not. `at_s`: seconds since 1970.
    """

    at_s: float
    person: str
    address: str
    network: str
    succeeded: bool
    country: str | None = None
    region: str | None = None
    city: str | None = None
    asn: int | None = None
    user_agent: str | None = None
    browser: str | None = None
    system: str | None = None
    kind: str | None = None
    token: str | None = None
    attacker: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first look at a file found: its rows, whether they stand in time order, how large the file was, and each
    (person, device cookie) that comes more than once.
    """

    rows: int
    is_sorted: bool
    size: int
    returning: Set[tuple[str, str]] = frozenset()


class Returning:
    """Finds which (person, device cookie) come more than once."""

    def __init__(self) -> None:
        self._once: set[tuple[str, str]] = set()
        self.twice: set[tuple[str, str]] = set()

    def add(self, row: Row) -> None:
        """Takes a row in."""
        if row.token is None:
            return
        pair = (row.person, row.token)
        (self.twice if pair in self._once else self._once).add(pair)


def network_of(address: str) -> str:
    """The /24 or /48 around an address; raises ValueError where it is no address."""
    fast = _V4.fullmatch(address)
    if fast is not None:
        ip_address(address)
        return f"{fast[1]}0/24"
    exploded = ip_address(address).exploded
    return f"{':'.join(exploded.split(':')[:3])}::/48"


def survey(path: Path, told: Told | None = None) -> Survey:
    """A first look at every row, so that a long replay does not end at a bad one; raises BadDataset.

    `told` hears of bytes read and of bytes altogether, now and then.
    """
    if not path.is_file():
        raise BadDataset("expected a file that can be read twice, not a pipe")
    size, rows, is_sorted, last_s = path.stat().st_size, 0, True, float("-inf")
    returning = Returning()
    with _opened(path) as (file, reader):
        for row in reader:
            rows += 1
            is_sorted = is_sorted and row.at_s >= last_s
            last_s = row.at_s
            returning.add(row)
            if told is not None and rows % 1000 == 0:
                told(file.buffer.tell(), size)
    if rows == 0:
        raise BadDataset("row 2: expected at least one row below the column names")
    return Survey(rows, is_sorted, size, returning.twice)


def read_rows(path: Path, surveyed: Survey, *, at_once: int = SORTED_AT_ONCE) -> Iterator[Row]:
    """Every row, the oldest first; rows of the same moment stay in the order of the file.

    A file in time order is streamed. Another one is sorted in pieces of `at_once` rows through a temporary folder,
    which takes about as much room as the file.
    """
    with _opened(path) as (_, reader):
        if surveyed.is_sorted:
            yield from reader
        else:
            yield from _sorted(path, at_once)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[TextIO, Iterator[Row]]]:
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8", newline="") as file:
        yield file, _parsed(file)


def _parsed(file: TextIO) -> Iterator[Row]:
    lines = _lines(file)
    header = next(lines, None)
    if header is None:
        raise BadDataset("row 1: expected a line of column names; the file is empty")
    parse = _Parser(check_header(header), len(header))
    for number, cells in enumerate(lines, start=2):
        if cells:
            yield parse(number, cells)


def _lines(file: TextIO) -> Iterator[list[str]]:
    reader = csv.reader(file)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, UnicodeDecodeError) as failure:
            raise BadDataset(f"row {number}: expected comma-separated values in UTF-8 ({failure})") from None
        yield cells


class _Parser:
    """Makes rows of cells, in whatever order the columns stand."""

    def __init__(self, places: dict[str, int], width: int) -> None:
        self._width = width
        self._at, self._person, self._address, self._successful, self._takeover = (
            places[name] for name in columns.REQUIRED
        )
        # An absent column reads an empty cell that is put behind the row.
        self._country, self._region, self._city, self._asn = (
            places.get(name, width) for name in (columns.COUNTRY, columns.REGION, columns.CITY, columns.ASN)
        )
        self._user_agent, self._browser, self._system, self._kind, self._token, self._attacker = (
            places.get(name, width)
            for name in (
                *(columns.USER_AGENT, columns.BROWSER, columns.SYSTEM, columns.KIND),
                *(columns.TOKEN, columns.ATTACKER),
            )
        )

    def __call__(self, number: int, cells: list[str]) -> Row:
        if len(cells) != self._width:
            raise BadDataset(f"row {number}: expected {self._width} cells as in row 1, found {len(cells)}")
        cells.append("")
        try:
            return self._row(cells)
        except (ValueError, OverflowError):
            raise BadDataset(f"row {number}: {self._fault(cells)}") from None

    def _row(self, cells: list[str]) -> Row:
        address, person = cells[self._address], cells[self._person]
        if person in columns.UNKNOWN:
            raise ValueError(person)
        attacker: str | None = None
        if columns.parse_boolean(cells[self._takeover]):
            attacker = known(cells[self._attacker]) or TAKEOVERS
        return Row(
            at_s=columns.parse_time(cells[self._at]),
            person=person,
            address=address,
            network=network_of(address),
            succeeded=columns.parse_boolean(cells[self._successful]),
            country=known(cells[self._country]),
            region=known(cells[self._region]),
            city=known(cells[self._city]),
            asn=columns.parse_asn(cells[self._asn]),
            user_agent=known(cells[self._user_agent]),
            browser=known(cells[self._browser]),
            system=known(cells[self._system]),
            kind=known(cells[self._kind]),
            token=known(cells[self._token]),
            attacker=attacker,
        )

    def _fault(self, cells: list[str]) -> str:
        """Which column was wrong, and what was expected there."""
        checks: tuple[tuple[str, int, Callable[[str], object], str], ...] = (
            (columns.AT, self._at, columns.parse_time, "a time such as 2020-02-03 12:43:30.772"),
            (columns.ADDRESS, self._address, network_of, "an IP address"),
            (columns.ASN, self._asn, columns.parse_asn, "a whole number, or nothing"),
            (columns.SUCCESSFUL, self._successful, columns.parse_boolean, "True or False"),
            (columns.TAKEOVER, self._takeover, columns.parse_boolean, "True or False"),
        )
        for name, place, parse, expected in checks:
            try:
                parse(cells[place])
            except (ValueError, OverflowError):
                return f"{name}: expected {expected}, found {cells[place][:60]!r}"
        return f"{columns.PERSON}: expected somebody's id, found {cells[self._person]!r}"


def _sorted(path: Path, at_once: int) -> Iterator[Row]:
    """The rows of an unsorted file, merged from sorted pieces of its lines."""
    with tempfile.TemporaryDirectory(prefix="ostiary-sorting-") as folder, ExitStack() as open_files:
        pieces: list[Path] = []
        for header, chunk in _chunks(path, at_once):
            piece = Path(folder) / f"{len(pieces)}.csv"
            with piece.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([header, *chunk])
            pieces.append(piece)
        readers = [open_files.enter_context(_opened(piece))[1] for piece in pieces]
        # heapq.merge keeps the order of equal moments: earlier pieces first.
        yield from heapq.merge(*readers, key=lambda row: row.at_s)


def _chunks(path: Path, at_once: int) -> Iterator[tuple[list[str], list[list[str]]]]:
    with path.open(encoding="utf-8", newline="") as file:
        lines = _lines(file)
        header = next(lines)
        at = check_header(header)[columns.AT]
        while chunk := list(itertools.islice((cells for cells in lines if cells), at_once)):
            chunk.sort(key=lambda cells: columns.parse_time(cells[at]))
            yield header, chunk
