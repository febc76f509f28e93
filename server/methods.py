"""One route a path, so that a method nobody takes there is answered by the edge's own failure, with the right `Allow`.

A router alone would ask the first route of a path only: it would name half of the methods, and in plain text.
"""

from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.failures import Failure

Fail = Callable[[Scope, Failure], ASGIApp]


def one_route_a_path(routes: Sequence[BaseRoute], fail: Fail) -> list[BaseRoute]:
    """The same routes in their order, those of one path joined. Routes that take every method stay as they are."""
    joined: list[BaseRoute] = []
    apps: dict[str, _ByMethod] = {}
    for route in routes:
        if not isinstance(route, Route) or not route.methods:
            joined.append(route)
            continue
        if route.path not in apps:
            apps[route.path] = _ByMethod(fail)
            joined.append(Route(route.path, apps[route.path], name=route.name))
        apps[route.path].add(route)
    return joined


class _ByMethod:
    """What answers at one path."""

    def __init__(self, fail: Fail) -> None:
        self._fail = fail
        self._apps: dict[str, ASGIApp] = {}

    def add(self, route: Route) -> None:
        """Takes a route's methods; the first one that takes a method has it."""
        for method in route.methods or ():
            self._apps.setdefault(method, route.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request: 405 (RFC 9110 §15.5.6) where no route takes its method."""
        app = self._apps.get(scope["method"])
        if app is not None:
            await app(scope, receive, send)
            return
        allow = ", ".join(sorted(self._apps)).encode()

        async def send_allow(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"allow", allow)]
            await send(message)

        await self._fail(scope, Failure.METHOD)(scope, receive, send_allow)
