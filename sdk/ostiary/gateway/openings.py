"""Who may pass without a token, and what a connection may turn into: preflights, health paths, WebSockets. No I/O.

Each of these is a door in the wall, so each is told exactly; whatever is not is asked for a token like all else.
"""

from enum import Enum

from ostiary.gateway.paths import Ambiguous
from ostiary.gateway.request_headers import RequestHeaders
from ostiary.gateway.routes import Route, RouteTable, WrongMethod
from ostiary.gateway.targets import Target

ASKED_METHOD = b"access-control-request-method"


class Opening(Enum):
    """How a request gets in."""

    TOKEN = "token"
    PUBLIC = "public"
    HEALTH = "health"
    PREFLIGHT = "preflight"


class OriginRefused(Exception):
    """A page of a site that the route does not name: answer 403."""


class UpgradeRefused(Exception):
    """A WebSocket where the route has none: answer 403."""


def find_opening(table: RouteTable, target: Target, headers: RequestHeaders) -> tuple[Route, Opening]:
    """The route of a request, and what it needs to get in.

    NoRoute, WrongMethod, OriginRefused, UpgradeRefused or Ambiguous where it gets in by no means.
    """
    if is_preflight(target, headers):
        route = _route_of_preflight(table, target, headers)
        check_upgrade(route, target, headers)
        return route, Opening.PREFLIGHT
    route = table.find(target)
    check_upgrade(route, target, headers)
    if route.is_health(target):
        return route, Opening.HEALTH
    return route, Opening.PUBLIC if route.public and route.is_public(target.path) else Opening.TOKEN


def is_preflight(target: Target, headers: RequestHeaders) -> bool:
    """Whether a browser asks what a page may do (Fetch standard, CORS-preflight request); any other OPTIONS is not."""
    return target.method == "OPTIONS" and ASKED_METHOD in headers and b"origin" in headers


def check_upgrade(route: Route, target: Target, headers: RequestHeaders) -> None:
    """Raise unless the connection stays what it is, or becomes a WebSocket of a route that has them.

    `h2c` and the like would carry requests past the gateway that it never sees. A browser tells whose page opens a
    WebSocket and asks nobody else, so a site that the route does not name is refused here (RFC 6455 §10.2).
    """
    wanted = headers.find(b"upgrade")
    if not wanted:
        return
    if wanted.lower() != "websocket":
        raise Ambiguous("the only Upgrade is to websocket")
    if not route.websocket or target.method != "GET":
        raise UpgradeRefused("this route has no WebSocket")
    origin = headers.find(b"origin")
    if origin is not None and origin not in route.origins:
        raise OriginRefused("pages of this origin may not open a WebSocket here")


def _route_of_preflight(table: RouteTable, target: Target, headers: RequestHeaders) -> Route:
    method, origin = headers.find(ASKED_METHOD), headers.find(b"origin")
    candidates = table.candidates(target.path)
    for route in candidates:
        if method and route.takes(method):
            if origin not in route.origins:
                raise OriginRefused("pages of this origin may not call this route")
            return route
    raise WrongMethod(tuple(sorted({name for route in candidates for name in route.methods})))
