"""Unpacks a gzip file (RFC 1952) that is one whole: what stands behind its only part is refused, not passed over."""

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP = b"\x1f\x8b"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS
_PIECE = 64 * 1024


class Unpacked(io.RawIOBase):
    """The content of the file, a piece at a time. Raises OSError, EOFError and zlib.error where it is damaged."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._unpack = zlib.decompressobj(_WITH_GZIP_HEADER)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        """The next bytes, at most as many as fit; 0 at the end."""
        room = memoryview(target).cast("B")
        while not self._unpack.eof:
            waiting = self._unpack.unconsumed_tail or self._packed.read(_PIECE)
            if not waiting:
                raise EOFError("it ends before its last byte")
            piece = self._unpack.decompress(waiting, len(room))
            if piece:
                room[: len(piece)] = piece
                return len(piece)
        if self._unpack.unused_data or self._packed.read(1):
            raise OSError("something stands behind the compressed lines")
        return 0
