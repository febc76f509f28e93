"""How many different ones there are among many, in memory that does not grow: linear counting (Whang et al. 1990)."""

from hashlib import blake2b
from math import log

# A mebibyte: right to a tenth of a percent up to some millions, and nearly always exact below a thousand.
_BITS = 1 << 23


class Distinct:
    """Counts different names."""

    __slots__ = ("_free", "_seen")

    def __init__(self) -> None:
        self._seen = bytearray(_BITS // 8)
        self._free = _BITS

    def add(self, name: str) -> None:
        """Takes in one, whether or not it came before."""
        place = int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) % _BITS
        byte, bit = place >> 3, 1 << (place & 7)
        if not self._seen[byte] & bit:
            self._seen[byte] |= bit
            self._free -= 1

    @property
    def count(self) -> int:
        """About how many there were."""
        return round(-_BITS * log(max(self._free, 1) / _BITS))
