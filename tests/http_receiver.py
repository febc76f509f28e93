"""A small HTTP receiver on loopback that does what it is told: takes posts, refuses, redirects, dawdles, goes on."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True)
class Posted:
    """A request that arrived whole."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, object]:
        """The body as JSON."""
        return msgspec.json.decode(self.body, type=dict[str, object])


@dataclass
class HttpReceiver:
    """What it answers, and what it was sent. `mood`: answer; hang (takes the request and says nothing); endless (a body
    without end, a byte at a time); endless_head; cut (hangs up within the body); noise (no HTTP at all)."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    mood: str = "answer"
    tls: ssl.SSLContext | None = None
    posts: list[Posted] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens; the path and the query stand for the secret that such addresses hold."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook/SECRET-PATH?key=SECRET-KEY"

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["HttpReceiver"]:
        """Listens within; whoever still waits for an answer is cut off at the end."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            self.connections += 1
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                await self._serve(reader, writer)
            tasks.discard(task)
            writer.close()

        listening = await asyncio.start_server(serve, "127.0.0.1", port, ssl=self.tls)
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listening.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.posts.append(Posted(head[0], headers, body))
        await self._answer(writer)

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        match self.mood:
            case "hang":
                await asyncio.Event().wait()
            case "endless":
                await _drip(writer, b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", b"x")
            case "endless_head":
                await _drip(writer, b"HTTP/1.1 200 OK\r\n", b"x-more: 1\r\n")
            case "cut":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            case "noise":
                writer.write(b"220 this is a mail server\r\n")
            case _:
                told = {"content-length": str(len(self.body)), "connection": "close", **self.headers}
                lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
                writer.write(f"HTTP/1.1 {self.status} Told\r\n{lines}\r\n".encode() + self.body)
        await writer.drain()


async def _drip(writer: asyncio.StreamWriter, first: bytes, again: bytes) -> None:
    writer.write(first)
    while not writer.is_closing():
        writer.write(again)
        await writer.drain()
        await asyncio.sleep(0.01)
