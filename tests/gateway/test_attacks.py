"""The attack list, through each real proxy with its reference configuration: what is decided is what is forwarded."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.gateway.edge import PROXIES, Edge, open_edge
from tests.gateway.toys import Arrived

pytestmark = pytest.mark.slow

# What the caller's token says; everything else in these headers would be a lie.
TRUTH = {
    "x-user-id": "usr_7",
    "x-user-roles": "clerk",
    "x-user-groups": "",
    "x-client-id": "cli_test",
    "x-scopes": "orders:read",
    "x-acr": "",
    "x-amr": "",
    "x-auth-time": "",
    "x-risk": "",
    "x-session-id": "",
    "x-ostiary-route": "orders.read",
    "x-ostiary-service": "order-processing",
    "txn-token": "",
}
NEVER = (
    "x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url",
    "x-forwarded-prefix", "x-forwarded-uri", "x-forwarded-method", "x-original-uri", "x-original-method", "forwarded",
)  # fmt: skip


@pytest.fixture(scope="module", params=PROXIES)
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = Path(tmp_path_factory.mktemp(request.param))
    with open_edge(request.param, folder) as opened:
        yield opened


@pytest.fixture
def token(edge: Edge) -> str:
    edge.orders.arrived.clear()
    edge.others.arrived.clear()
    return edge.fake.mint({"sub": "usr_7", "scope": "orders:read", "roles": ["clerk"]})


def paths_read_by_services(arrived: Arrived) -> set[str]:
    """The path as services of all kinds may read it: decoded never, once or twice, with and without its dots."""
    path = urlsplit(arrived.target).path
    decoded = {path, unquote(path), unquote(unquote(path))}
    plain = {each.replace("\\", "/").replace(";", "/").split("\0")[0] for each in decoded}
    return {posixpath.normpath(each).lower() for each in plain | decoded}


def check_arrived(edge: Edge, *, truth: dict[str, str] = TRUTH) -> None:
    """Whatever reached a service is what was decided: its headers are true, and any reading of its path is orders'."""
    assert edge.others.arrived == []
    for arrived in edge.orders.arrived:
        for name, value in truth.items():
            assert arrived.said(name) in ([value], [] if value == "" else [value]), name
        assert all(arrived.said(name) == [] for name in NEVER)
        for path in paths_read_by_services(arrived):
            assert path == "/api/orders" or path.startswith("/api/orders/"), path
        assert arrived.method in ("GET", "HEAD")
        assert arrived.said("host") == ["api.example.com"]


def test_an_honest_request_arrives_as_it_was_sent(edge: Edge, token: str) -> None:
    reply = edge.send("GET", "/api/orders/17?x=%2F..%2F&y=a%20b", "X-Custom: kept", token=token)
    assert (reply.status, reply.body) == (200, b'{"service": "orders"}')
    [arrived] = edge.orders.arrived
    assert arrived.target == "/api/orders/17?x=%2F..%2F&y=a%20b"
    assert arrived.said("x-custom") == ["kept"]
    # Envoy takes its own address for a client on loopback.
    assert len(arrived.said("x-forwarded-for")) == 1
    check_arrived(edge)


@pytest.mark.parametrize("name", [*TRUTH, "x-ostiary-anything", "x-request-id"])
@pytest.mark.parametrize("dash", ["-", "_"])
def test_spoofed_identity_headers_never_arrive(edge: Edge, token: str, name: str, dash: str) -> None:
    """S34, S42"""
    spoofed = [f"{name.replace('-', dash)}: root", f"{name.replace('-', dash).upper()}: root"]
    reply = edge.send("GET", "/api/orders", *spoofed, token=token)
    assert reply.status in (200, 400)
    for arrived in edge.orders.arrived:
        assert name == "x-ostiary-anything" or "root" not in arrived.said(name)
    check_arrived(edge)


@pytest.mark.parametrize("first", ["x-user_id", "x_user-id", "X-uSeR_iD"])
def test_identity_headers_that_mix_dashes_and_underscores_never_arrive(edge: Edge, token: str, first: str) -> None:
    """S42"""
    assert edge.send("GET", "/api/orders", f"{first}: root", token=token).status in (200, 400)
    check_arrived(edge)


def test_a_connection_header_cannot_take_identity_headers_away(edge: Edge, token: str) -> None:
    """A header that `Connection` names is for the next hop alone, and would be dropped behind the judge. S42"""
    named = "X-User-Id, X-Scopes, Authorization, X-Ostiary-Route, X-Original-URI, X-Forwarded-Uri"
    sent = f"GET /api/orders HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n"
    reply = edge.send_raw(f"{sent}Connection: close, {named}\r\n\r\n".encode())
    assert reply.status in (200, 400, 401)
    check_arrived(edge)


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-Uri: /api/auth/x",
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-Host: internal",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Prefix: /api/orders",
        "X-Original-URI: /api/auth/x",
        "X-Original-URL: /api/auth/x",
        "X-Rewrite-URL: /api/auth/x",
        "X-Original-Method: OPTIONS",
        "Forwarded: for=10.0.0.1;host=internal",
    ],
)
def test_headers_that_name_another_path_change_nothing(edge: Edge, token: str, header: str) -> None:
    """`X-Forwarded-Uri` of an open path does not open a closed one, nor does it reach the service. S34, S42"""
    assert edge.send("GET", "/api/orders", header).status in (400, 401)
    assert edge.send("POST", "/api/orders", header, token=token).status in (400, 403)
    assert edge.arrived() == 0
    edge.send("GET", "/api/orders", header, token=token)
    check_arrived(edge)


