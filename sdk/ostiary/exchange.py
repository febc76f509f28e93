"""Connections behind the guard that stay open, and the way to end one while the application still serves it (asyncio).

Nearly every request is over before anybody could end it: nothing of this is made for those.
"""

import asyncio
import threading
from collections.abc import Awaitable
from enum import IntEnum
from typing import Protocol, cast

from ostiary.asgi_types import Message, Send
from ostiary.bearer import parse_credentials
from ostiary.failure_policy import Sensitivity
from ostiary.values import AccessToken

CLOSE_TIMEOUT_S = 1.0


class EndCode(IntEnum):
    """Why a connection ended, as a WebSocket's close code.

    4000 to 4999 belong to applications (RFC 6455 §7.4.2); 1013 says "try again later".
    """

    TOKEN_REFUSED = 4401
    TRY_AGAIN_LATER = 1013


class ConnectionEnded(OSError):
    """Sending on a connection that was ended under the application's hands: as if the peer had gone."""


class OpenConnection:
    """A WebSocket or a streamed answer, served by `task`, and the way to end it."""

    def __init__(
        self,
        send: Send,
        *,
        token: AccessToken,
        raw: str,
        sensitivity: Sensitivity,
        task: "asyncio.Task[object]",
        kind: object,
    ) -> None:
        self.token = token
        self.raw = raw
        self.kid = ""
        self.sensitivity = sensitivity
        self.ended: EndCode | None = None
        self._send = send
        self._kind = kind
        self._task = task
        self._is_served = True
        self._cancels: int | None = None
        self._closing: asyncio.Task[None] | None = None

    def send(self, message: Message) -> Awaitable[None]:
        """Pass on what the application answers; ConnectionEnded once it may say no more."""
        if self.ended is not None:
            raise ConnectionEnded("the connection was ended: its token no longer holds")
        return self._send(message)

    def end(self, code: EndCode) -> None:
        """End the connection: close the WebSocket, then stop the application where it stands."""
        if self.ended is not None:
            return
        self.ended = code
        if self._kind == "websocket":
            # In a task of its own: the peer may have stopped reading, and the application may be slow to stop.
            self._closing = asyncio.create_task(self._close(code))
        else:
            self._cancel()

    def was_stopped_by_us(self) -> bool:
        """Whether the cancellation that arrived is ours alone; one from outside must go on."""
        return self._cancels is not None and self._task.cancelling() <= self._cancels + 1

    def leave(self) -> None:
        """The application has returned: from now on there is nothing to stop."""
        if self._cancels is not None:
            self._task.uncancel()
        self._is_served = False

    async def finish(self) -> None:
        """After the application: let a stream of events end whole, and any other one visibly cut.

        A client takes a response that ends well for complete, which a cut file must never seem. Of events each stands
        for itself, and who lost the stream asks again by itself, and is told why it is refused.
        """
        if self._closing is not None:
            await self._closing
        elif self._kind == "event stream":
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _close(self, code: EndCode) -> None:
        reason = "invalid_token" if code is EndCode.TOKEN_REFUSED else "temporarily_unavailable"
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._send({"type": "websocket.close", "code": int(code), "reason": reason})
        except (OSError, RuntimeError):
            pass  # the peer went first, which is what was wanted
        self._cancel()

    def _cancel(self) -> None:
        if self._is_served and self._cancels is None:
            self._cancels = self._task.cancelling()
            self._task.cancel()


class Watcher(Protocol):
    """Who looks after open connections, and ends them."""

    def take(self, connection: OpenConnection) -> None:
        """Look after it from now on."""
        ...

    def leave(self, connection: OpenConnection) -> None:
        """Forget it: it is over."""
        ...


class TaskFinder(threading.local):
    """Finds the task that runs in this thread without asking the system, which Python 3.11 does to find the loop."""

    # To begin with, what never runs: None would ask the system each time.
    loop = cast("asyncio.AbstractEventLoop", object())

    def find(self) -> "asyncio.Task[object] | None":
        """The running task by the running loop, which is remembered: `asyncio.current_task(loop)` tells it next time.

        That says None as soon as the thread runs another loop.
        """
        self.loop = asyncio.get_running_loop()
        return asyncio.current_task(self.loop)


def open_connection(
    send: Send, token: AccessToken, header: bytes, sensitivity: Sensitivity, task: "asyncio.Task[object]", kind: str
) -> OpenConnection:
    """The connection that a message of this kind opens, for a request that was admitted within `task`."""
    if task.get_loop() is not asyncio.get_running_loop():
        # Only where a loop has moved to another thread, where it is not to be cancelled from here.
        task = asyncio.current_task() or task
    return OpenConnection(
        send, token=token, raw=parse_credentials(header), sensitivity=sensitivity, task=task, kind=kind
    )


def kind_of_stream(message: Message) -> str | None:
    """What a message opens: `websocket`, `event stream`, `stream`; None for an answer of one piece."""
    kind = message["type"]
    if kind == "http.response.start":
        headers = message.get("headers")
        for name, value in headers if isinstance(headers, list) else (headers if isinstance(headers, tuple) else ()):
            if name == b"content-length":
                # Said in one piece mostly; where it is not, its parts will tell.
                return None
            if name == b"content-type" and value.startswith(b"text/event-stream"):
                return "event stream"
        is_told = isinstance(headers, (list, tuple)) and message["status"] not in (204, 304)
        return "stream" if is_told else None
    if kind == "http.response.body":
        return "stream" if message.get("more_body") else None
    return "websocket" if kind == "websocket.accept" else None
