"""`GET /feed/v1/events`: the feed as server-sent events, with a signed head every second."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from base.clock import Clock
from feed.board import FollowerBoard
from feed.callers import Follower
from feed.hub import FeedHub
from feed.parameters import find_place, parse_name, refuse_unknown
from feed.reading import GoneFromLog, read_lines

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # nginx would hold back what comes in small pieces.
    (b"x-accel-buffering", b"no"),
]
# Somewhat more than a heartbeat: nothing may come for as long as the log cannot be read.
_LOOK_EVERY_S = 5.0


class Stream:
    """One follower's stream, as an ASGI application."""

    def __init__(self, hub: FeedHub, board: FollowerBoard, follower: Follower, request: Request, clock: Clock) -> None:
        refuse_unknown(request, "after", "follower")
        self._place = find_place(request)
        name = request.query_params.get("follower")
        # Nobody waits for what has no name: somebody who looks on by hand is no enforcement point.
        self._name = None if name is None else parse_name(name)
        self._hub = hub
        self._board = board
        self._follower = follower
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the follower leaves, its token expires, or the process stops."""
        hub = self._hub
        now = await hub.read_now()
        # What is revoked from here on comes with the lines.
        is_good = not await self._follower.is_revoked()
        epoch, seq = self._place or (now.epoch, now.seq)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] == "HEAD":
            # Whoever wants no body would wait for the end of one that has none.
            await send({"type": "http.response.body", "body": b""})
            return
        gone = asyncio.create_task(_until_gone(receive))
        client_id, name = self._follower.client_id, self._name
        if name is not None:
            name = self._board.connect(client_id, name, now=self._clock())
        try:
            if is_good:
                await self._tell(epoch, seq, gone, send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            if name is not None:
                self._board.cut(client_id, name, now=self._clock())

    async def _tell(self, epoch: str, seq: int, gone: asyncio.Task[None], send: Send) -> None:
        hub, told = self._hub, ""
        while not (gone.done() or hub.is_closed) and self._follower.is_welcome(self._clock()):
            word = hub.next_word()
            try:
                lines = await self._lines(epoch, seq)
            except GoneFromLog:
                await _send(send, b"event: reset\ndata: load the snapshot\n\n")
                break
            seq += len(lines)
            # A follower measures the age of all that follows by the first head: it must be of after the request.
            head = hub.sign_head() if not told else hub.head
            if seq < hub.position.seq or head == told:
                head = ""
            if lines or head:
                await _send(send, _frame(epoch, seq, lines, head))
            if self._follower.is_named_in(lines):
                break
            told = head or told
            if seq == hub.position.seq:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await word.wait()

    async def _lines(self, epoch: str, seq: int) -> Sequence[bytes]:
        hub = self._hub
        if epoch != hub.position.epoch or seq > hub.position.seq:
            raise GoneFromLog
        lines = hub.lines_after(seq)
        if lines is not None:
            return lines
        async with hub.database.reading() as db:
            found = (await read_lines(db, hub.issuer, epoch=epoch, after=seq))[0]
        if epoch != hub.position.epoch:
            raise GoneFromLog
        # The table may be ahead of what was read: no head speaks of that yet, and it comes with the next word.
        return found[: max(0, hub.position.seq - seq)]


def _frame(epoch: str, seq: int, lines: Sequence[bytes], head: str) -> bytes:
    parts = []
    if lines:
        data = b"".join(b"data: " + line + b"\n" for line in lines)
        parts.append(f"id: {epoch}:{seq}\nevent: entries\n".encode() + data + b"\n")
    if head:
        parts.append(f"event: head\ndata: {head}\n\n".encode())
    return b"".join(parts)


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
