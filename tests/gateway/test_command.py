"""`ostiary-gateway` as a process: it starts, tells how it is, reads targets whole, and follows revocations."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ostiary import SyncVerifier
from ostiary.values import TXN_TOKEN
from tests.gateway.edge import Reply, parse_reply, read_reply, start_gateway
from tests.gateway.toys import serving_issuer
from tests.services import Service

ALWAYS = ["X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: api.example.com"]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """The command without a feed, and a good token."""
    with ExitStack() as stack:
        fake = stack.enter_context(serving_issuer())
        folder = Path(tmp_path_factory.mktemp("gateway"))
        yield start_gateway(folder, fake, stack), fake.mint({"sub": "usr_7", "scope": "orders:read"}, ttl_s=900)


def ask(service: Service, target: str, *lines: str, method: str = "GET") -> Reply:
    """The reply to a request written byte for byte."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        asked = [f"{method} {target} HTTP/1.1", "Connection: close", *lines, "", ""]
        connection.sendall("\r\n".join(asked).encode("latin-1"))
        received = b""
        while more := connection.recv(65_536):
            received += more
    return parse_reply(received)


def test_it_tells_how_it_is(started: tuple[Service, str]) -> None:
    assert ask(started[0], "/health/live").status == 200
    assert ask(started[0], "/health/ready").status == 200
    assert "server" not in ask(started[0], "/health/live").headers


def test_envoy_is_answered_by_its_published_protocol(started: tuple[Service, str]) -> None:
    """The held request's own method, host and path behind a prefix; 200 is a yes, anything else goes to the client."""
    service, token = started
    host, bearer = "Host: api.example.com", f"Authorization: Bearer {token}"
    reply = ask(service, "/ext-authz/api/orders/17?x=%2F", host, bearer)
    assert (reply.status, reply.headers["x-user-id"], reply.body) == (200, "usr_7", b"")
    assert reply.headers["x-ostiary-service"] == "order-processing"
    assert "x-original-url" in reply.headers["x-envoy-auth-headers-to-remove"]
    assert ask(service, "/ext-authz/api/orders", host).status == 401
    assert ask(service, "/ext-authz/api/orders", host, bearer, method="POST").status == 403
    head = ask(service, "/ext-authz/api/orders", host, method="HEAD")
    assert (head.status, head.body) == (401, b"")
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "target",
    [
        "/ext-authz/api/orders#x",
        "/ext-authz/api/orders?x#y",
        "/ext-authz/api/orders/../admin",
        "/ext-authz/../health/live",
        "/ext-authz//api/orders",
        "/ext-authz/api/orders%2f..%2fadmin",
        "http://api.example.com/ext-authz/api/orders",
        "/ext-authz/api/orders/%2e%2e",
    ],
)
def test_a_target_is_read_whole(started: tuple[Service, str], target: str) -> None:
    """The HTTP reader would drop a fragment, which the service would still get from Envoy. S42"""
    service, token = started
    reply = ask(service, target, "Host: api.example.com", f"Authorization: Bearer {token}")
    assert reply.status == 400


def test_two_hosts_are_refused(started: tuple[Service, str]) -> None:
    """S42"""
    service, token = started
    two = ["Host: api.example.com", "Host: internal"]
    reply = ask(service, "/ext-authz/api/orders", *two, f"Authorization: Bearer {token}")
    assert reply.status == 400
    assert b"exactly one Host" in reply.body


def test_an_upgrade_leaves_the_connection_readable(started: tuple[Service, str]) -> None:
    """Caddy passes Upgrade on with its question, and asks on over the same connection."""
    service, token = started
    lines = [*ALWAYS, "Host: gateway", f"Authorization: Bearer {token}", "X-Forwarded-Uri: /api/orders"]
    first = ["GET /forward-auth HTTP/1.1", *lines, "Connection: Upgrade", "Upgrade: websocket", "", ""]
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall("\r\n".join(first).encode())
        assert read_reply(connection).status == 403
        connection.sendall("\r\n".join(["GET /forward-auth HTTP/1.1", *lines, "", ""]).encode())
        assert read_reply(connection).status == 200


def test_a_stranger_is_not_answered(tmp_path: Path) -> None:
    """S34"""
    with ExitStack() as stack:
        fake = stack.enter_context(serving_issuer())
        service = start_gateway(tmp_path, fake, stack, OSTIARY_GATEWAY_TRUSTED_PROXIES="10.0.0.0/8")
        spoofed = "X-Forwarded-For: 10.0.0.1"
        reply = ask(service, "/forward-auth", "Host: x", *ALWAYS, "X-Forwarded-Uri: /api/auth", spoofed)
        assert (reply.status, b"unknown_proxy" in reply.body) == (403, True)


def test_a_route_with_an_audience_gets_a_token_of_its_own_by_exchange(tmp_path: Path) -> None:
    """RFC 8693: for that API alone, in the caller's name; the caller's own token goes no further."""
    routes = tmp_path / "routes.toml"
    route = '[[routes]]\nname = "orders"\nprefixes = ["/api/orders"]\nscope = "orders:read"\n'
    routes.write_text(route + 'audience = "https://orders.example.com"\n')
    with ExitStack() as stack:
        fake = stack.enter_context(serving_issuer())
        fake.clients["cli_gateway"] = "secret"
        named = {"OSTIARY_GATEWAY_CLIENT_ID": "cli_gateway", "OSTIARY_GATEWAY_CLIENT_SECRET": "secret"}
        service = start_gateway(tmp_path / "gateway", fake, stack, OSTIARY_GATEWAY_ROUTES=str(routes), **named)
        token = fake.mint({"sub": "usr_7", "scope": "orders:read"})
        lines = [*ALWAYS, "Host: x", "X-Forwarded-Uri: /api/orders"]
        reply = ask(service, "/forward-auth", *lines, f"Authorization: Bearer {token}")
        assert (reply.status, reply.headers["authorization"], reply.headers["x-user-id"]) == (200, "", "usr_7")
        inner = SyncVerifier(fake.issuer, "https://orders.example.com", typ=TXN_TOKEN).verify(
            reply.headers["txn-token"]
        )
        assert inner.sub == "usr_7"
        fake.clients["cli_gateway"] = "changed"
        other = fake.mint({"sub": "usr_8", "scope": "orders:read"})
        reply = ask(service, "/forward-auth", *lines, f"Authorization: Bearer {other}")
        assert (reply.status, reply.headers["txn-token"]) in ((403, ""), (503, ""))


def test_without_the_feed_it_is_alive_and_not_ready(tmp_path: Path) -> None:
    """The issuer has no feed: nothing is known of revocations, so nothing is let through. I6"""
    with ExitStack() as stack:
        fake = stack.enter_context(serving_issuer())
        fake.clients["cli_gateway"] = "secret"
        named = {"OSTIARY_GATEWAY_CLIENT_ID": "cli_gateway", "OSTIARY_GATEWAY_CLIENT_SECRET": "secret"}
        service = start_gateway(tmp_path, fake, stack, OSTIARY_GATEWAY_WITHOUT_FEED="off", **named)
        assert ask(service, "/health/live").status == 200
        assert ask(service, "/health/ready").status == 503
