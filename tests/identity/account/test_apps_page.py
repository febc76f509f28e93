"""The applications that a person let in, and taking that back."""

from __future__ import annotations

import pytest

from identity.apis import create_api
from tests.identity.account.own_pages import at_own_pages, said
from tests.identity.forms import send_consent, words_of
from tests.world import API, Answer, World

pytestmark = pytest.mark.anyio


async def test_an_application_tells_what_it_may_see(world: World) -> None:
    async with world.services.database.transaction() as db:
        scopes = {"orders:read": "See your orders", "orders:write": "Change your orders"}
        await create_api(
            db, world.services, identifier=API, name="Order book", scopes=scopes, now=world.clock(), actor="cli"
        )
    client = await world.client(first_party=False)
    async with at_own_pages(world) as own:
        assert "You have let no application in yet." in words_of(await own.get("/apps"))
        await own.browser.get(world.authorize_url(client, scope="openid email orders:read"))
        await send_consent(own.browser, "allow")
        words = words_of(await own.get("/apps"))
    for expected in ("Orders Has access now", "See your mail address", "At Order book See your orders orders:read"):
        assert expected in words
    assert "Change your orders" not in words


async def test_withdrawing_ends_its_access_at_once_and_it_must_ask_again(world: World) -> None:
    """S18"""
    client = await world.client(first_party=False)
    async with at_own_pages(world) as own:
        await own.browser.get(world.authorize_url(client, scope="openid offline_access"))
        answer = await send_consent(own.browser, "allow")
        tokens = (await world.redeem(client, Answer.of(answer))).json()
        assert said(await own.send("/apps", client=client.client.client_id)) == "/account/apps?done=withdrawn"
        assert "You have let no application in yet." in words_of(await own.get("/apps"))
        assert (await world.refresh(client, tokens["refresh_token"])).status_code == 400
        assert (await world.userinfo(tokens["access_token"])).status_code == 401
        again = await own.browser.get(world.authorize_url(client, scope="openid offline_access"))
        assert again.headers["location"] == "/consent"
    (event,) = await world.events("login.consent_withdrawn")
    assert event["client"] == client.client.client_id


async def test_an_application_of_the_house_is_listed_while_it_has_access(world: World) -> None:
    client = await world.client()
    person = await world.person()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    async with at_own_pages(world, person) as own:
        assert "Orders Has access now" in words_of(await own.get("/apps"))
        await own.send("/apps", client=client.client.client_id)
        assert "You have let no application in yet." in words_of(await own.get("/apps"))
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 400


async def test_nobody_withdraws_what_another_person_allowed(world: World) -> None:
    client, bob = await world.client(), await world.person("bob")
    tokens = await world.tokens(client, bob, scope="openid offline_access")
    async with at_own_pages(world) as own:
        other = await world.client(name="Mine")
        await world.tokens(other, own.person, scope="openid offline_access")
        before = await world.events()
        for client_id in (client.client.client_id, "cli_" + 32 * "0", "' OR 1=1 --", ""):
            assert (await own.send("/apps", client=client_id)).status_code == 404
        assert await world.events() == before
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", '"><img src=x>', "%(what)s", "{{ 7 * 7 }}"])
async def test_an_applications_name_is_text_and_no_more(world: World, payload: str) -> None:
    """S49"""
    client, person = await world.client(name=payload), await world.person()
    await world.tokens(client, person, scope="openid offline_access")
    async with at_own_pages(world, person) as own:
        page = await own.get("/apps")
    assert payload in words_of(page)
    assert "<script>" not in page.text
    assert "<img" not in page.text
