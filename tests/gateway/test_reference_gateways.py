"""What honest clients see of the reference gateways: nginx and Caddy with the files of deploy/gateway."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.gateway.edge import PROXIES, Edge, open_edge, parse_reply, read_reply

pytestmark = pytest.mark.slow

APP = "https://app.example.com"


@pytest.fixture(scope="module", params=PROXIES)
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with open_edge(request.param, Path(tmp_path_factory.mktemp(request.param))) as opened:
        yield opened


def test_who_brings_no_token_is_asked_for_one(edge: Edge) -> None:
    """RFC 6750 §3"""
    reply = edge.send("GET", "/api/orders")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="gateway"')
    assert reply.headers["content-type"] == "application/json"
    reply = edge.send("GET", "/api/orders", token="nonsense")
    assert reply.status == 401
    assert 'error="invalid_token"' in reply.headers["www-authenticate"]


def test_a_missing_scope_is_a_403_that_names_it(edge: Edge) -> None:
    reply = edge.send("POST", "/api/orders", token=edge.fake.mint({"scope": "orders:read"}))
    assert reply.status == 403
    assert 'scope="orders:write"' in reply.headers["www-authenticate"]


def test_a_weak_sign_in_hears_which_would_do(edge: Edge) -> None:
    """RFC 9470 §3. S28"""
    weak = {"scope": "payments:write", "acr": "urn:ostiary:aal1", "auth_time": int(edge.fake.clock())}
    reply = edge.send("POST", "/api/payments", token=edge.fake.mint(weak))
    assert reply.status == 401
    assert 'acr_values="urn:ostiary:aal2", max_age="3600"' in reply.headers["www-authenticate"]
    strong = edge.fake.mint({**weak, "acr": "urn:ostiary:aal2"})
    assert edge.send("POST", "/api/payments", token=strong).status == 200


def test_what_is_no_route_and_no_method_is_told_by_its_own_status(edge: Edge) -> None:
    token = edge.fake.mint({"scope": "orders:read"})
    assert edge.send("GET", "/api/nothing", token=token).status == 404
    reply = edge.send("POST", "/api/notifications", token=token)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


def test_bodies_and_queries_arrive_whole(edge: Edge) -> None:
    token = edge.fake.mint({"scope": "orders:write"})
    body = b'{"a": 1}'
    reply = edge.send("POST", "/api/orders?x=1", f"Content-Length: {len(body)}", token=token, body=body)
    assert (reply.status, reply.body) == (200, b'{"service": "orders"}')
    assert edge.orders.arrived[-1].target == "/api/orders?x=1"
    assert edge.orders.arrived[-1].said("content-length") == [str(len(body))]


def test_public_and_health_paths_pass_without_an_identity(edge: Edge) -> None:
    for path in ("/api/auth/oauth/token", "/api/users/health"):
        assert edge.send("GET", path, "X-User-Id: root").status == 200
        assert edge.others.arrived[-1].target == path
        assert edge.others.arrived[-1].said("x-user-id") in ([], [""])
    assert edge.send("GET", "/health").status == 200
    assert edge.send("POST", "/api/users/health").status == 401


def test_a_page_may_call_from_a_known_site_alone(edge: Edge) -> None:
    """The preflight is answered here and reaches nobody."""
    before = edge.arrived()
    asked = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"]
    reply = edge.send("OPTIONS", "/api/orders", f"Origin: {APP}", *asked)
    assert reply.status in (200, 204)
    assert reply.headers["access-control-allow-origin"] == APP
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "Authorization" in reply.headers["access-control-allow-headers"]
    reply = edge.send("OPTIONS", "/api/orders", "Origin: https://evil.test", *asked)
    assert "access-control-allow-origin" not in reply.headers
    assert edge.arrived() == before
    reply = edge.send("GET", "/api/orders", f"Origin: {APP}")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (401, APP)
    assert "access-control-allow-origin" not in edge.send("GET", "/api/orders", "Origin: https://evil.test").headers


def test_an_options_request_that_is_no_preflight_needs_a_token(edge: Edge) -> None:
    before = edge.arrived()
    assert edge.send("OPTIONS", "/api/files/1").status == 401
    assert edge.send("OPTIONS", "/api/files/1", f"Origin: {APP}").status == 401
    assert edge.arrived() == before


def test_every_answer_has_the_security_headers(edge: Edge) -> None:
    token = edge.fake.mint({"scope": "orders:read"})
    for reply in (edge.send("GET", "/api/orders", token=token), edge.send("GET", "/api/orders")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["strict-transport-security"].startswith("max-age=31536000")
        assert reply.headers["vary"] == "Origin"
        assert not {"x-user-id", "x-ostiary-service", "txn-token"} & set(reply.headers)


def open_websocket(edge: Edge, path: str, *lines: str, token: str) -> bytes:
    """What comes back when a WebSocket is asked for, and what follows when it opens."""
    asked = [f"GET {path} HTTP/1.1", "Host: api.example.com", f"Authorization: Bearer {token}"]
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*asked, *upgrade, key, *lines, "", ""]).encode())
        received = connection.recv(65_536)
        if b" 101 " in received.split(b"\r\n")[0]:
            connection.sendall(b"hello")
            while b"hello" not in received and (more := connection.recv(65_536)):
                received += more
        return received


def test_a_websocket_opens_on_its_route_with_a_token(edge: Edge) -> None:
    token = edge.fake.mint({"sub": "usr_7", "scope": "notifications:read"})
    received = open_websocket(edge, "/api/notifications/live", f"Origin: {APP}", token=token)
    assert parse_reply(received).status == 101
    assert b"echo hello" in received
    arrived = edge.others.arrived[-1]
    assert arrived.said("x-user-id") == ["usr_7"]
    assert arrived.said("upgrade") == ["websocket"]


def test_a_websocket_opens_for_nobody_else(edge: Edge) -> None:
    """Another site's page, no scope, no token, another route."""
    good = edge.fake.mint({"scope": "notifications:read"})
    before = edge.arrived()
    evil = open_websocket(edge, "/api/notifications/live", "Origin: https://evil.test", token=good)
    assert parse_reply(evil).status == 403
    other = edge.fake.mint({"scope": "orders:read"})
    assert parse_reply(open_websocket(edge, "/api/notifications/live", token=other)).status == 403
    assert parse_reply(open_websocket(edge, "/api/notifications/live", token="x")).status == 401
    assert parse_reply(open_websocket(edge, "/api/orders", token=other)).status == 403
    assert edge.arrived() == before


