"""Tables of counts as bytes: keys of 8 bytes, then counts of 4, little-endian; the same bytes in every process.

Reading refuses what writing cannot have made: odd lengths, counts that are negative or no numbers.
"""

from collections.abc import Mapping, Sequence
from math import fsum, inf
from struct import pack, unpack

_LARGEST = 3e38


class Unreadable(Exception):
    """Bytes that hold no history, or one that a newer version wrote."""


def pack_counts(counts: Mapping[int, float]) -> bytes:
    """A table in bytes: 12 for each of its values."""
    return pack(f"<{len(counts)}Q{len(counts)}f", *counts, *(min(each, _LARGEST) for each in counts.values()))


def unpack_counts(packed: bytes, *, limit: int) -> dict[int, float]:
    """The table that the bytes hold; raises Unreadable, also where it has more than `limit` values."""
    count, rest = divmod(len(packed), 12)
    if rest or count > limit:
        raise Unreadable(f"expected at most {limit} counts of 12 bytes, found {len(packed)} bytes")
    if not count:
        return {}
    numbers = unpack(f"<{count}Q{count}f", packed)
    counts = numbers[count:]
    _check(counts)
    return dict(zip(numbers[:count], counts, strict=True))


def pack_numbers(numbers: Sequence[float]) -> bytes:
    """Numbers in 4 bytes each."""
    return pack(f"<{len(numbers)}f", *(min(each, _LARGEST) for each in numbers))


def unpack_numbers(packed: bytes, *, count: int) -> list[float]:
    """`count` numbers, with zeros where an older version stored fewer; raises Unreadable."""
    if len(packed) % 4 or len(packed) > 4 * count:
        raise Unreadable(f"expected at most {count} numbers of 4 bytes, found {len(packed)} bytes")
    numbers = unpack(f"<{len(packed) // 4}f", packed)
    _check(numbers)
    return [*numbers, *[0.0] * (count - len(numbers))]


def _check(numbers: Sequence[float]) -> None:
    # A sum is no number, or infinite, where one of them is; a comparison with what is no number is false.
    if numbers and not (min(numbers) >= 0.0 and fsum(numbers) < inf):
        raise Unreadable("expected counts of zero or more")
