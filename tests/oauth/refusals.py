"""What every refusal of the protocol must look like: the code, the words, and the event that it left."""

from collections.abc import Mapping
from typing import cast

import httpx2

from tests.world import Answer, World


def check_refused(response: httpx2.Response, error: str, words: str, *, status: int = 400) -> None:
    """Fails unless a JSON answer refuses with this code and says `words`, and nobody may keep it."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["error"] == error, body
    assert words in body["error_description"], body
    assert response.headers["cache-control"] == "no-store"


def check_sent_back(answer: Answer, error: str, words: str) -> None:
    """Fails unless an authorization response carries this error and says `words`."""
    assert answer.response.status_code == 303, answer.response.text
    assert answer.params["error"] == error, answer.params
    assert words in answer.params["error_description"], answer.params
    assert "code" not in answer.params


def check_page(response: httpx2.Response, words: str, *, status: int = 400) -> None:
    """Fails unless the browser stays here, on a page that says `words`."""
    assert response.status_code == status, response.text
    assert "location" not in response.headers
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert words in response.text


async def last_event(world: World, name: str) -> Mapping[str, object]:
    """The newest event of a kind; fails where there is none."""
    found = await world.events(name)
    assert found, f"no event {name} was left"
    return found[-1]


async def check_event(world: World, name: str, *, outcome: str, **data: object) -> None:
    """Fails unless the newest event of this kind has the outcome and, among its data, these."""
    event = await last_event(world, name)
    assert event["outcome"] == outcome, event
    kept = cast(Mapping[str, object], event["data"])
    assert {field: kept.get(field) for field in data} == data, event
