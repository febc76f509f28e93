"""A reader that takes an answer at its own pace: what a client on the far side of a full socket does to the server."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress

from starlette.requests import ClientDisconnect

from tests.server.api.service import Service

Message = MutableMapping[str, object]


class SlowReader:
    """Asks for a path with the service's token. It takes the head, and of the body what it is told to."""

    def __init__(self, service: Service, path: str) -> None:
        self.status = 0
        self.body = b""
        self.is_whole = False
        self._allowed = asyncio.Semaphore(1)
        self._service = service
        self._has_head = asyncio.Event()
        self._gone = asyncio.Event()
        self._task = asyncio.create_task(self._ask(path))

    async def head(self) -> int:
        """The answer's status."""
        await self._has_head.wait()
        return self.status

    async def read_on(self, messages: int) -> None:
        """Takes so many messages more."""
        for _ in range(messages):
            self._allowed.release()

    async def read_all(self) -> None:
        """Takes all that comes, until the server ends the answer."""
        await self.read_on(10_000)
        await self.ended()

    async def ended(self) -> None:
        """Waits until the server ended the answer, by whichever way."""
        async with asyncio.timeout(20):
            await self._task

    async def hang_up(self) -> None:
        """Closes the connection."""
        self._gone.set()
        await self.ended()

    async def _ask(self, path: str) -> None:
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "https",
            "headers": [(b"host", b"id.example.com"), (b"authorization", b"Bearer " + self._service.token.encode())],
            "client": ("198.51.100.7", 50000), "server": ("id.example.com", 443),
        }  # fmt: skip
        with suppress(ClientDisconnect):
            await self._service.world.app.asgi(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self._allowed.acquire()
        if message["type"] == "http.response.start":
            self.status = int(str(message["status"]))
            self._has_head.set()
            return
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        self.body += body
        self.is_whole = not message.get("more_body", False)
