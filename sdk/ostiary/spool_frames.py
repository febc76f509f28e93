"""How events lie in a spool file: length, CRC-32, bytes, one after the other. No I/O.

A file that was cut while it was written loses its last event and no other.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

_HEAD = struct.Struct(">II")
OVERHEAD_BYTES = _HEAD.size


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The whole events of a file in order, and how many more were damaged; a torn end counts as one."""

    payloads: list[bytes]
    damaged: int


def pack(payloads: Iterable[bytes]) -> bytes:
    """The events as they are appended to a file; none of them may be empty."""
    return b"".join(_HEAD.pack(len(each), _checksum(each)) + each for each in payloads)


def unpack(data: bytes) -> Unpacked:
    """What can be read back. A damaged event whose length still fits is passed over; otherwise the rest is given up."""
    payloads: list[bytes] = []
    damaged = at = 0
    while at < len(data):
        end = _end_of_frame(data, at)
        if end is None:
            return Unpacked(payloads, damaged + 1)
        payload = data[at + OVERHEAD_BYTES : end]
        if _HEAD.unpack_from(data, at)[1] == _checksum(payload):
            payloads.append(payload)
        else:
            damaged += 1
        at = end
    return Unpacked(payloads, damaged)


def _end_of_frame(data: bytes, at: int) -> int | None:
    if len(data) - at < OVERHEAD_BYTES:
        return None
    length: int = _HEAD.unpack_from(data, at)[0]
    end = at + OVERHEAD_BYTES + length
    # A length of zero is what a file system leaves behind that lost the end of a file and kept its size.
    return end if length and end <= len(data) else None


def _checksum(payload: bytes) -> int:
    """Over the length as well, so that a changed length is not believed."""
    return zlib.crc32(payload, zlib.crc32(len(payload).to_bytes(4)))
