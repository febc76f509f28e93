"""The operator's lists of addresses: Tor exits, hosting, mobile and anonymous networks, and blocked ones.

A file has an address, a network or an autonomous system (`AS64500`) a line; `#` and `;` begin comments. A line that
is none of these is told with its number, and the rest counts. Files are replaced while the server runs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, get_args

from risk.place import NetworkKind
from risk.places.address_ranges import AddressRanges, Network, parse_address, parse_network
from risk.places.watched_files import LOOK_EVERY_S, FileRefused, WatchedFile

ListKind = Literal["tor", "hosting", "mobile", "anonymous", "blocked"]
LIST_KINDS: tuple[ListKind, ...] = get_args(ListKind)

MAX_BYTES = 64 << 20
KNOWN_ADDRESSES = 8192
_TOLD_LINES = 3
_COMMENT = re.compile(r"[#;].*")
_NETWORK_NUMBER = re.compile(r"AS([0-9]{1,10})", re.IGNORECASE)
# Which list decides what a network is, where several hold it: what hides a person first.
_NETWORK_KINDS: tuple[tuple[ListKind, NetworkKind], ...] = (
    ("tor", "anonymous"),
    ("anonymous", "anonymous"),
    ("hosting", "hosting"),
    ("mobile", "mobile"),
)


@dataclass(frozen=True, slots=True)
class AddressList:
    """One file's content; `wrong` has the number of each line that could not be read, and why."""

    ranges: AddressRanges
    networks: frozenset[int]
    entries: int
    wrong: tuple[tuple[int, str], ...] = ()

    @property
    def remark(self) -> str | None:
        """The first wrong lines in words, None where all are right."""
        if not self.wrong:
            return None
        told = "; ".join(f"line {number}: {words}" for number, words in self.wrong[:_TOLD_LINES])
        more = f" and {len(self.wrong) - _TOLD_LINES} more" if len(self.wrong) > _TOLD_LINES else ""
        return f"has lines that are left out ({told}{more}); its other {self.entries} count"


def parse_address_list(text: str) -> AddressList:
    """A list from a file's text. Raises FileRefused for a text without any entry that does not say so by a comment.

    An emptied file or an error page in the list's place would otherwise clear whoever stood in it.
    """
    ranges, networks, wrong = list[Network](), set[int](), list[tuple[int, str]]()
    for number, line in enumerate(text.splitlines(), start=1):
        entry = _COMMENT.sub("", line).strip()
        if not entry:
            continue
        try:
            named = _NETWORK_NUMBER.fullmatch(entry)
            if named:
                networks.add(_network_number(named[1]))
            else:
                ranges.append(parse_network(entry))
        except ValueError as fault:
            wrong.append((number, str(fault)))
    entries = len(ranges) + len(networks)
    if wrong and not entries:
        raise FileRefused(f"has no line that can be read (line {wrong[0][0]}: {wrong[0][1]})")
    if not entries and not text.strip():
        raise FileRefused("is empty: a list of nobody holds a comment (#)")
    return AddressList(AddressRanges(ranges), frozenset(networks), entries, tuple(wrong))


def read_address_list(path: Path) -> AddressList:
    """The list in a file; raises OSError and FileRefused."""
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise FileRefused("is larger than 64 MiB")
    try:
        return parse_address_list(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise FileRefused("is not a text in UTF-8") from None


def _network_number(digits: str) -> int:
    number = int(digits)
    if not 0 < number < 1 << 32:
        raise ValueError("expected an autonomous system from AS1 to AS4294967295")
    return number


class AddressLists:
    """The lists that are set; each has its file, and the last good version of it counts."""

    def __init__(self, paths: Mapping[ListKind, Path], *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._find: Callable[[str, int | None], frozenset[str] | None] = self._ask
        watched = partial(
            WatchedFile[AddressList],
            remark=lambda found: found.remark,
            on_change=self._renew,
            look_every_s=look_every_s,
        )
        self.files = {kind: watched(f"list_{kind}", path, read_address_list) for kind, path in paths.items()}

    def kinds_of(self, address: str | None, asn: int | None = None) -> frozenset[str] | None:
        """The lists that hold an address or its autonomous system; None where no list can be asked.

        A list whose file was never good is left out: what the others know still counts (S35).
        """
        for file in self.files.values():
            file.look()
        return self._find(address, asn) if address else None

    def _renew(self) -> None:
        # As in `risk.places.geography`: what is still being asked fills a memory that nobody reads any more.
        self._find = lru_cache(maxsize=KNOWN_ADDRESSES)(self._ask)

    def _ask(self, address: str, asn: int | None) -> frozenset[str] | None:
        known = [(kind, file.content) for kind, file in self.files.items() if file.content is not None]
        found = parse_address(address)
        if not known or found is None:
            return None
        is_v6, number = found
        return frozenset(
            kind
            for kind, listed in known
            if listed.ranges.holds(is_v6=is_v6, number=number) or (asn is not None and asn in listed.networks)
        )


def network_kind(kinds: frozenset[str] | None) -> NetworkKind | None:
    """What the lists make of a network, for `Place.network_kind`."""
    return next((kind for listed, kind in _NETWORK_KINDS if kinds and listed in kinds), None)
