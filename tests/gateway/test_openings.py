"""Preflights, health paths, public paths and WebSockets are doors, each exactly as wide as it is told."""

import pytest

from ostiary.gateway.openings import Opening, OriginRefused, UpgradeRefused, find_opening
from ostiary.gateway.paths import Ambiguous
from ostiary.gateway.request_headers import RequestHeaders
from ostiary.gateway.routes import NoRoute, RouteTable, WrongMethod
from ostiary.gateway.routes_file import parse_routes
from ostiary.gateway.targets import make_target

APP = "https://app.example.com"
ROUTES = f"""
[[routes]]
name = "orders"
prefixes = ["/api/orders"]
methods = ["GET", "POST"]
scope = "orders:read"
health = ["/api/orders/health"]
origins = ["{APP}"]

[[routes]]
name = "auth"
prefixes = ["/api/auth"]
public = ["/api/auth/signin"]

[[routes]]
name = "live"
prefixes = ["/api/live"]
websocket = true
origins = ["{APP}"]
"""


@pytest.fixture(scope="module")
def table() -> RouteTable:
    return parse_routes(ROUTES)


def opening(table: RouteTable, method: str, path: str, **headers: str) -> tuple[str, Opening]:
    target = make_target(method=method, scheme="https", host="api.example.com", uri=path)
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    route, found = find_opening(table, target, RequestHeaders(pairs))
    return route.name, found


def test_most_requests_need_a_token(table: RouteTable) -> None:
    assert opening(table, "GET", "/api/orders") == ("orders", Opening.TOKEN)
    assert opening(table, "GET", "/api/auth/x") == ("auth", Opening.TOKEN)


def test_a_public_path_is_open_and_nothing_beside_it(table: RouteTable) -> None:
    assert opening(table, "POST", "/api/auth/signin") == ("auth", Opening.PUBLIC)
    assert opening(table, "POST", "/api/auth/signin/totp") == ("auth", Opening.PUBLIC)
    assert opening(table, "POST", "/api/auth/signinx") == ("auth", Opening.TOKEN)


def test_a_health_path_is_exact_and_can_only_be_read(table: RouteTable) -> None:
    assert opening(table, "GET", "/api/orders/health") == ("orders", Opening.HEALTH)
    assert opening(table, "HEAD", "/api/orders/health") == ("orders", Opening.HEALTH)
    assert opening(table, "POST", "/api/orders/health") == ("orders", Opening.TOKEN)
    assert opening(table, "GET", "/api/orders/health/x") == ("orders", Opening.TOKEN)
    assert opening(table, "GET", "/api/orders/health/") == ("orders", Opening.TOKEN)


def test_a_preflight_of_a_known_site_for_a_known_method_passes(table: RouteTable) -> None:
    asked = {"origin": APP, "access_control_request_method": "POST"}
    assert opening(table, "OPTIONS", "/api/orders/17", **asked) == ("orders", Opening.PREFLIGHT)


def test_a_preflight_is_no_way_around_anything(table: RouteTable) -> None:
    asked = {"origin": APP, "access_control_request_method": "POST"}
    with pytest.raises(NoRoute):
        opening(table, "OPTIONS", "/api/payments", **asked)
    with pytest.raises(OriginRefused, match="may not call this route"):
        opening(table, "OPTIONS", "/api/orders", **{**asked, "origin": "https://evil.test"})
    with pytest.raises(OriginRefused):
        opening(table, "OPTIONS", "/api/auth/x", **asked)
    with pytest.raises(WrongMethod):
        opening(table, "OPTIONS", "/api/orders", **{**asked, "access_control_request_method": "DELETE"})
    with pytest.raises(WrongMethod):
        opening(table, "OPTIONS", "/api/orders", **{**asked, "access_control_request_method": ""})


def test_a_request_that_only_looks_like_a_preflight_is_none(table: RouteTable) -> None:
    assert opening(table, "POST", "/api/orders", origin=APP, access_control_request_method="POST")[1] is Opening.TOKEN
    assert opening(table, "OPTIONS", "/api/auth/x")[1] is Opening.TOKEN
    with pytest.raises(WrongMethod):
        opening(table, "OPTIONS", "/api/orders", origin=APP)


def test_a_websocket_opens_where_its_route_has_one_and_its_page_is_known(table: RouteTable) -> None:
    assert opening(table, "GET", "/api/live", upgrade="websocket", origin=APP) == ("live", Opening.TOKEN)
    assert opening(table, "GET", "/api/live", upgrade="WebSocket") == ("live", Opening.TOKEN)
    with pytest.raises(OriginRefused, match="may not open a WebSocket"):
        opening(table, "GET", "/api/live", upgrade="websocket", origin="https://evil.test")
    with pytest.raises(UpgradeRefused):
        opening(table, "GET", "/api/orders", upgrade="websocket")
    with pytest.raises(UpgradeRefused):
        opening(table, "POST", "/api/live", upgrade="websocket")
    with pytest.raises(UpgradeRefused):
        opening(table, "GET", "/api/orders/health", upgrade="websocket")


@pytest.mark.parametrize("wanted", ["h2c", "websocket, h2c", "TLS/1.0", "websocket "])
def test_no_connection_turns_into_something_that_carries_unseen_requests(table: RouteTable, wanted: str) -> None:
    """h2c smuggling. S42"""
    with pytest.raises(Ambiguous, match="only Upgrade"):
        opening(table, "GET", "/api/live", upgrade=wanted)
