"""Signing keys: published before they sign and after they stopped, and no token is refused for a rotation (S39)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from identity.errors import Refused
from identity.keys import KeyTimes, list_keys, revoke_key, rotate_key
from server.composition import key_times
from tests.oauth.refusals import check_event
from tests.oauth.tokens_read import header_of
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

ALGS = ("ES256", "RS256")


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment whose keys are published for a minute before they sign, and cached for ten seconds."""
    async with open_world(database_url, tmp_path, keys__publish_s="60", keys__cache_s="10") as opened:
        yield opened


def times(world: World) -> KeyTimes:
    return key_times(world.services.settings)


async def rotate(world: World, alg: str) -> str:
    """Rotates, as an administrator would, and lets this process notice."""
    services = world.services
    async with services.database.transaction() as db:
        kid = await rotate_key(
            db, services.sealer, services.emitter, alg, times=times(world), now=world.clock(), actor="cli"
        )
    await services.keys.poll(world.clock())
    return kid


async def revoke(world: World, kid: str) -> None:
    services = world.services
    async with services.database.transaction() as db:
        await revoke_key(db, services.sealer, services.emitter, kid, times=times(world), now=world.clock(), actor="cli")
    await services.keys.poll(world.clock())


async def states(world: World, alg: str) -> dict[str, str]:
    async with world.services.database.reading() as db:
        return {key.kid: key.state for key in await list_keys(db) if key.alg == alg}


async def published(world: World) -> dict[str, str]:
    """The key set as anybody fetches it: algorithm by key id."""
    async with world.browser() as caller:
        response = await caller.get("/.well-known/jwks.json")
    keys = response.json()["keys"]
    for key in keys:
        assert key["use"] == "sig"
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key)
    return {key["kid"]: key["alg"] for key in keys}


async def test_an_active_and_a_next_key_are_published_for_each_algorithm(world: World) -> None:
    """S39"""
    keys = await published(world)
    for alg in ALGS:
        assert sorted((await states(world, alg)).values()) == ["active", "next"]
        assert list(keys.values()).count(alg) == 2


@pytest.mark.parametrize("alg", ALGS)
async def test_a_key_signs_only_after_it_was_published_for_its_time(world: World, alg: str) -> None:
    """S39"""
    with pytest.raises(Refused, match=f"the next {alg} key may sign from .* on"):
        await rotate(world, alg)
    before = await published(world)
    world.clock.move(seconds=61)
    kid = await rotate(world, alg)
    assert before[kid] == alg
    assert world.services.keys.signer(alg).kid == kid
    with pytest.raises(Refused, match="verifiers need that time to fetch it"):
        await rotate(world, alg)
    await check_event(world, "admin.key_added", outcome="success", alg=alg, state="next")
    assert {event["data"]["after"] for event in await world.events("admin.key_changed")} == {"retired", "active"}  # type: ignore[index]


async def test_a_retired_key_stays_published_as_long_as_its_tokens_live(world: World) -> None:
    """S39"""
    client = await world.client()
    world.clock.move(seconds=61)
    token = (await world.tokens(client, await world.person(), scope="openid offline_access"))["access_token"]
    old = str(header_of(token)["kid"])
    await rotate(world, "ES256")
    assert old in await published(world)
    assert (await world.introspect(client, token))["active"] is True
    # A token lives 300 s, and somebody may have fetched the set just before its end: 10 s more.
    world.clock.move(seconds=305)
    await world.services.keys.poll(world.clock())
    assert old in await published(world)
    world.clock.move(seconds=6)
    await world.services.keys.poll(world.clock())
    assert old not in await published(world)


async def test_an_id_token_is_a_hint_for_as_long_as_the_longest_session_published_or_not(world: World) -> None:
    """S39, S15"""
    client, person = await world.client(), await world.person()
    world.clock.move(seconds=61)
    hint = (await world.tokens(client, person))["id_token"]
    await rotate(world, "RS256")
    world.clock.move(hours=23)
    await world.services.keys.poll(world.clock())
    assert header_of(hint)["kid"] not in await published(world)
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        answer = await world.authorize(browser, client, id_token_hint=hint, prompt="none")
        assert "code" in answer.params
        world.clock.move(hours=1, minutes=1)
        await world.sign_in(browser, person)
        answer = await world.authorize(browser, client, id_token_hint=hint, prompt="none")
    assert answer.params["error"] == "invalid_request"


async def test_rotation_under_load_refuses_nothing(world: World, database_url: str, tmp_path: Path) -> None:
    """S39: every token of a chain of rotations is good at this process and at one that has not polled yet."""
    client, person = await world.client(), await world.person()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    async with open_world(database_url, tmp_path, keys__publish_s="60", keys__cache_s="10") as other:
        other.clock = world.clock
        kids = set()
        for _ in range(4):
            world.clock.move(seconds=61)
            for alg in ALGS:
                await rotate(world, alg)
            response = await world.refresh(client, tokens["refresh_token"])
            assert response.status_code == 200, response.text
            tokens = response.json()
            kids.add(header_of(tokens["access_token"])["kid"])
            # The other process learnt of the next key long before it signed, and of the change only now.
            assert (await other.userinfo(tokens["access_token"])).status_code == 200
            await other.services.keys.poll(world.clock())
            assert (await world.introspect(client, tokens["access_token"]))["active"] is True
        assert len(kids) == 4


@pytest.mark.parametrize("state", ["active", "next"])
async def test_a_revoked_key_is_good_for_nothing_and_another_signs_at_once(world: World, state: str) -> None:
    """S39: an emergency does not wait for the time of publication."""
    client = await world.client()
    tokens = await world.tokens(client, await world.person(), scope="openid offline_access")
    kid = next(kid for kid, known in (await states(world, "ES256")).items() if known == state)
    await revoke(world, kid)
    assert kid not in await published(world)
    assert sorted((await states(world, "ES256")).values()) == ["active", "next", "revoked"]
    still = state == "next"
    assert (await world.introspect(client, tokens["access_token"]))["active"] is still
    fresh = (await world.refresh(client, tokens["refresh_token"])).json()
    assert (await world.introspect(client, fresh["access_token"]))["active"] is True
    await check_event(world, "admin.key_revoked", outcome="success", kid=kid, before=state)
    with pytest.raises(Refused, match="there is no key"):
        await revoke(world, kid)


async def test_the_key_set_may_be_kept_and_is_asked_for_anew_by_its_tag(world: World) -> None:
    """S39"""
    async with world.browser() as caller:
        first = await caller.get("/.well-known/jwks.json")
        assert first.headers["cache-control"] == "public, max-age=10"
        tag = {"if-none-match": first.headers["etag"]}
        unchanged = await caller.get("/.well-known/jwks.json", headers=tag)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        world.clock.move(seconds=61)
        await rotate(world, "ES256")
        assert (await caller.get("/.well-known/jwks.json", headers=tag)).status_code == 200


async def test_a_retired_key_stays_as_long_as_the_longest_token_that_any_client_may_get(world: World) -> None:
    """S39"""
    client = await world.client(access_token_ttl_s=7200)
    world.clock.move(seconds=61)
    token = (await world.tokens(client, await world.person(), scope="openid offline_access"))["access_token"]
    old = str(header_of(token)["kid"])
    await rotate(world, "ES256")
    world.clock.move(seconds=7205)
    await world.services.keys.poll(world.clock())
    assert old in await published(world)
    world.clock.move(seconds=6)
    await world.services.keys.poll(world.clock())
    assert old not in await published(world)
