"""Signing out at an application's wish: with a valid hint at once, without one by asking (S15, S3)."""

import re

import httpx2
import pytest

from identity.person_values import Person
from tests.oauth.refusals import check_event, check_page
from tests.oauth.tokens_read import with_header
from tests.world import CreatedClient, World

pytestmark = pytest.mark.anyio

BYE = "https://app.example.com/bye"
OUT = "You are signed out"


async def signed_in(world: World, browser: httpx2.AsyncClient, client: CreatedClient, person: Person) -> dict[str, str]:
    """Signs the person in through the client in this browser; returns the tokens."""
    await world.sign_in(browser, person)
    tokens: dict[str, str] = (await world.redeem(client, await world.authorize(browser, client))).json()
    return tokens


async def is_signed_in(world: World, browser: httpx2.AsyncClient, client: CreatedClient) -> bool:
    """Whether a silent request still finds the session."""
    answer = await world.authorize(browser, client, prompt="none")
    assert ("code" in answer.params) != (answer.params.get("error") == "login_required")
    return "code" in answer.params


async def test_a_valid_hint_signs_out_and_goes_back_with_the_state(world: World) -> None:
    """S15"""
    client, person = await world.client(), await world.person()
    async with world.browser() as browser:
        tokens = await signed_in(world, browser, client, person)
        params = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s 1"}
        response = await browser.get("/oauth/logout", params=params)
        assert (response.status_code, response.headers["location"]) == (303, f"{BYE}?state=s+1")
        assert not await is_signed_in(world, browser, client)
    await check_event(world, "logout.succeeded", outcome="success", initiated_by=client.client.client_id)
    await check_event(world, "session.ended", outcome="success", why="signed_out")
    # Without offline_access the family ended with its session (S10).
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 400


async def test_without_a_state_none_comes_back_and_an_expired_hint_is_as_good(world: World) -> None:
    """S15"""
    client, person = await world.client(), await world.person()
    async with world.browser() as browser:
        tokens = await signed_in(world, browser, client, person)
        world.clock.move(minutes=20)
        params = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE}
        response = await browser.get("/oauth/logout", params=params)
        assert (response.status_code, response.headers["location"]) == (303, BYE)


async def test_a_bare_get_asks_and_only_the_answer_signs_out(world: World) -> None:
    """S15"""
    client, person = await world.client(), await world.person()
    async with world.browser() as browser:
        await signed_in(world, browser, client, person)
        asked = await browser.get("/oauth/logout")
        for params in ({}, {"state": "s"}, {"post_logout_redirect_uri": BYE}, {"client_id": client.client.client_id}):
            asked = await browser.get("/oauth/logout", params=params)
            assert asked.status_code == 200
            assert "Sign out?" in asked.text
            assert await is_signed_in(world, browser, client)
        token = re.search(r'name="form_token" value="([^"]+)"', asked.text)
        assert token
        done = await browser.post("/oauth/logout", data={"form_token": token[1], "post_logout_redirect_uri": BYE})
        check_page(done, OUT, status=200)
        assert not await is_signed_in(world, browser, client)
    await check_event(world, "logout.succeeded", outcome="success", initiated_by="person")


async def test_a_foreign_form_cannot_sign_anybody_out(world: World) -> None:
    """S15: a wrong token, another session's token, another site's form."""
    client, person = await world.client(), await world.person()
    async with world.browser() as browser, world.browser() as other:
        await signed_in(world, browser, client, person)
        await world.sign_in(other, person)
        theirs = re.search(r'name="form_token" value="([^"]+)"', (await other.get("/oauth/logout")).text)
        own = re.search(r'name="form_token" value="([^"]+)"', (await browser.get("/oauth/logout")).text)
        assert theirs
        assert own
        for form, headers in (
            ({"form_token": "x"}, {}),
            ({"form_token": theirs[1]}, {}),
            ({"form_token": own[1]}, {"origin": "https://evil.example.com"}),
            ({"form_token": own[1]}, {"sec-fetch-site": "cross-site"}),
        ):
            response = await browser.post("/oauth/logout", data=form, headers=headers)
            if response.status_code == 303:
                response = await browser.get(response.headers["location"])
            assert "Sign out?" in response.text
            assert await is_signed_in(world, browser, client)


