"""`/feed/v1/snapshot` and `/feed/v1/delta`: all that is in force, and what came after a number."""

import asyncio
import hashlib
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from base.clock import Clock
from base.request import header
from base.secret_values import b64url
from feed.board import FollowerBoard
from feed.callers import FeedRefused, Follower
from feed.hub import FeedHub
from feed.parameters import parse_epoch, parse_name, parse_number, parse_wait, refuse_unknown
from feed.reading import PAGE, GoneFromLog, read_lines, read_snapshot
from feed.wire import Position

MEDIA_TYPE = "application/x-ndjson"
# Deflate without a frame (RFC 1951), and the frame's beginning: no name, no time, an unknown system.
_RAW = -zlib.MAX_WBITS
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GONE = "the log does not go on from there: load /feed/v1/snapshot"


@dataclass(frozen=True, slots=True)
class _Packed:
    """A snapshot's lines: their number, digest, and themselves, plain and compressed."""

    position: Position
    count: int
    digest: str
    plain: bytes
    deflated: bytes


class Documents:
    """Both endpoints for one process; the last snapshot is kept until the log goes on."""

    def __init__(self, hub: FeedHub, board: FollowerBoard, clock: Clock) -> None:
        self._hub = hub
        self._board = board
        self._clock = clock
        self._packed: _Packed | None = None
        self._packing = asyncio.Lock()

    async def snapshot(self, request: Request) -> Response:
        """Everything in force: a signed head about all of it, then its lines. 304 where the caller has just that."""
        refuse_unknown(request)
        now = await self._hub.read_now()
        tag = f'"{now.epoch}:{now.seq}"'
        # The same number is another document once entries have expired; for who has it, nothing has changed.
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization"}
        if header(request.scope, b"if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        packed = await self._pack(now)
        place = packed.position
        head = self._hub.sign_head(place, count=packed.count, digest=packed.digest)
        first = _head_line(head)
        headers["ETag"] = f'"{place.epoch}:{place.seq}"'
        if _takes_gzip(header(request.scope, b"accept-encoding") or ""):
            headers["Content-Encoding"] = "gzip"
            return Response(_gzip(first, packed), headers=headers, media_type=MEDIA_TYPE)
        return Response(first + packed.plain, headers=headers, media_type=MEDIA_TYPE)

    async def _pack(self, least: Position) -> _Packed:
        async with self._packing:
            packed = self._packed
            # One that others waited for and that holds what this one asks for will do, or each would make its own.
            if packed is None or packed.position.epoch != least.epoch or packed.position.seq < least.seq:
                async with self._hub.database.reading() as db:
                    found, lines = await read_snapshot(db, self._hub.issuer, now=self._clock())
                packed = self._packed = await asyncio.to_thread(_packed, found, lines)
            return packed

    async def delta(self, request: Request, follower: Follower) -> Response:
        """The lines after a number and a signed head of the last one; waits for something new where that is asked."""
        refuse_unknown(request, "epoch", "after", "wait", "follower")
        asked = request.query_params
        epoch = parse_epoch(asked.get("epoch"), field="epoch")
        after, wait_s = parse_number(asked.get("after"), field="after"), parse_wait(asked.get("wait"))
        if (name := asked.get("follower")) is not None:
            # Its lease counts from its question, however long the answer takes.
            self._board.hear(follower.client_id, parse_name(name), now=self._clock())
        await self._hub.read_now()
        word = self._hub.next_word()
        if wait_s and self._hub.position == Position(epoch, after, self._hub.position.chain):
            await self._wait_beyond(after, word, wait_s)
            await self._hub.read_now()
            if not follower.is_welcome(self._clock()) or await follower.is_revoked():
                raise FeedRefused(401, "the access token has ended meanwhile")
        lines, place = await self._lines(epoch, after)
        body = b"".join(line + b"\n" for line in lines) + _head_line(self._hub.sign_head(place))
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)

    async def _lines(self, epoch: str, after: int) -> tuple[Sequence[bytes], Position]:
        hub = self._hub
        known = hub.lines_after(after) if epoch == hub.position.epoch else None
        if known is not None and len(known) <= PAGE:
            return known, hub.position
        try:
            async with hub.database.reading() as db:
                return await read_lines(db, hub.issuer, epoch=epoch, after=after)
        except GoneFromLog:
            raise FeedRefused(410, _GONE) from None

    async def _wait_beyond(self, seq: int, word: asyncio.Event, wait_s: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while self._hub.position.seq == seq and not self._hub.is_closed:
                    await word.wait()
                    word = self._hub.next_word()


def _takes_gzip(accepted: str) -> bool:
    """Whether gzip is named, and not by the weight 0 (RFC 9110 §12.5.3)."""
    for each in accepted.lower().split(","):
        coding, _, weight = each.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return weight.strip("0.") != "" or not weight
    return False


def _head_line(head: str) -> bytes:
    return msgspec.json.encode({"head": head}) + b"\n"


def _packed(position: Position, lines: Sequence[bytes]) -> _Packed:
    plain = b"".join(line + b"\n" for line in lines)
    digest = b64url(hashlib.sha256(plain).digest())
    return _Packed(position, len(lines), digest, plain, zlib.compress(plain, 6, wbits=_RAW))


def _gzip(first: bytes, packed: _Packed) -> bytes:
    """The head's line and the lines, which are compressed already, as one member (RFC 1952 §2.3).

    Two members one after the other would be a gzip file, too, but many clients end with the first.
    """
    begin = zlib.compressobj(1, wbits=_RAW)
    deflated = begin.compress(first) + begin.flush(zlib.Z_FULL_FLUSH) + packed.deflated
    checked = zlib.crc32(packed.plain, zlib.crc32(first)), (len(first) + len(packed.plain)) % 2**32
    return _GZIP_HEADER + deflated + struct.pack("<2L", *checked)
