"""A request takes the route of its longest prefix, and no fault of a routes file stays unnamed."""

import json
from pathlib import Path

import pytest

from ostiary import ConfigurationError, Sensitivity
from ostiary.gateway.paths import Ambiguous
from ostiary.gateway.routes import NoRoute, Route, RouteTable, WrongMethod
from ostiary.gateway.routes_file import load_routes, parse_routes
from ostiary.gateway.targets import make_target

ROUTES = """
origins = ["https://app.example.com"]

[[routes]]
name = "orders.read"
prefixes = ["/api/orders"]
methods = ["GET"]
service = "order-processing"
scope = "orders:read"
health = ["/api/orders/health"]

[[routes]]
name = "orders.write"
prefixes = ["/api/orders"]
methods = ["POST", "DELETE"]
service = "order-processing"
scope = "orders:write"
sensitivity = "sensitive"
acr = "urn:ostiary:aal2"
max_age_s = 600

[[routes]]
name = "refunds"
prefixes = ["/api/orders/refunds"]
methods = ["POST"]
scope = "refunds:write"
origins = []

[[routes]]
name = "auth"
prefixes = ["/api/auth"]
public = ["/api/auth"]
websocket = true
"""


@pytest.fixture(scope="module")
def table() -> RouteTable:
    return parse_routes(ROUTES)


def find(table: RouteTable, method: str, path: str) -> Route:
    return table.find(make_target(method=method, scheme="https", host="api.example.com", uri=path))


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/orders", "orders.read"),
        ("HEAD", "/api/orders/17", "orders.read"),
        ("GET", "/api/orders/", "orders.read"),
        ("POST", "/api/orders", "orders.write"),
        ("POST", "/api/orders/refunds", "refunds"),
        ("POST", "/api/orders/refunds/9", "refunds"),
        ("POST", "/api/orders/refundsx", "orders.write"),
        ("PUT", "/api/auth/x/y", "auth"),
    ],
)
def test_the_longest_prefix_wins_on_the_borders_of_segments(
    table: RouteTable, method: str, path: str, name: str
) -> None:
    assert find(table, method, path).name == name


@pytest.mark.parametrize("path", ["/", "/api", "/api/ordersx", "/api/order", "/other", "/api/authx"])
def test_a_path_without_a_route_has_none(table: RouteTable, path: str) -> None:
    """Default deny. S41"""
    with pytest.raises(NoRoute):
        find(table, "GET", path)


def test_a_method_that_a_prefix_does_not_take_never_falls_to_a_shorter_prefix(table: RouteTable) -> None:
    """GET of /api/orders/refunds would otherwise need `orders:read` alone. S42"""
    with pytest.raises(WrongMethod) as refused:
        find(table, "GET", "/api/orders/refunds/9")
    assert refused.value.allowed == ("POST",)
    with pytest.raises(WrongMethod) as refused:
        find(table, "PATCH", "/api/orders")
    assert refused.value.allowed == ("DELETE", "GET", "HEAD", "POST")


@pytest.mark.parametrize("path", ["/API/orders", "/api/Orders/1", "/api/orders/REFUNDS", "/Api/Auth"])
def test_a_path_that_another_reader_would_take_for_a_routes_is_refused(table: RouteTable, path: str) -> None:
    """Some services read paths without their case. S42"""
    with pytest.raises(Ambiguous, match="upper and lower case"):
        find(table, "POST", path)


def test_a_route_says_all_that_the_file_says(table: RouteTable) -> None:
    read, write, refunds, auth = table.routes
    assert (write.service, write.needs.scopes, write.sensitivity) == (
        "order-processing",
        ("orders:write",),
        Sensitivity.SENSITIVE,
    )
    assert write.needs.authentication is not None
    assert (write.needs.authentication.acr, write.needs.authentication.max_age_s) == (("urn:ostiary:aal2",), 600)
    assert read.origins == {"https://app.example.com"}
    assert refunds.origins == frozenset()
    assert (refunds.service, auth.websocket, read.websocket) == ("refunds", True, False)


def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    import tomllib

    document = tomllib.loads(ROUTES)
    file = tmp_path / "routes.json"
    file.write_text(json.dumps(document))
    assert load_routes(file) == parse_routes(ROUTES)


ROUTE = '[[routes]]\nname = "a"\nprefixes = ["/a"]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[routes]\n", "not TOML: .*line 1"),
        ("", "at least one route"),
        ("routes = []", "at least one route"),
        ("routes = [1]", "route 1 must be a table"),
        (ROUTE + "[server]\nport = 1", "unknown: server"),
        ("[[routes]]\nprefixes = ['/a']", "route 1: name must be"),
        ("[[routes]]\nname = 'A b'\nprefixes = ['/a']", "route 1: name must be"),
        ("[[routes]]\nname = 'a'", r"route 1 \(a\): prefixes must name at least one path"),
        ("[[routes]]\nname = 'a'\nprefixes = '/a'", r"route 1 \(a\): prefixes must be a list of strings"),
        ("[[routes]]\nname = 'a'\nprefixes = ['/a/../b']", r"prefixes: '/a/../b': .*segments"),
        ("[[routes]]\nname = 'a'\nprefixes = ['a']", "prefixes: 'a': .*must begin with /"),
        ("[[routes]]\nname = 'a'\nprefixes = ['/a/']", "needless escapes and a slash at its end"),
        ("[[routes]]\nname = 'a'\nprefixes = ['/%61']", "needless escapes"),
        (ROUTE + "prefix = '/b'", r"route 1 \(a\): unknown: prefix"),
        (ROUTE + "methods = ['get']", "methods: 'get' must be a method in upper case"),
        (ROUTE + "scope = 'a b'", "scope must be one scope"),
        (ROUTE + "scope = 7", "scope must be a string"),
        (ROUTE + "sensitivity = 'high'", "sensitivity must be sensitive, ordinary or low"),
        (ROUTE + "websocket = 'yes'", "websocket must be true or false"),
        (ROUTE + "max_age_s = -1", "max_age_s must be a whole number"),
        (ROUTE + "max_age_s = true", "max_age_s must be a whole number"),
        (ROUTE + "public = ['/b']", "public /b must lie under one of its prefixes"),
        (ROUTE + "public = ['/ab']", "public /ab must lie under one of its prefixes"),
        (ROUTE + "health = ['/']", "health / must lie under one of its prefixes"),
        (ROUTE + "origins = ['*']", "must be an origin"),
        (ROUTE + "origins = ['https://app.example.com/']", "must be an origin"),
        (ROUTE + "origins = ['null']", "must be an origin"),
        (ROUTE + ROUTE, "a stands there twice"),
        (ROUTE + ROUTE.replace('"a"', '"b"'), "a and b both take /a"),
        (ROUTE + ROUTE.replace('"a"', '"b"') + "methods = ['GET']", "a and b both take /a"),
        (ROUTE + ROUTE.replace('"a"', '"b"').replace("/a", "/A"), "differ only in upper and lower case"),
    ],
)
def test_a_fault_of_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=words) as refused:
        load_routes(file)
    assert str(refused.value).startswith(f"{file}: ")


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.toml: cannot be read"):
        load_routes(tmp_path / "missing.toml")
