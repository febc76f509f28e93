"""Claims asked for one by one are no way around consent or a client's limits (OpenID Connect Core §5.5)."""

import json

import pytest

from tests.world import Answer, CreatedClient, World

pytestmark = pytest.mark.anyio

ASKED = json.dumps({"userinfo": {"email": None, "phone_number": {"essential": True}}, "id_token": {"name": None}})


async def authorized(world: World, client: CreatedClient) -> Answer:
    """The answer to a silent request for claims, in a browser where the person is signed in."""
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        return await world.authorize(browser, client, claims=ASKED, prompt="none")


async def test_a_client_gets_no_claims_of_scopes_that_it_may_not_ask_for(world: World) -> None:
    client = await world.client(scopes=("openid", "email"))
    tokens = (await world.redeem(client, await authorized(world, client))).json()
    said = (await world.userinfo(tokens["access_token"])).json()
    assert set(said) == {"sub", "email"}


async def test_claims_are_consented_to_like_the_scopes_that_they_belong_to(world: World) -> None:
    client = await world.client(first_party=False, scopes=("openid", "email", "phone", "profile"))
    answer = await authorized(world, client)
    assert answer.params["error"] == "consent_required"


async def test_without_a_scope_and_without_an_api_there_is_nothing_to_give(world: World) -> None:
    client = await world.client(first_party=False, scopes=("openid",), apis={}, api_scopes=())
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        answer = await world.authorize(browser, client, scope=None, prompt="none")
    assert answer.params["error"] == "invalid_scope"
    assert answer.params["error_description"] == "scope is missing, and this client has no API to choose for itself"
