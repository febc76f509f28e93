"""The sign-in flow through the real pages: from the application's request to its answer."""

from __future__ import annotations

import asyncio

import pytest

from base.cookies import cookie_name
from identity.clients import delete_client
from tests.identity.forms import SAME_ORIGIN, hidden_fields, open_signin, send_consent, send_signin, sign_in, words_of
from tests.world import API, ISSUER, PASSWORD, Answer, World

pytestmark = pytest.mark.anyio

SESSION_COOKIE = "__Host-ostiary_session"
FLOW_COOKIE = "__Host-ostiary_flow"
DEVICE_COOKIE = "__Host-ostiary_device"


async def test_a_person_signs_in_allows_and_returns_with_a_code(world: World) -> None:
    """One attempt from the request to the code; each POST is answered by a 303 (S7, S8)."""
    person = await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as browser:
        begun = await browser.get(world.authorize_url(client, scope="openid orders:read"))
        assert (begun.status_code, begun.headers["location"]) == (303, "/signin")
        assert "Orders" in words_of(await browser.get("/signin"))
        signed_in = await sign_in(browser)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/consent")
        answer = Answer.of(await send_consent(browser, "allow"))
        assert browser.cookies.get(FLOW_COOKIE) is None
    assert answer.params["iss"] == ISSUER
    redeemed = await world.redeem(client, answer)
    assert redeemed.status_code == 200, redeemed.text
    [succeeded] = await world.events("login.succeeded")
    assert succeeded["data"] == {"methods": ["pwd"], "new_device": True}
    assert succeeded["subject"] == f"usr_{person.id.hex()}"
    [consented] = await world.events("login.consented")
    assert consented["data"] == {"scopes": ["openid", "orders:read"], "audience": API}


async def test_what_was_allowed_is_remembered_and_only_what_is_new_is_asked(world: World) -> None:
    await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client, scope="openid orders:read"))
        await sign_in(browser)
        await send_consent(browser, "allow")
        again = await world.authorize(browser, client, scope="openid orders:read")
        assert "code" in again.params
        more = await browser.get(world.authorize_url(client, scope="openid orders:read orders:write"))
        assert more.headers["location"] == "/consent"
        page = words_of(await browser.get("/consent"))
        assert "orders:write" in page
        assert "orders:read" not in page
        asked_again = await browser.get(world.authorize_url(client, scope="openid orders:read", prompt="consent"))
        assert asked_again.headers["location"] == "/consent"
        assert "orders:read" in words_of(await browser.get("/consent"))


async def test_denying_goes_back_to_the_application_and_is_not_remembered(world: World) -> None:
    await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        await sign_in(browser)
        answer = Answer.of(await send_consent(browser, "deny"))
        assert answer.params["error"] == "access_denied"
        assert answer.params["error_description"] == "the person did not allow it"
        again = await browser.get(world.authorize_url(client))
        assert again.headers["location"] == "/consent"
    [denied] = await world.events("login.denied")
    assert denied["outcome"] == "denied"
    assert await world.events("token.code_issued") == []


async def test_an_application_of_the_house_is_not_asked_about(world: World) -> None:
    await world.person()
    client = await world.client(first_party=True)
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        answer = Answer.of(await sign_in(browser))
    assert answer.location.startswith("https://app.example.com/callback?")
    assert "code" in answer.params