TRICKS = (
    "/api/orders/../admin", "/api/orders/..", "/api/orders/./../admin", "/api/orders/../../api/admin",
    "/api/orders/%2e%2e/admin", "/api/orders/.%2e/admin", "/api/orders/%2E./admin", "/api/orders/..%2fadmin",
    "/api/orders/%2e%2e%2fadmin", "/api/orders%2f..%2fadmin", "/api/orders/..%5cadmin", "/api/orders\\..\\admin",
    "/api/orders/%5c..%5cadmin", "/api/orders//../admin", "//api/admin", "/api//admin", "/api/orders//17",
    "/api/orders/%252e%252e/admin", "/api/orders/%252e%252e%252fadmin", "/api/orders%252f..%252fadmin",
    "/api/orders/%c0%ae%c0%ae/admin", "/api/orders/%00/../admin", "/api/orders%00", "/api/orders/..;/admin",
    "/api/orders;/../admin", "/api/orders;x=1", "/api/orders/%3b/../admin", "/api/orders#/../admin",
    "/api/orders#x", "/api/orders%23/../admin", "/api/orders?x#/api/admin", "/api/orders%3f/../admin",
    "/api/orders/%0d%0aX-User-Id:%20root", "/api/orders%", "/api/orders%zz", "/API/ORDERS", "/Api/orders",
    "/api/auth/../orders", "/api/auth/..%2forders", "/api/auth/%2e%2e/admin", "/api/auth/..;/admin",
    "http://internal/api/admin", "http://internal/api/orders/../admin", "/api/orders/\xe9",
)  # fmt: skip


@pytest.mark.parametrize("target", TRICKS)
def test_no_way_of_writing_a_path_leads_elsewhere(edge: Edge, token: str, target: str) -> None:
    """Encoded slashes, dot segments, fragments, double encoding, absolute targets. S42"""
    reply = edge.send("GET", target, token=token)
    assert reply.status in (400, 403, 404), reply.body
    assert edge.arrived() == 0
    # Public paths are no way in either.
    assert edge.send("GET", target).status in (400, 401, 403, 404)
    assert edge.arrived() == 0


def test_an_absolute_target_is_judged_by_what_is_forwarded(edge: Edge, token: str) -> None:
    """RFC 9112 §3.2.2: the host of the target counts, and Host does not. S42"""
    reply = edge.send("GET", "http://api.example.com/api/orders/1", token=token)
    assert reply.status in (200, 400)
    check_arrived(edge)


@pytest.mark.parametrize(
    "hosts",
    [
        "Host: api.example.com\r\nHost: internal",
        "Host: internal\r\nHost: api.example.com",
        "Host: a, b",
        "Host: a@b",
        "",
    ],
)
def test_two_hosts_or_none_are_refused(edge: Edge, token: str, hosts: str) -> None:
    """A double Host. S42"""
    lines = [f"GET /api/orders HTTP/1.1\r\n{hosts}".rstrip(), f"Authorization: Bearer {token}", "Connection: close"]
    reply = edge.send_raw("\r\n".join([*lines, "", ""]).encode())
    assert reply.status == 400
    assert edge.arrived() == 0


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_header_that_names_another_method_never_arrives(edge: Edge, token: str, name: str) -> None:
    """S42"""
    assert edge.send("GET", "/api/orders", f"{name}: DELETE", token=token).status == 200
    assert edge.send("GET", "/api/orders", f"{name.replace('-', '_')}: DELETE", token=token).status in (200, 400)
    check_arrived(edge)
    # Nor does it make a refused method a good one.
    assert edge.send("DELETE", "/api/orders", f"{name}: GET", token=token).status == 403


@pytest.mark.parametrize("method", ["get", "TRACE", "CONNECT", "GETX", "PROPFIND"])
def test_other_methods_get_nowhere(edge: Edge, token: str, method: str) -> None:
    assert edge.send(method, "/api/orders", token=token).status in (400, 403, 405, 501)
    assert edge.arrived() == 0


@pytest.mark.parametrize("wanted", ["h2c", "websocket", "h2c, websocket"])
def test_an_upgrade_where_there_is_none_reaches_nothing(edge: Edge, token: str, wanted: str) -> None:
    """h2c smuggling. S42"""
    lines = [
        "GET /api/orders HTTP/1.1",
        "Host: api.example.com",
        f"Authorization: Bearer {token}",
        f"Upgrade: {wanted}",
    ]
    more = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    reply = edge.send_raw(("\r\n".join(lines) + "\r\n" + more).encode())
    if edge.kind == "envoy" and wanted == "h2c":
        # Envoy may ignore what it does not speak (RFC 9110 §7.8): then it is a request like any other.
        assert all(arrived.said("upgrade") == [] for arrived in edge.orders.arrived)
    else:
        assert reply.status in (400, 403)
        assert edge.arrived() == 0


def test_the_adapters_own_address_cannot_be_asked_from_outside(edge: Edge) -> None:
    for path in ("/_ostiary", "/auth-request", "/forward-auth", "/ext-authz/api/orders", "/health/ready"):
        assert edge.send("GET", path, "X-Original-URI: /api/auth", "X-Forwarded-Uri: /api/auth").status == 404
    assert edge.arrived() == 0


def test_a_second_request_behind_the_first_is_judged_for_itself(edge: Edge, token: str) -> None:
    """Both a length and chunks: request smuggling (RFC 9112 §6.3)."""
    body = f"0\r\n\r\nGET /api/admin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    lines = ["GET /api/orders HTTP/1.1", "Host: api.example.com", f"Authorization: Bearer {token}"]
    more = [f"Content-Length: {len(body)}", "Transfer-Encoding: chunked", "Connection: close"]
    edge.send_raw("\r\n".join([*lines, *more, "", body]).encode())
    time.sleep(0.05)
    check_arrived(edge)
