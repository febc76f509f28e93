"""What an edge says of the TLS handshake: a short digest, from trusted proxies alone (S34)."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from base.pages import Pages
from server.edge import Edge, EdgeParts
from server.failures import make_failure_answers
from server.metrics import Metrics
from server.places import tls_header
from server.settings import load_settings

pytestmark = pytest.mark.anyio

PEER, OURS, OTHERS = "198.51.100.7", ("198.51.100.0/24",), ("203.0.113.0/24",)
JA4 = "t13d1516h2_8daaf6152771_b186095e22b6"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what the edge established."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(scope.get("ostiary.tls_fact")).encode()})


async def told(*headers: tuple[str, str], name: bytes | None = b"x-ja4", proxies: tuple[str, ...] = OURS) -> str | None:
    """What reaches the application from a request whose peer is 198.51.100.7."""
    parts = EdgeParts(
        fail=make_failure_answers(Pages(service_name="Ostiary", folders=())),
        origins=frozenset,
        metrics=Metrics(),
        access_log=None,
        trusted_proxies=[ip_network(text) for text in proxies],
        tls_header=name,
    )
    transport = httpx2.ASGITransport(Edge(answer, parts), client=(PEER, 4000))
    async with httpx2.AsyncClient(transport=transport, base_url="https://id.example.com") as caller:
        response = await caller.get("/x", headers=list(headers))
    found: str | None = response.json()
    return found


async def test_a_trusted_proxy_s_word_becomes_sixteen_digits() -> None:
    """S34"""
    found = await told(("x-ja4", JA4))
    assert found is not None
    assert len(found) == 16
    assert int(found, 16) >= 0
    assert await told(("X-JA4", f" {JA4} ")) == found
    assert await told(("x-ja4", JA4 + "x")) != found
    assert len(await told(("x-ja4", "x" * 60_000)) or "") == 16


async def test_nobody_else_is_believed() -> None:
    """S34: neither without proxies, nor from a peer that is none, nor where no header is set."""
    assert await told(("x-ja4", JA4), proxies=()) is None
    assert await told(("x-ja4", JA4), ("x-forwarded-for", "203.0.113.1"), proxies=OTHERS) is None
    assert await told(("x-ja4", JA4), name=None) is None


async def test_a_header_that_is_empty_or_given_twice_says_nothing() -> None:
    """S34"""
    assert await told(("x-ja4", "")) is None
    assert await told(("x-ja4", JA4), ("x-ja4", "other")) is None


def test_the_header_is_set_by_name(tmp_path: Path) -> None:
    environ = {
        "OSTIARY_ISSUER": "https://id.example.com",
        "OSTIARY_DATA_DIR": str(tmp_path),
        "OSTIARY_TRUSTED_PROXIES": "10.0.0.0/8",
    }
    assert tls_header(load_settings(environ=environ).settings) is None
    assert tls_header(load_settings(environ={**environ, "OSTIARY_RISK__TLS_HEADER": "X-JA4"}).settings) == b"x-ja4"
