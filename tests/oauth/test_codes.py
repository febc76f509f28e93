"""Authorization codes: a minute at most, once, for their client and redirect URI only (S5)."""

import pytest

from tests.oauth.refusals import check_event, check_refused
from tests.world import CALLBACK, Answer, CreatedClient, World

pytestmark = pytest.mark.anyio

REFUSED = "the authorization code is not valid: unknown, expired, used, or given to another client"


async def code_for(world: World, client: CreatedClient, **params: str | None) -> Answer:
    """An authorization response with a code, of a person who has just signed in."""
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        return await world.authorize(browser, client, **params)


async def test_a_code_gives_the_tokens_that_were_asked_for(world: World) -> None:
    client = await world.client()
    answer = await code_for(world, client, scope="openid orders:read", nonce="n-1")
    response = await world.redeem(client, answer)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "id_token", "refresh_token"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, "openid orders:read")
    await check_event(world, "token.code_issued", outcome="success", scope="openid orders:read")
    await check_event(world, "token.issued", outcome="success", grant_type="authorization_code")


async def test_a_code_lives_a_minute_at_most(world: World) -> None:
    """S5"""
    client = await world.client()
    answer = await code_for(world, client)
    world.clock.move(seconds=60)
    check_refused(await world.redeem(client, answer), "invalid_grant", REFUSED)
    await check_event(
        world, "token.refused", outcome="failure", error="invalid_grant", reason="code expired, or its grant ended"
    )


async def test_a_code_still_works_in_its_last_second(world: World) -> None:
    """S5"""
    client = await world.client()
    answer = await code_for(world, client)
    world.clock.move(seconds=55)
    assert (await world.redeem(client, answer)).status_code == 200


@pytest.mark.parametrize("later_s", [0, 30, 3600])
async def test_a_code_used_again_is_refused_and_ends_everything_that_the_first_use_gave(
    world: World, later_s: int
) -> None:
    """S5"""
    client = await world.client(access_token_ttl_s=7200)
    answer = await code_for(world, client)
    tokens = (await world.redeem(client, answer)).json()
    world.clock.move(seconds=later_s)
    check_refused(await world.redeem(client, answer), "invalid_grant", REFUSED)
    await check_event(world, "token.reused", outcome="denied", kind="code")
    await check_event(world, "token.grant_ended", outcome="success", why="code_reused")
    assert await world.introspect(client, tokens["access_token"]) == {"active": False}
    assert await world.introspect(client, tokens["refresh_token"]) == {"active": False}
    assert (await world.userinfo(tokens["access_token"])).status_code == 401
    check_refused(await world.refresh(client, tokens["refresh_token"]), "invalid_grant", "not valid")


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
async def test_a_code_of_one_client_is_refused_to_another_with_valid_credentials(world: World, method: str) -> None:
    """S5"""
    owner, thief = await world.client(), await world.client(auth_method=method)
    answer = await code_for(world, owner)
    check_refused(await world.redeem(thief, answer), "invalid_grant", REFUSED)
    await check_event(world, "token.refused", outcome="failure", reason="code of another client")
    # The theft was in vain, and did not harm the owner either.
    assert (await world.redeem(owner, answer)).status_code == 200
    check_refused(await world.redeem(thief, answer), "invalid_grant", REFUSED)
    assert not await world.events("token.reused")


@pytest.mark.parametrize("given", ["", CALLBACK + "/", CALLBACK.upper(), "https://evil.example.com/"])
async def test_the_redirect_uri_of_the_request_must_be_said_again(world: World, given: str) -> None:
    """S5"""
    client = await world.client()
    answer = await code_for(world, client)
    words = "redirect_uri differs from the authorization request's"
    check_refused(await world.redeem(client, answer, redirect_uri=given), "invalid_grant", words)
    assert (await world.redeem(client, answer)).status_code == 200


async def test_a_redirect_uri_that_was_left_out_may_be_left_out_again(world: World) -> None:
    client = await world.client()
    answer = await code_for(world, client, redirect_uri=None)
    assert (await world.redeem(client, answer, redirect_uri="")).status_code == 200


async def test_a_token_for_another_resource_than_authorized_is_refused(world: World) -> None:
    client = await world.client()
    answer = await code_for(world, client)
    refused = await world.redeem(client, answer, resource="https://other.example.com")
    check_refused(refused, "invalid_target", "the resource is not the one that was authorized")
    assert (await world.redeem(client, answer, resource="https://api.example.com")).status_code == 200


async def test_a_missing_code_is_named(world: World) -> None:
    client = await world.client()
    check_refused(await world.token(client, grant_type="authorization_code"), "invalid_request", "code is missing")
    await check_event(world, "token.refused", outcome="failure", error="invalid_request", reason="code is missing")
