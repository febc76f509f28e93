"""A first sign-in from a country: an event, and one letter about it, whatever else is new."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.identity.forms import sign_in
from tests.identity.mail.letters_read import letters, one_letter
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

PROXY, SESSION = "198.51.100.7", "__Host-ostiary_session"
ADDRESSES = {"TR": "203.0.113.9", "DE": "192.0.2.77", "XX": "192.0.2.200", "": "192.0.2.201"}


@pytest.fixture
async def edge(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment whose edge tells the country."""
    async with open_world(
        database_url,
        tmp_path,
        trusted_proxies="198.51.100.0/24",
        risk__country_header="X-Country",
        # Far from any score that would ask for more than a password: the letter is what these tests are about.
        risk__notice="98",
        risk__step_up="99",
        risk__strong="100",
    ) as opened:
        yield opened


async def from_country(browser: httpx2.AsyncClient, country: str) -> None:
    """Signs in through the edge."""
    browser.headers.update({"x-country": country, "x-forwarded-for": ADDRESSES[country]})
    browser.cookies.delete(SESSION) if SESSION in browser.cookies else None
    answer = await sign_in(browser)
    assert answer.headers["location"] == "/", answer.text


async def test_a_new_country_is_told_once_and_by_name(edge: World) -> None:
    await edge.person()
    async with edge.browser(address=PROXY) as browser:
        for country in ("TR", "TR", "DE", "DE"):
            await from_country(browser, country)
            edge.clock.move(hours=9)
    (event,) = await edge.events("login.new_country")
    assert (event["severity"], event["outcome"]) == ("LOW", "success")
    letter = await one_letter(edge, "new_country")
    assert letter.subject == "A sign-in from a new country: Germany"
    assert "from Germany, where you had not signed in before" in " ".join(letter.text.split())
    assert letter.link("not_me")
    assert await letters(edge, "unusual_signin") == []


async def test_a_journey_that_is_not_learned_from_is_told_once(edge: World) -> None:
    """From a score of 30 on nothing is learned of a password alone, so the country stays new to the history."""
    await edge.person()
    async with edge.browser(address=PROXY) as browser:
        for country, language in (*[("TR", "tr")] * 12, *[("DE", "de")] * 3):
            browser.headers["accept-language"] = language
            await from_country(browser, country)
            edge.clock.move(hours=23)
    succeeded = await edge.events("login.succeeded")
    assert dict(succeeded[-1]["risk"])["score"] >= 30  # type: ignore[call-overload]
    assert len(await edge.events("login.new_country")) == 1
    assert len(await letters(edge, "new_country")) == 1


async def test_a_new_device_in_a_new_country_is_one_letter(edge: World) -> None:
    await edge.person()
    async with edge.browser(address=PROXY) as browser, edge.browser(address=PROXY) as other:
        for _ in range(2):
            await from_country(browser, "TR")
        await from_country(other, "DE")
    letter = await one_letter(edge, "new_device")
    assert "It was also the first sign-in from there: Germany." in " ".join(letter.text.split())
    assert await letters(edge, "new_country") == []
    assert len(await edge.events("login.new_country")) == 1


async def test_without_a_known_country_nothing_is_claimed(edge: World) -> None:
    """S35: a first sign-in has nothing to compare with, and an unknown country is none."""
    await edge.person()
    async with edge.browser(address=PROXY) as browser:
        for country in ("TR", "XX", "", "TR"):
            await from_country(browser, country)
    assert await edge.events("login.new_country") == []
    assert await letters(edge, "new_country") == []