async def test_signing_in_without_an_application_leads_to_the_start_page(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        assert "Welcome" in words_of(await browser.get("/"))
        signed_in = await sign_in(browser)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        assert "You are signed in A Ada Byron ada" in words_of(await browser.get("/"))
        assert (await browser.get("/signin")).headers["location"] == "/"


async def test_the_start_page_signs_out_with_one_button(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        home = await browser.get("/")
        out = await browser.post("/oauth/logout", data=hidden_fields(home), headers=SAME_ORIGIN)
        assert "You are signed out" in words_of(out)
        assert "Welcome" in words_of(await browser.get("/"))
    assert len(await world.events("logout.succeeded")) == 1


async def test_prompt_login_asks_once_and_auth_time_moves(world: World) -> None:
    """The session goes on under a new cookie: other applications keep their tokens (S17)."""
    await world.person()
    client = await world.client()
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        first = Answer.of(await sign_in(browser))
        cookie = browser.cookies[SESSION_COOKIE]
        tokens = (await world.redeem(client, first)).json()
        world.clock.move(seconds=30)
        asked = await browser.get(world.authorize_url(client, prompt="login"))
        assert asked.headers["location"] == "/signin"
        second = Answer.of(await sign_in(browser))
        assert "code" in second.params
        assert browser.cookies[SESSION_COOKIE] != cookie
    assert (await world.introspect(client, tokens["access_token"]))["active"] is True
    assert len(await world.events("login.succeeded")) == 2
    assert len(await world.events("session.started")) == 1


async def test_another_person_ends_the_session_of_the_first(world: World) -> None:
    """S17: session id and flow id change when the person changes."""
    ada, _ = await world.person("ada"), await world.person("grace")
    client = await world.client()
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        first = Answer.of(await sign_in(browser, "ada"))
        tokens = (await world.redeem(client, first)).json()
        await browser.get(world.authorize_url(client, prompt="select_account"))
        assert "code" in Answer.of(await sign_in(browser, "grace")).params
    assert (await world.introspect(client, tokens["access_token"])) == {"active": False}
    [ended] = await world.events("session.ended")
    assert ended["data"] == {"why": "another_person"}
    assert ended["subject"] == f"usr_{ada.id.hex()}"


async def test_flow_session_and_device_cookies_are_new_after_sign_in(world: World) -> None:
    """S17, S31: 256 random bits, Secure, HttpOnly, SameSite=Lax, `__Host-`."""
    await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        flow = browser.cookies[FLOW_COOKIE]
        response = await sign_in(browser)
        assert browser.cookies[FLOW_COOKIE] != flow
    set_cookies = response.headers.get_list("set-cookie")
    assert {cookie.partition("=")[0] for cookie in set_cookies} == {SESSION_COOKIE, FLOW_COOKIE, DEVICE_COOKIE}
    for cookie in set_cookies:
        value = cookie.partition("=")[2].partition(";")[0]
        assert value.startswith("ock_")
        assert len(value) == 47
        for flag in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
            assert flag in cookie
        assert "Domain" not in cookie


async def _refused(world: World, reason: str) -> None:
    refused = await world.events("login.refused")
    assert [event["data"] for event in refused][-1] == {"reason": reason}
    assert refused[-1]["outcome"] == "denied"


async def test_finishing_in_another_browser_is_refused(world: World) -> None:
    """S17: the flow belongs to the browser that began it."""
    await world.person()
    client = await world.client()
    async with world.browser() as victim, world.browser() as attacker:
        await attacker.get(world.authorize_url(client))
        hidden = await open_signin(attacker)
        without_cookie = await send_signin(victim, hidden, "ada")
        assert without_cookie.status_code == 400
        assert "begun in another browser" in words_of(without_cookie)
        await _refused(world, "foreign_form")
        await victim.get(world.authorize_url(client))
        with_another_flow = await send_signin(victim, hidden, "ada")
        assert with_another_flow.status_code == 400
    assert await world.events("login.succeeded") == []


async def test_a_replayed_step_is_refused(world: World) -> None:
    """S17: neither the form of before the sign-in nor the old flow cookie works again."""
    await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as browser, world.browser() as thief:
        await browser.get(world.authorize_url(client))
        hidden, flow = await open_signin(browser), browser.cookies[FLOW_COOKIE]
        await send_signin(browser, hidden, "ada")
        replayed = await send_signin(browser, hidden, "ada")
        assert replayed.status_code == 400
        thief.cookies.set(FLOW_COOKIE, flow, domain="id.example.com")
        assert (await send_signin(thief, hidden, "ada")).status_code == 400
    assert len(await world.events("login.succeeded")) == 1


async def test_two_copies_of_one_step_succeed_once(world: World) -> None:
    """S17, I1: the attempt moves on once, also when both arrive together."""
    await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        hidden = await open_signin(browser)
        answers = await asyncio.gather(*(send_signin(browser, hidden, "ada") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * 11
    assert len(await world.events("session.started")) == 1
    async with world.browser() as browser:
        assert (await sign_in(browser)).status_code == 303, "impatient clicks must not lock the door"


async def test_an_empty_step_is_refused_and_the_form_stays(world: World) -> None:
    """S17: nothing is counted and nothing hashed."""
    await world.person()
    async with world.browser() as browser:
        hidden = await open_signin(browser)
        before = world.services.hashes.hashes_made
        for form in ({}, {"username": "ada"}, {"password": PASSWORD}, {"username": "", "password": ""}):
            page = await browser.post("/signin", data={**hidden, **form}, headers=SAME_ORIGIN)
            assert page.status_code == 400
            assert "Enter your username or mail address" in words_of(page)
            await _refused(world, "empty_form")
        assert world.services.hashes.hashes_made == before
        assert (await send_signin(browser, hidden, "ada")).status_code == 303


async def test_steps_out_of_order_are_refused(world: World) -> None:
    """S17: consent before sign-in, sign-in after it, and a consent without a decision."""
    await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        early = await browser.post("/consent", data={"decision": "allow"}, headers=SAME_ORIGIN)
        assert early.status_code == 400
        await _refused(world, "out_of_order")
        await sign_in(browser)
        page = await browser.get("/consent")
        undecided = await browser.post("/consent", data=hidden_fields(page), headers=SAME_ORIGIN)
        assert undecided.status_code == 400
        await _refused(world, "empty_form")
        assert "code" in Answer.of(await send_consent(browser, "allow")).params
        finished = await browser.post(
            "/consent", data={**hidden_fields(page), "decision": "allow"}, headers=SAME_ORIGIN
        )
        assert finished.status_code == 400
        await _refused(world, "nothing_under_way")
    assert len(await world.events("token.code_issued")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
async def test_a_form_sent_by_another_site_is_refused(world: World, headers: dict[str, str]) -> None:
    await world.person()
    async with world.browser() as browser:
        hidden = await open_signin(browser)
        form = {**hidden, "username": "ada", "password": PASSWORD}
        refused = await browser.post("/signin", data=form, headers=headers)
        assert refused.status_code == 400
        await _refused(world, "foreign_form")
        without_token = await browser.post("/signin", data={"username": "ada", "password": PASSWORD})
        assert without_token.status_code == 400
        assert (await browser.post("/signin", data=form)).status_code == 303


async def test_an_attempt_ends_after_half_an_hour(world: World) -> None:
    await world.person()
    client = await world.client()
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        hidden = await open_signin(browser)
        world.clock.move(minutes=30)
        assert (await send_signin(browser, hidden, "ada")).status_code == 400


async def test_an_application_deleted_during_the_sign_in_is_not_answered(world: World) -> None:
    """S2: once it is no longer trusted, nothing is sent there."""
    await world.person()
    client = await world.client()
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        hidden = await open_signin(browser)
        async with world.services.database.transaction() as db:
            await delete_client(db, world.services, client.client.client_id, now=world.clock(), actor="cli")
        await world.services.catalogue.refresh()
        sent = await send_signin(browser, hidden, "ada")
        assert (sent.status_code, sent.headers.get("location")) == (400, None)
        page = await browser.get("/signin")
        assert (page.status_code, page.headers.get("location")) == (400, None)
        assert "The application is not registered here." in words_of(page)
    await _refused(world, "unauthorized_client")
    assert await world.events("token.code_issued") == []


async def test_prompt_none_leaves_a_sign_in_in_another_window_alone(world: World) -> None:
    client = await world.client()
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        flow = browser.cookies[FLOW_COOKIE]
        silent = await world.authorize(browser, client, prompt="none")
        assert silent.params["error"] == "login_required"
        assert browser.cookies[FLOW_COOKIE] == flow
    await _refused(world, "login_required")


async def test_the_cookies_of_plain_http_have_no_prefix(world: World) -> None:
    class PlainHttp:
        is_https = False

    assert cookie_name(PlainHttp(), "session") == "ostiary_session"