@pytest.mark.parametrize(
    "uri",
    [BYE + "?x=1", BYE + "/", "https://evil.example.com/", "//evil.example.com", "/\\evil", "javascript:alert(1)"],
)
async def test_an_unregistered_address_gets_a_page_and_signs_nobody_out(world: World, uri: str) -> None:
    """S3, S15"""
    client, person = await world.client(), await world.person()
    async with world.browser() as browser:
        tokens = await signed_in(world, browser, client, person)
        params = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": uri}
        check_page(await browser.get("/oauth/logout", params=params), "not registered for this application")
        assert await is_signed_in(world, browser, client)
    assert not await world.events("logout.succeeded")


async def test_a_hint_that_proves_nothing_gets_a_page(world: World) -> None:
    """S15, S36"""
    client, other, person = await world.client(), await world.client(), await world.person()
    async with world.browser() as browser:
        tokens = await signed_in(world, browser, client, person)
        hint = tokens["id_token"]
        for bad in (with_header(hint, alg="none"), with_header(hint, kid="x"), hint[:-6], "x", tokens["access_token"]):
            params = {"id_token_hint": bad, "post_logout_redirect_uri": BYE}
            check_page(await browser.get("/oauth/logout", params=params), "id_token_hint")
        mixed = {"id_token_hint": hint, "client_id": other.client.client_id}
        check_page(await browser.get("/oauth/logout", params=mixed), "id_token_hint")
        assert await is_signed_in(world, browser, client)


async def test_a_hint_about_somebody_else_asks_the_person(world: World) -> None:
    """S15"""
    client, ada, bob = await world.client(), await world.person(), await world.person("bob")
    of_bob = await world.tokens(client, bob)
    async with world.browser() as browser:
        await signed_in(world, browser, client, ada)
        response = await browser.get("/oauth/logout", params={"id_token_hint": of_bob["id_token"]})
        assert "Sign out?" in response.text
        assert await is_signed_in(world, browser, client)


async def test_who_is_signed_out_already_goes_back_or_sees_a_page(world: World) -> None:
    client, person = await world.client(), await world.person()
    hint = (await world.tokens(client, person))["id_token"]
    async with world.browser() as stranger:
        params = {"id_token_hint": hint, "post_logout_redirect_uri": BYE}
        assert (await stranger.get("/oauth/logout", params=params)).headers["location"] == BYE
        for params in ({"id_token_hint": hint}, {}, {"post_logout_redirect_uri": BYE}):
            check_page(await stranger.get("/oauth/logout", params=params), OUT, status=200)


async def test_a_post_from_another_site_goes_on_by_a_303_to_ourselves(world: World) -> None:
    """S8, S9"""
    client, person = await world.client(), await world.person()
    async with world.browser() as browser:
        tokens = await signed_in(world, browser, client, person)
        form = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s"}
        async with world.browser() as without_cookies:
            posted = await without_cookies.post("/oauth/logout", data=form)
        assert posted.status_code == 303
        assert posted.headers["location"].startswith("/oauth/logout?id_token_hint=")
        assert (await browser.get(posted.headers["location"])).headers["location"] == f"{BYE}?state=s"


async def test_a_repeated_parameter_gets_a_page(world: World) -> None:
    """S11"""
    async with world.browser() as browser:
        response = await browser.get("/oauth/logout?state=a&state=b")
    check_page(response, "the parameter state is given more than once")


async def test_a_post_from_another_site_cannot_take_the_cookie_away(world: World) -> None:
    """S15: such a post carries no Lax cookie, so it must not be able to end what it cannot see."""
    async with world.browser() as stranger:
        response = await stranger.post(
            "/oauth/logout", data={"form_token": "x"}, headers={"sec-fetch-site": "cross-site"}
        )
        assert response.status_code == 303
        followed = await stranger.get(response.headers["location"])
    assert "set-cookie" not in response.headers
    assert "set-cookie" not in followed.headers


async def test_a_refused_logout_leaves_a_trace(world: World) -> None:
    """S15"""
    async with world.browser() as browser:
        assert (await browser.get("/oauth/logout", params={"id_token_hint": "x"})).status_code == 400
    [event] = await world.events("logout.refused")
    assert event["outcome"] == "denied"
    assert event["data"] == {"reason": "The application's proof of who is signed in is not valid: id_token_hint."}
