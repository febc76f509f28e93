"""Revocation by the client that holds a token (RFC 7009): 200 means that nothing works any more."""

import pytest

from tests.oauth.refusals import check_event, check_refused
from tests.world import CreatedClient, World

pytestmark = pytest.mark.anyio


async def revoke(world: World, client: CreatedClient, token: str, **form: str):  # type: ignore[no-untyped-def]
    """The revocation endpoint's answer."""
    return await world.token(client, path="/oauth/revoke", token=token, **form)


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "nonsense"])
async def test_a_revoked_refresh_token_ends_its_whole_grant(world: World, hint: str) -> None:
    client = await world.client()
    tokens = await world.tokens(client, await world.person())
    response = await revoke(world, client, tokens["refresh_token"], token_type_hint=hint)
    assert (response.status_code, response.json()) == (200, {})
    await check_event(world, "token.grant_ended", outcome="success", why="revoked")
    assert await world.introspect(client, tokens["access_token"]) == {"active": False}
    assert (await world.userinfo(tokens["access_token"])).status_code == 401
    check_refused(await world.refresh(client, tokens["refresh_token"]), "invalid_grant", "not valid")


async def test_an_older_refresh_token_of_the_family_ends_it_too(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client, await world.person())
    newer = (await world.refresh(client, tokens["refresh_token"])).json()["refresh_token"]
    assert (await revoke(world, client, tokens["refresh_token"])).status_code == 200
    check_refused(await world.refresh(client, newer), "invalid_grant", "not valid")


async def test_a_revoked_access_token_dies_alone(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client, await world.person())
    for _ in range(2):
        assert (await revoke(world, client, tokens["access_token"])).status_code == 200
    assert len(await world.events("token.revoked")) == 1
    assert await world.introspect(client, tokens["access_token"]) == {"active": False}
    assert (await world.userinfo(tokens["access_token"])).status_code == 401
    fresh = (await world.refresh(client, tokens["refresh_token"])).json()
    assert (await world.introspect(client, fresh["access_token"]))["active"] is True


async def test_a_service_revokes_its_own_token(world: World) -> None:
    client = await world.client(grants=("client_credentials",), redirect_uris=())
    token = (await world.token(client, grant_type="client_credentials")).json()["access_token"]
    assert (await world.introspect(client, token))["active"] is True
    assert (await revoke(world, client, token)).status_code == 200
    assert await world.introspect(client, token) == {"active": False}
    await check_event(world, "token.revoked", outcome="success", kind="access_token", grant=None)


async def test_a_public_client_revokes_its_own(world: World) -> None:
    client = await world.client(auth_method="none")
    tokens = await world.tokens(client, await world.person())
    assert (await revoke(world, client, tokens["refresh_token"])).status_code == 200
    check_refused(await world.refresh(client, tokens["refresh_token"]), "invalid_grant", "not valid")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_token_of_another_client_is_refused_and_lives_on(world: World, kind: str) -> None:
    """S5, S12"""
    owner, other = await world.client(), await world.client()
    tokens = await world.tokens(owner, await world.person())
    refused = await revoke(world, other, tokens[kind])
    check_refused(refused, "invalid_grant", "this token was issued to another client")
    await check_event(world, "token.refused", outcome="failure", error="invalid_grant", grant_type="revocation")
    assert (await world.introspect(owner, tokens[kind]))["active"] is True


@pytest.mark.parametrize("token", ["x", "ort_" + "a" * 70, "oac_" + "a" * 43, "a.b.c", "\0"])
async def test_what_is_no_token_does_not_work_already(world: World, token: str) -> None:
    """RFC 7009 §2.2"""
    client = await world.client()
    response = await revoke(world, client, token)
    assert (response.status_code, response.json()) == (200, {})
    assert not await world.events("token.revoked")


async def test_a_forged_refresh_token_ends_nothing(world: World) -> None:
    client = await world.client()
    token = (await world.tokens(client, await world.person()))["refresh_token"]
    forged = token[:-5] + ("AAAAA" if not token.endswith("AAAAA") else "BBBBA")
    assert (await revoke(world, client, forged)).status_code == 200
    assert not await world.events("token.grant_ended")
    assert (await world.refresh(client, token)).status_code == 200


async def test_a_missing_token_is_named(world: World) -> None:
    client = await world.client()
    check_refused(await world.token(client, path="/oauth/revoke", token=""), "invalid_request", "token is missing")
