"""Which addresses belong to a list: thousands of networks, answered in a microsecond. Pure."""

import socket
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

# Networks larger than these are taken for slips of the pen, or for the beginning of a longer number.
WIDEST_V4, WIDEST_V6 = 8, 16
_MAPPED = bytes(10) + b"\xff\xff"

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Network:
    """A network's first and last address as numbers; `is_v6` says in which of the two worlds."""

    is_v6: bool
    first: int
    last: int


def parse_address(text: str) -> tuple[bool, int] | None:
    """Whether an address is IPv6, and its number; mapped ones are IPv4. None for any other text, zones too."""
    try:
        if ":" not in text:
            return False, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        # ValueError: a NUL, or letters that are no ASCII.
        return None
    if packed.startswith(_MAPPED):
        return False, int.from_bytes(packed[12:], "big")
    return True, int.from_bytes(packed, "big")


def parse_network(text: str) -> Network:
    """`203.0.113.7`, `203.0.113.0/24` or `2001:db8::/32`; raises ValueError with what was expected."""
    address, slash, bits_text = text.partition("/")
    found = parse_address(address)
    if found is None:
        raise ValueError("expected an address, a network such as 203.0.113.0/24, or AS64500")
    is_v6, first = found
    width = 128 if is_v6 else 32
    if not slash:
        return Network(is_v6, first, first)
    if not (bits_text.isascii() and bits_text.isdigit() and len(bits_text) <= 3):
        raise ValueError("expected the prefix's length in bits behind the slash")
    # A mapped network's length is counted in IPv6's bits.
    bits = int(bits_text) - (96 if ":" in address and not is_v6 else 0)
    widest = WIDEST_V6 if is_v6 else WIDEST_V4
    if not widest <= bits <= width:
        raise ValueError(f"expected a prefix of {widest} to {width} bits")
    size = 1 << (width - bits)
    if first % size:
        raise ValueError("expected the network's first address: bits are set behind the prefix")
    return Network(is_v6, first, first + size - 1)


class AddressRanges:
    """A set of addresses, made of networks that may lie within or beside each other."""

    def __init__(self, networks: Iterable[Network]) -> None:
        sides: tuple[list[Interval], list[Interval]] = [], []
        for network in networks:
            sides[network.is_v6].append((network.first, network.last))
        self._v4, self._v6 = _Intervals(sides[0]), _Intervals(sides[1])

    def __len__(self) -> int:
        """How many stretches are left after those that touch were joined."""
        return len(self._v4.firsts) + len(self._v6.firsts)

    def holds(self, *, is_v6: bool, number: int) -> bool:
        """Whether an address, as `parse_address` gives it, is within."""
        return (self._v6 if is_v6 else self._v4).holds(number)


class _Intervals:
    """Disjoint stretches in order; both ends belong to them."""

    __slots__ = ("firsts", "lasts")

    def __init__(self, intervals: list[Interval]) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        for first, last in sorted(intervals):
            if self.lasts and first <= self.lasts[-1] + 1:
                self.lasts[-1] = max(self.lasts[-1], last)
            else:
                self.firsts.append(first)
                self.lasts.append(last)

    def holds(self, number: int) -> bool:
        at = bisect_right(self.firsts, number) - 1
        return at >= 0 and number <= self.lasts[at]
