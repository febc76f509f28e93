"""The demo through its pages: a relying party like any other, and an API behind the SDK."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request

from server.demo.registration import NAME, ensure_registered
from server.demo.tokens_in_words import decode_token, in_words, masked
from server.demo.visits import Visits
from tests.identity.forms import SAME_ORIGIN, hidden_fields, words_of
from tests.world import ISSUER, World, open_world

pytestmark = pytest.mark.anyio

COOKIE = "__Host-ostiary_demo"


async def open_demo(world: World, browser: httpx2.AsyncClient) -> httpx2.Response:
    """The demo's page after a sign-in; the browser has a session with the server already."""
    answered = await browser.get((await browser.get("/demo/signin")).headers["location"])
    assert answered.headers["location"].startswith(f"{ISSUER}/demo/callback?"), answered.text
    finished = await browser.get(answered.headers["location"])
    assert (finished.status_code, finished.headers["location"]) == (303, f"{ISSUER}/demo"), words_of(finished)
    return await browser.get("/demo")


async def press(browser: httpx2.AsyncClient, action: str) -> httpx2.Response:
    """The page after a button."""
    form = {**hidden_fields(await browser.get("/demo")), "action": action}
    pressed = await browser.post("/demo", data=form, headers=SAME_ORIGIN)
    assert (pressed.status_code, pressed.headers["location"]) == (303, f"{ISSUER}/demo"), words_of(pressed)
    return await browser.get("/demo")