def test_a_connection_serves_many_requests(edge: Edge) -> None:
    token = edge.fake.mint({"scope": "orders:read"})
    request = f"GET /api/orders HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection:
        for _ in range(5):
            connection.sendall(request)
            reply = read_reply(connection)
            assert (reply.status, reply.body) == (200, b'{"service": "orders"}')


@pytest.mark.parametrize("kind", PROXIES)
def test_nothing_passes_while_the_adapter_is_away_or_cannot_judge(kind: str, tmp_path: Path) -> None:
    """Never a 401, which would send people to sign in again in vain. I6"""
    with ExitStack() as stack:
        edge = stack.enter_context(open_edge(kind, tmp_path))
        tokens = [edge.fake.mint({"scope": "orders:read"}) for _ in range(2)]
        edge.fake.go_down()
        reply = edge.send("GET", "/api/orders", token=tokens[0])
        assert reply.status == 503
        # To Envoy a 5xx is a failure of its own asking, and it tells no more than the status.
        if kind != "envoy":
            assert int(reply.headers["retry-after"]) >= 1
            assert json.loads(reply.body)["error"] == "temporarily_unavailable"
        edge.fake.come_back()
        edge.gateway.stop()
        assert edge.send("GET", "/api/orders", token=tokens[1]).status in (502, 503)
        assert edge.send("GET", "/api/orders").status in (502, 503)
        assert edge.arrived() == 0


@pytest.mark.parametrize("kind", PROXIES)
def test_who_asks_too_often_hears_when_to_come_back(kind: str, tmp_path: Path) -> None:
    """RFC 6585 §4, also where nginx would know a 403 alone."""
    with open_edge(kind, tmp_path, OSTIARY_GATEWAY_RATE_PER_PERSON="2/900") as edge:
        token = edge.fake.mint({"sub": "usr_eager", "scope": "orders:read"})
        assert [edge.send("GET", "/api/orders", token=token).status for _ in range(3)] == [200, 200, 429]
        reply = edge.send("GET", "/api/orders", token=token)
        assert int(reply.headers["retry-after"]) > 0
        assert edge.send("GET", "/api/orders", token=edge.fake.mint({"scope": "orders:read"})).status == 200
        assert len(edge.orders.arrived) == 3
