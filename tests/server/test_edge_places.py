"""Places that an edge tells: only trusted proxies are believed."""

import json
from collections.abc import Mapping
from ipaddress import ip_network

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from base.pages import Pages
from risk.places.edge_places import EdgeHeaders, EdgePlace
from server.edge import Edge, EdgeParts
from server.failures import make_failure_answers
from server.metrics import Metrics

pytestmark = pytest.mark.anyio

PEER, OURS, OTHERS = "198.51.100.7", ("198.51.100.0/24",), ("203.0.113.0/24",)
NAMES = EdgeHeaders(b"cf-ipcountry", b"cf-ipcity")
TURKEY = {"cf-ipcountry": "TR", "cf-ipcity": "Ankara"}


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what the edge established."""
    place: EdgePlace | None = scope.get("ostiary.edge_place")
    body = json.dumps(None if place is None else [place.country, place.city]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def told(
    headers: Mapping[str, str] | list[tuple[str, str]],
    *,
    names: EdgeHeaders | None = NAMES,
    proxies: tuple[str, ...] = OURS,
) -> object:
    """What reaches the application from a request whose peer is 198.51.100.7."""
    parts = EdgeParts(
        fail=make_failure_answers(Pages(service_name="Ostiary", folders=())),
        origins=frozenset,
        metrics=Metrics(),
        access_log=None,
        trusted_proxies=[ip_network(text) for text in proxies],
        place_headers=names,
    )
    transport = httpx2.ASGITransport(Edge(answer, parts), client=(PEER, 4000))
    async with httpx2.AsyncClient(transport=transport, base_url="https://id.example.com") as caller:
        response = await caller.get("/x", headers=headers)
    assert response.status_code == 200
    return response.json()


async def test_a_trusted_proxy_s_headers_are_believed() -> None:
    """S34"""
    assert await told(TURKEY) == ["TR", "Ankara"]
    assert await told({**TURKEY, "x-forwarded-for": "192.0.2.9"}) == ["TR", "Ankara"]


@pytest.mark.parametrize("proxies", [(), OTHERS])
async def test_a_caller_s_own_headers_change_nothing(proxies: tuple[str, ...]) -> None:
    """S34: neither without proxies, nor from a peer that is none, whatever it claims to forward."""
    assert await told(TURKEY, proxies=proxies) is None
    forged = {**TURKEY, "x-forwarded-for": "203.0.113.1", "forwarded": "for=203.0.113.1"}
    assert await told(forged, proxies=proxies) is None


async def test_nothing_is_read_where_no_header_is_set() -> None:
    assert await told(TURKEY, names=None) is None
    assert await told(TURKEY, names=EdgeHeaders(b"cf-ipcountry")) == ["TR", None]


@pytest.mark.parametrize(
    "headers",
    [
        {"cf-ipcountry": "XX", "cf-ipcity": "Ankara"},
        {"cf-ipcountry": "'; DROP TABLE", "cf-ipcity": "Ankara"},
        {"cf-ipcountry": ""},
        {"cf-ipcity": "Ankara"},
        [("cf-ipcountry", "TR"), ("cf-ipcountry", "DE")],
        {"cf-ipcountry": "T" * 60_000},
    ],
)
async def test_garbage_from_the_proxy_is_ignored(headers: Mapping[str, str] | list[tuple[str, str]]) -> None:
    """S34"""
    assert await told(headers) is None