async def test_the_demo_signs_in_and_shows_what_the_tokens_say(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        page = await open_demo(world, browser)
    words = words_of(page)
    assert "You are signed in at the demo" in words
    assert "Ada Byron ada@example.com" in words
    for told in (person.sub, "at+jwt", "ES256", f"{ISSUER}/demo/api", "openid profile email demo:read", "in 4 min"):
        assert told in words, told
    assert "ort_…" in words
    assert "ort_" not in words.replace("ort_…", ""), "the refresh token is for the token endpoint's eyes alone"
    assert page.headers["cache-control"] == "no-store"
    [issued] = await world.events("token.issued")
    assert issued["data"]["grant_type"] == "authorization_code"  # type: ignore[index]


async def test_the_api_lets_the_demo_in_and_nobody_without_its_token(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        bare = await browser.get("/demo/api")
        assert bare.status_code == 401
        assert bare.headers["www-authenticate"] == 'Bearer realm="demo"'
        client = await world.client()
        foreign = (await world.tokens(client, person, scope="openid orders:read"))["access_token"]
        refused = await browser.get("/demo/api", headers={"authorization": f"Bearer {foreign}"})
        assert refused.status_code == 401
        assert "aud must contain this service" in refused.json()["error_description"]
        await world.sign_in(browser, person)
        await open_demo(world, browser)
        words = words_of(await press(browser, "api"))
    assert "The API let this application in." in words
    assert f'"person": "{person.sub}"' in words


async def test_refresh_brings_new_tokens_and_revoke_ends_what_the_server_decides(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        await open_demo(world, browser)
        assert "New tokens are here." in words_of(await press(browser, "refresh"))
        assert "The userinfo endpoint told who you are." in words_of(await press(browser, "userinfo"))
        assert "is revoked" in words_of(await press(browser, "revoke"))
        assert "The userinfo endpoint refused (401)." in words_of(await press(browser, "userinfo"))
        assert "invalid_grant: the refresh token is not valid" in words_of(await press(browser, "refresh"))
        assert "The API let this application in." in words_of(await press(browser, "api"))
        assert "The server refused. there is no such button" in words_of(await press(browser, "unknown"))
    assert len(await world.events("token.refreshed")) == 1
    [ended] = await world.events("token.grant_ended")
    assert ended["data"]["why"] == "revoked"  # type: ignore[index]


async def test_a_notice_is_told_once(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        await open_demo(world, browser)
        assert "New tokens are here." in words_of(await press(browser, "refresh"))
        assert "New tokens are here." not in words_of(await browser.get("/demo"))


async def test_signing_out_ends_the_demos_visit_and_the_session_with_the_server(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        page = await open_demo(world, browser)
        before = browser.cookies[COOKIE]
        leaving = await browser.post("/demo", data={**hidden_fields(page), "action": "sign_out"}, headers=SAME_ORIGIN)
        assert leaving.headers["location"].startswith(f"{ISSUER}/oauth/logout?")
        back = await browser.get(leaving.headers["location"])
        assert back.headers["location"].startswith(f"{ISSUER}/demo?state=")
        assert "You are signed out of the demo" in words_of(await browser.get(back.headers["location"]))
        assert browser.cookies[COOKIE] != before
        browser.cookies.set(COOKIE, before, domain="id.example.com")
        assert "Try a sign-in" in words_of(await browser.get("/demo"))
    [signed_out] = await world.events("logout.succeeded")
    assert signed_out["subject"] == f"usr_{person.id.hex()}"


async def test_an_answer_of_another_issuer_or_for_another_browser_is_refused(world: World) -> None:
    """S7, S17: `iss` and `state` are looked at before the code is spent."""
    person = await world.person()
    async with world.browser() as browser, world.browser() as stranger:
        await world.sign_in(browser, person)
        asked = (await browser.get("/demo/signin")).headers["location"]
        location = (await browser.get(asked)).headers["location"]
        mixed_up = await browser.get(location.replace("iss=https", "iss=http"))
        assert mixed_up.status_code == 400
        assert "the answer does not come from this issuer (iss)" in words_of(mixed_up)
        elsewhere = await stranger.get(location)
        assert elsewhere.status_code == 400
        assert "did not begin in this browser" in words_of(elsewhere)
        await stranger.get("/demo/signin")
        other_state = await stranger.get(location)
        assert other_state.status_code == 400
        assert "mismatching_state" in words_of(other_state)
        assert (await browser.get(location)).status_code == 303, "none of that spent the code"


async def test_a_form_of_another_site_presses_no_button(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        form = {**hidden_fields(await open_demo(world, browser)), "action": "revoke"}
        foreign = {"origin": "https://evil.example.com", "sec-fetch-site": "cross-site"}
        refused = await browser.post("/demo", data=form, headers=foreign)
        assert refused.status_code == 400
        assert "did not come from the demo's own page" in words_of(refused)
        without = await browser.post("/demo", data={"action": "revoke"}, headers=SAME_ORIGIN)
        assert without.status_code == 400
    assert await world.events("token.grant_ended") == []


async def test_a_visit_ends_after_an_hour_and_a_form_without_one_leads_to_the_start(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        form = hidden_fields(await open_demo(world, browser))
        world.clock.move(minutes=61)
        assert "Try a sign-in" in words_of(await browser.get("/demo"))
        late = await browser.post("/demo", data={**form, "action": "api"}, headers=SAME_ORIGIN)
        assert (late.status_code, late.headers["location"]) == (303, f"{ISSUER}/demo")


async def test_the_demo_is_registered_once_however_many_ask_at_first(world: World) -> None:
    found = await asyncio.gather(*(ensure_registered(world.services) for _ in range(8)))
    assert len({client.client_id for client in found}) == 1
    [created] = await world.events("client.created")
    assert created["data"]["after"]["name"] == NAME  # type: ignore[index]
    [client] = {client.client_id: client for client in found}.values()
    assert (client.is_public, client.first_party, client.secrets) == (True, True, ())


@pytest.mark.parametrize(
    ("demo", "listen", "issuer"),
    [
        ("off", "127.0.0.1:3201", "http://localhost:3201"),
        ("auto", "0.0.0.0:3201", "http://localhost:3201"),
        ("auto", "127.0.0.1:3201", "https://id.example.com"),
    ],
)
async def test_outside_loopback_and_when_switched_off_there_is_no_demo(
    database_url: str, tmp_path: Path, demo: str, listen: str, issuer: str
) -> None:
    async with (
        open_world(database_url, tmp_path, demo=demo, listen=listen, issuer=issuer) as world,
        world.browser() as browser,
    ):
        assert not world.app.has_demo
        assert (await browser.get("/demo")).status_code == 404
        assert (await browser.get("/demo/api")).status_code == 404


def test_the_demo_keeps_a_bounded_number_of_visits_and_the_oldest_goes_first() -> None:
    """S48: whoever opens the sign-in again and again fills nothing."""
    now, visits = datetime.now(UTC), Visits(is_https=True, limit=2)
    cookies = [visits.begin(now=now)[1] for _ in range(3)]
    known = [visits.find(_request_with(visits.cookie_name, cookie), now=now) is not None for cookie in cookies]
    assert known == [False, True, True]
    assert visits.find(_request_with(visits.cookie_name, cookies[2][:-1]), now=now) is None


def _request_with(name: str, cookie: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", f"{name}={cookie}".encode())]})


def test_a_token_in_words_says_times_as_people_do() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    # {"alg":"none"} . {"exp":1767323345,"aud":["a","b"],"risk":7}
    text = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3NjczMjMzNDUsImF1ZCI6WyJhIiwiYiJdLCJyaXNrIjo3fQ."
    decoded = decode_token(text, now=now)
    assert [(each.name, each.value) for each in decoded.header] == [("alg", "none")]
    exp, aud, risk = decoded.claims
    assert (exp.value, exp.seconds_from_now) == ("2026-01-02 03:09:05 UTC", 300)
    assert (aud.value, risk.value) == ("a, b", "7")
    assert [in_words(seconds) for seconds in (0, -59, 300, 90061)] == ["0 s", "59 s", "5 min", "1 d 1 h"]
    assert masked("ort_abcdefgh") == "ort_…efgh"


@pytest.mark.parametrize("text", ["", "no token", "a.b.c", "!.!.!", "W10.W10.x"])
def test_what_is_no_token_has_no_parts(text: str) -> None:
    decoded = decode_token(text, now=datetime.now(UTC))
    assert (decoded.raw, decoded.header, decoded.claims) == (text, (), ())
