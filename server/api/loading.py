"""The API as an ASGI application that loads itself when it is first asked."""

import asyncio
from collections.abc import Callable

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from identity.services import Services

PATH = "/api/v1/{rest:path}"


class LoadedLater:
    """Makes the application at the first request, in a thread: its modules take a third of a second to load."""

    def __init__(self, load: Callable[[], ASGIApp]) -> None:
        self._load = load
        self._app: ASGIApp | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, after the application is there."""
        if self._app is None:
            async with self._loading:
                if self._app is None:
                    self._app = await asyncio.to_thread(self._load)
        await self._app(scope, receive, send)


def routes(services: Services) -> list[BaseRoute]:
    """The one route of the whole API, for `server.app`."""

    def load() -> ASGIApp:
        from server.api.application import make_api

        return make_api(services)

    return [Route(PATH, LoadedLater(load))]
