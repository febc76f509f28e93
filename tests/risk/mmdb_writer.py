"""Writes small MaxMind DB files (format 2.0) from networks and records, for tests; `maxminddb` is what checks them.

Networks may be nested: the longest prefix wins, in whatever order they come.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network

Value = str | float | int | bool | list["Value"] | dict[str, "Value"]
Node = list["Node | int | None"]

_MARKER = b"\xab\xcd\xefMaxMind.com"
_SEPARATOR = bytes(16)
_POINTER, _STRING, _DOUBLE, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY, _BOOLEAN = 1, 2, 3, 5, 6, 7, 9, 11, 14


def make_mmdb(
    records: Mapping[str, dict[str, Value]],
    *,
    database_type: str = "GeoLite2-City",
    ip_version: int = 6,
    record_size: int = 28,
) -> bytes:
    """A database's bytes. IPv4 networks stand at ::/96 of an IPv6 tree, and the mapped addresses point there."""
    data, root = _Data(), _empty()
    for text, record in sorted(records.items(), key=lambda item: ip_network(item[0]).prefixlen):
        network = ip_network(text)
        is_v4 = isinstance(network, IPv4Network)
        bits = network.prefixlen + (96 if is_v4 and ip_version == 6 else 0)
        address = int(network.network_address)
        _put(root, address, bits, 128 if ip_version == 6 else 32, data.add(record))
    if ip_version == 6:
        _alias_mapped(root)
    tree, count = _tree(root, record_size)
    return tree + _SEPARATOR + bytes(data.raw) + _MARKER + _metadata(database_type, ip_version, record_size, count)


class _Data:
    """The data section; what was written once is pointed to from then on, as in real files."""

    def __init__(self) -> None:
        self.raw = bytearray()
        self._known: dict[str, int] = {}

    def add(self, value: Value) -> int:
        """Where a value stands that the tree points to."""
        key = repr(value)
        if key not in self._known:
            self._write(value)
        return self._known[key]

    def _write(self, value: Value) -> None:
        key = repr(value)
        if key in self._known:
            # Four bytes reach everything (the size bits of the control byte are 11).
            self.raw += bytes([_POINTER << 5 | 3 << 3]) + self._known[key].to_bytes(4, "big")
            return
        if isinstance(value, str | dict | list):
            self._known[key] = len(self.raw)
        match value:
            case dict():
                self.raw += _control(_MAP, len(value))
                for name, inner in value.items():
                    self._write(name)
                    self._write(inner)
            case list():
                self.raw += _control(_ARRAY, len(value))
                for inner in value:
                    self._write(inner)
            case _:
                self.raw += _scalar(value)


def _scalar(value: str | float | int) -> bytes:
    match value:
        case bool():
            return _control(_BOOLEAN, int(value))
        case int():
            return _integer(_UINT32, value)
        case float():
            return _control(_DOUBLE, 8) + struct.pack("!d", value)
        case _:
            text = value.encode()
            return _control(_STRING, len(text)) + text


def _integer(kind: int, value: int) -> bytes:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return _control(kind, len(raw)) + raw


def _control(kind: int, size: int) -> bytes:
    sized, more = size, b""
    if size >= 285:
        sized, more = 30, (size - 285).to_bytes(2, "big")
    elif size >= 29:
        sized, more = 29, bytes([size - 29])
    return (bytes([kind << 5 | sized]) if kind <= 7 else bytes([sized, kind - 7])) + more


def _empty() -> Node:
    return [None, None]


def _put(root: Node, address: int, bits: int, width: int, place: int) -> None:
    node = root
    for depth in range(bits):
        side = address >> (width - 1 - depth) & 1
        if depth == bits - 1:
            node[side] = ~place
            return
        below = node[side]
        if not isinstance(below, list):
            # A shorter prefix's record goes on to hold for both halves.
            below = node[side] = [below, below]
        node = below


def _alias_mapped(root: Node) -> None:
    v4: Node | int | None = root
    for _ in range(96):
        v4 = v4[0] if isinstance(v4, list) else v4
    node = root
    for depth in range(96):
        side = int(depth >= 80)
        if depth == 95:
            node[side] = v4
            return
        if not isinstance(node[side], list):
            node[side] = _empty()
        node = node[side]  # type: ignore[assignment]


def _tree(root: Node, record_size: int) -> tuple[bytes, int]:
    order, numbers = [root], {id(root): 0}
    for node in order:
        for side in node:
            if isinstance(side, list) and id(side) not in numbers:
                numbers[id(side)] = len(order)
                order.append(side)
    count = len(order)

    def number(side: Node | int | None) -> int:
        if side is None:
            return count
        return numbers[id(side)] if isinstance(side, list) else ~side + count + len(_SEPARATOR)

    return b"".join(_node(number(left), number(right), record_size) for left, right in order), count


def _node(left: int, right: int, record_size: int) -> bytes:
    if record_size == 28:
        middle = (left >> 24) << 4 | right >> 24
        return (left & 0xFFFFFF).to_bytes(3, "big") + bytes([middle]) + (right & 0xFFFFFF).to_bytes(3, "big")
    size = record_size // 8
    return left.to_bytes(size, "big") + right.to_bytes(size, "big")


def _metadata(database_type: str, ip_version: int, record_size: int, node_count: int) -> bytes:
    # The reader in C insists on these very types.
    numbers = {
        "binary_format_major_version": (_UINT16, 2),
        "binary_format_minor_version": (_UINT16, 0),
        "ip_version": (_UINT16, ip_version),
        "record_size": (_UINT16, record_size),
        "node_count": (_UINT32, node_count),
        "build_epoch": (_UINT64, 1_790_000_000),
    }
    raw = _control(_MAP, len(numbers) + 3)
    raw += b"".join(_scalar(name) + _integer(kind, number) for name, (kind, number) in numbers.items())
    raw += _scalar("database_type") + _scalar(database_type)
    raw += _scalar("languages") + _control(_ARRAY, 1) + _scalar("en")
    return raw + _scalar("description") + _control(_MAP, 1) + _scalar("en") + _scalar("made for a test")
