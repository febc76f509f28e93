"""A service that calls the API with a token of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx2

from tests.world import CreatedClient, World

EVENTS = "/api/v1/audit/events"


@dataclass
class Service:
    """An application with client credentials, and its connection."""

    world: World
    client: CreatedClient
    token: str
    http: httpx2.AsyncClient

    @property
    def client_id(self) -> str:
        return self.client.client.client_id

    async def get(self, path: str, **params: object) -> httpx2.Response:
        """The answer to a GET; a parameter `from_` is sent as `from`."""
        asked = {name.rstrip("_"): str(value) for name, value in params.items()}
        return await self.http.get(path, params=asked)

    async def search(self, **filters: object) -> dict[str, object]:
        """A page of events."""
        answer = await self.get(EVENTS, **filters)
        assert answer.status_code == 200, answer.text
        page: dict[str, object] = answer.json()
        return page

    async def found(self, **filters: object) -> list[dict[str, object]]:
        """The events of the first page."""
        events = (await self.search(**filters))["events"]
        assert isinstance(events, list)
        return events

    async def send(self, *events: Mapping[str, object], key: str | None = None) -> httpx2.Response:
        """The answer to a batch."""
        headers = {} if key is None else {"idempotency-key": key}
        return await self.http.post(EVENTS, json={"events": events}, headers=headers)

    def event(self, **parts: object) -> dict[str, object]:
        """An event of this service, happening now; a part of None is left out."""
        made = {
            "id": str(uuid4()), "at": self.world.clock().isoformat(), "name": "order.refunded", "severity": "LOW",
            **parts,
        }  # fmt: skip
        return {name: value for name, value in made.items() if value is not None}


@asynccontextmanager
async def open_service(world: World, *scopes: str, name: str = "orders") -> AsyncIterator[Service]:
    """A service whose token carries these scopes of the server's own API."""
    client = await world.client(
        name=name, grants=("client_credentials",), redirect_uris=(), post_logout_redirect_uris=(), scopes=scopes,
        apis={}, api_scopes=(),
    )  # fmt: skip
    answer = await world.token(client, grant_type="client_credentials", scope=" ".join(scopes))
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    async with world.browser() as http:
        http.headers["authorization"] = f"Bearer {token}"
        yield Service(world, client, token, http)


def check_problem(answer: httpx2.Response, status: int, words: str) -> dict[str, object]:
    """Fails unless the answer is that fault, as RFC 9457 tells it, with the request's id; returns the document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, object] = answer.json()
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert words in str(problem["detail"]), problem
    return problem
