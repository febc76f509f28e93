"""One ASGI connection held open by hand, as a server would, for what an HTTP client cannot show."""

import asyncio
from collections.abc import Callable
from typing import Self

from ostiary.asgi import ASGIApp, Message, Scope


class Connection:
    """Serves `app` in a task, keeps what it sends in `sent`, and hands it what `feed` says; use it as `async with`."""

    def __init__(self, app: ASGIApp, kind: str, token: str, *, path: str = "/", method: str = "GET") -> None:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        self.scope: Scope = {"type": kind, "path": path, "headers": headers, "query_string": b"", "method": method}
        self.sent: list[Message] = []
        self.is_stuck = False
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._serve())
        self.say({"type": f"{self.scope['type']}.{'connect' if self.scope['type'] == 'websocket' else 'request'}"})
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def say(self, message: Message) -> None:
        """Let the application receive this."""
        self._inbox.put_nowait(message)

    async def until(self, is_reached: Callable[[], bool], *, within_s: float = 5) -> None:
        """Wait until something that was sent makes this true."""
        async with asyncio.timeout(within_s):
            while not is_reached():
                self._changed.clear()
                await self._changed.wait()

    async def answered(self) -> None:
        """Wait for the first message."""
        await self.until(lambda: self.sent != [])

    async def end(self, *, within_s: float) -> None:
        """Wait until the application has returned, and raise what it raised."""
        await asyncio.wait_for(asyncio.shield(self.task), within_s)

    async def _serve(self) -> None:
        await self._app(self.scope, self._inbox.get, self._send)

    async def _send(self, message: Message) -> None:
        while self.is_stuck:
            await asyncio.sleep(0.01)
        self.sent.append(message)
        self._changed.set()
