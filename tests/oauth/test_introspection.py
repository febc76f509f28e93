"""Introspection: everything about a good token of the caller's, and nothing about any other (S12)."""

import pytest

from tests.oauth.refusals import check_refused
from tests.oauth.tokens_read import claims_of
from tests.world import API, ISSUER, World

pytestmark = pytest.mark.anyio

INACTIVE = b'{"active":false}'


async def test_an_access_token_is_described_by_its_claims(world: World) -> None:
    client = await world.client()
    token = (await world.tokens(client, await world.person()))["access_token"]
    said = await world.introspect(client, token)
    assert said == {"active": True, "token_type": "Bearer", **claims_of(token)}


async def test_a_refresh_token_is_described_without_its_family(world: World) -> None:
    client, person = await world.client(), await world.person()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    said = await world.introspect(client, tokens["refresh_token"])
    expires = said.pop("exp")
    assert isinstance(expires, int)
    assert said == {
        "active": True,
        "token_type": "refresh_token",
        "iss": ISSUER,
        "sub": person.sub,
        "aud": API,
        "client_id": client.client.client_id,
        "scope": "openid offline_access",
    }


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_token_of_others_is_exactly_inactive(world: World, kind: str) -> None:
    """S12"""
    owner = await world.client()
    neighbour = await world.client(api_scopes=(), apis={})
    resource_server = await world.client()
    token = (await world.tokens(owner, await world.person()))[kind]
    response = await world.token(neighbour, path="/oauth/introspect", token=token)
    assert (response.status_code, response.content) == (200, INACTIVE)
    # An API may ask about access tokens made for it; a refresh token is its client's own business.
    assert (await world.introspect(resource_server, token))["active"] is (kind == "access_token")


@pytest.mark.parametrize("token", ["x", "ort_", "ort_" + "a" * 70, "oac_" + "a" * 43, "a.b.c", "..", "ü", "\0"])
async def test_what_is_no_token_is_exactly_inactive(world: World, token: str) -> None:
    """S12, S16"""
    client = await world.client()
    response = await world.token(client, path="/oauth/introspect", token=token)
    assert (response.status_code, response.content) == (200, INACTIVE)


async def test_an_expired_token_and_a_spent_refresh_token_are_exactly_inactive(world: World) -> None:
    """S12"""
    client = await world.client()
    tokens = await world.tokens(client, await world.person())
    await world.refresh(client, tokens["refresh_token"])
    assert await world.introspect(client, tokens["refresh_token"]) == {"active": False}
    assert (await world.introspect(client, tokens["access_token"]))["active"] is True
    world.clock.move(seconds=301)
    assert await world.introspect(client, tokens["access_token"]) == {"active": False}


async def test_a_public_client_may_not_ask(world: World) -> None:
    client = await world.client(auth_method="none")
    tokens = await world.tokens(client, await world.person())
    refused = await world.token(client, path="/oauth/introspect", token=tokens["access_token"])
    check_refused(refused, "invalid_client", "introspection needs a client that authenticates", status=401)


async def test_a_missing_token_is_named(world: World) -> None:
    client = await world.client()
    refused = await world.token(client, path="/oauth/introspect", token="")
    check_refused(refused, "invalid_request", "token is missing")
