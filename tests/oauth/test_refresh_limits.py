"""What bounds a refresh family: its scope, its lifetimes, its session, its client (S10)."""

from pathlib import Path
from typing import cast

import pytest

from identity.revocation import end_session
from tests.oauth.refusals import check_event, check_refused
from tests.oauth.tokens_read import claims_of
from tests.world import CreatedClient, World, open_world

pytestmark = pytest.mark.anyio

REFUSED = "the refresh token is not valid: unknown, expired, used, revoked, or given to another client"
DAY = 86_400


async def test_the_scope_may_shrink_and_never_grows(world: World) -> None:
    """S10"""
    client = await world.client()
    tokens = await world.tokens(client, await world.person(), scope="openid profile orders:read")
    narrowed = (await world.refresh(client, tokens["refresh_token"], scope="orders:read")).json()
    assert narrowed["scope"] == "orders:read"
    assert "id_token" not in narrowed
    assert claims_of(narrowed["access_token"])["scope"] == "orders:read"
    # A narrower answer does not narrow the family (RFC 6749 §6).
    whole = (await world.refresh(client, narrowed["refresh_token"])).json()
    assert whole["scope"] == "openid profile orders:read"
    for asked in ("openid orders:write", "openid profile orders:read email", "offline_access", "nonsense", " "):
        refused = await world.refresh(client, whole["refresh_token"], scope=asked)
        check_refused(refused, "invalid_scope", "wider than what was granted")
    await check_event(world, "token.refused", outcome="failure", error="invalid_scope")
    assert (await world.refresh(client, whole["refresh_token"])).status_code == 200


async def test_the_resource_stays_the_one_that_was_authorized(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client, await world.person())
    refused = await world.refresh(client, tokens["refresh_token"], resource="https://other.example.com")
    check_refused(refused, "invalid_target", "not the one that was authorized")
    assert (await world.refresh(client, tokens["refresh_token"], resource="https://api.example.com")).is_success


async def offline_family(world: World, client: CreatedClient) -> str:
    tokens = await world.tokens(client, await world.person(), scope="openid offline_access")
    return tokens["refresh_token"]


async def test_an_unused_family_ends_after_its_idle_lifetime(world: World) -> None:
    """S10"""
    client = await world.client()
    token = await offline_family(world, client)
    world.clock.move(seconds=14 * DAY + 1)
    check_refused(await world.refresh(client, token), "invalid_grant", REFUSED)
    await check_event(world, "token.refused", outcome="failure", reason="refresh token expired")
    assert await world.introspect(client, token) == {"active": False}


async def test_use_puts_off_the_idle_end_but_never_the_absolute_one(database_url: str, tmp_path: Path) -> None:
    """S10"""
    async with open_world(database_url, tmp_path, refresh__idle_s="1000", refresh__absolute_s="2500") as world:
        client = await world.client()
        token = await offline_family(world, client)
        for _ in range(2):
            world.clock.move(seconds=900)
            token = (await world.refresh(client, token)).json()["refresh_token"]
        seen = cast(int, (await world.introspect(client, token))["exp"]) - world.clock().timestamp()
        assert 600 < seen < 701
        world.clock.move(seconds=750)
        check_refused(await world.refresh(client, token), "invalid_grant", REFUSED)


async def test_repeating_the_previous_token_does_not_put_off_the_idle_end(database_url: str, tmp_path: Path) -> None:
    """S10"""
    async with open_world(database_url, tmp_path, refresh__idle_s="60", refresh__grace_s="60") as world:
        client = await world.client()
        first = await offline_family(world, client)
        second = (await world.refresh(client, first)).json()["refresh_token"]
        world.clock.move(seconds=50)
        assert (await world.refresh(client, first)).status_code == 200
        world.clock.move(seconds=11)
        check_refused(await world.refresh(client, second), "invalid_grant", REFUSED)


@pytest.mark.parametrize(("scope", "survives"), [("openid", False), ("openid offline_access", True)])
async def test_a_family_ends_with_its_session_unless_it_is_an_offline_one(
    world: World, scope: str, survives: bool
) -> None:
    """S10"""
    client, person = await world.client(), await world.person()
    async with world.browser() as browser:
        session = await world.sign_in(browser, person)
        tokens = (await world.redeem(client, await world.authorize(browser, client, scope=scope))).json()
    async with world.services.database.transaction() as db:
        await end_session(db, world.services, session, why="signed_out", now=world.clock(), actor="cli")
    response = await world.refresh(client, tokens["refresh_token"])
    assert response.status_code == (200 if survives else 400)
    assert (await world.introspect(client, tokens["access_token"]))["active"] is survives
    ended = await world.events("token.grant_ended")
    assert len(ended) == (0 if survives else 1)


async def test_a_session_that_ran_out_ends_its_families_too_and_a_refresh_does_not_prolong_it(world: World) -> None:
    """S10, S32"""
    client = await world.client()
    token = (await world.tokens(client, await world.person(), scope="openid"))["refresh_token"]
    for _ in range(2):
        world.clock.move(minutes=14)
        token = (await world.refresh(client, token)).json()["refresh_token"]
    world.clock.move(minutes=3)
    check_refused(await world.refresh(client, token), "invalid_grant", REFUSED)
    await check_event(
        world, "token.refused", outcome="failure", reason="the grant, its session or its person has ended"
    )


async def test_only_tokens_under_a_living_session_name_it(world: World) -> None:
    client, person = await world.client(), await world.person()
    bound = await world.tokens(client, person, scope="openid")
    offline = await world.tokens(client, person, scope="openid offline_access")
    assert str(claims_of(bound["access_token"])["sid"]).startswith("ses_")
    assert "sid" not in claims_of(offline["access_token"])


async def test_a_client_that_is_not_registered_for_refreshing_gets_no_refresh_token(world: World) -> None:
    client = await world.client(grants=("authorization_code",))
    tokens = await world.tokens(client, await world.person(), scope="openid offline_access")
    assert "refresh_token" not in tokens
    refused = await world.refresh(client, "ort_" + "a" * 70)
    check_refused(refused, "unauthorized_client", "not registered for refresh_token")


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
async def test_a_refresh_token_of_one_client_is_refused_to_another(world: World, method: str) -> None:
    """S5"""
    owner, thief = await world.client(), await world.client(auth_method=method)
    token = (await world.tokens(owner, await world.person()))["refresh_token"]
    check_refused(await world.refresh(thief, token), "invalid_grant", REFUSED)
    await check_event(world, "token.refused", outcome="failure", reason="refresh token of another client")
    assert (await world.refresh(owner, token)).status_code == 200


async def test_a_refreshed_id_token_says_the_same_of_the_sign_in(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client, await world.person(), nonce="n-1")
    world.clock.move(minutes=5)
    again = (await world.refresh(client, tokens["refresh_token"])).json()
    first, second = claims_of(tokens["id_token"]), claims_of(again["id_token"])
    for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid"):
        assert second[name] == first[name]
    assert second["iat"] != first["iat"]
    # OpenID Connect Core §12.2: a nonce belongs to the authorization, and should not come back.
    assert "nonce" not in second
