"""Unpacking what may be packed, up to a size and never beyond (RFC 1952). Pure."""

import zlib

from ostiary.feed_lines import FeedRefused

_GZIP = 31


class Unpacker:
    """Takes a body in pieces; holds at most `most_bytes` of it unpacked, however well it was packed."""

    def __init__(self, *, is_packed: bool, most_bytes: int) -> None:
        self._is_packed, self._most_bytes = is_packed, most_bytes
        self._plain = bytearray()
        self._taken = 0
        self._member = zlib.decompressobj(_GZIP)

    def take(self, piece: bytes) -> None:
        """One more piece; FeedRefused where it is not gzip, or the whole would be larger than allowed."""
        self._taken += len(piece)
        if self._taken > self._most_bytes:
            raise FeedRefused(f"the answer is larger than {self._most_bytes} bytes")
        if not self._is_packed:
            self._plain += piece
            return
        try:
            self._unpack(piece)
        except zlib.error:
            raise FeedRefused("the answer is said to be gzip and is not") from None

    def finish(self) -> bytes:
        """The whole body; FeedRefused where it ends in the middle."""
        if self._is_packed and self._taken and not self._member.eof:
            raise FeedRefused("the packed answer ends in the middle")
        return bytes(self._plain)

    def _unpack(self, piece: bytes) -> None:
        while piece:
            if self._member.eof:
                # One file may have several members, one after the other (§2.2).
                self._member = zlib.decompressobj(_GZIP)
            room = self._most_bytes - len(self._plain)
            self._plain += self._member.decompress(piece, room + 1)
            if len(self._plain) > self._most_bytes:
                raise FeedRefused(f"the answer is larger than {self._most_bytes} bytes")
            piece = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
