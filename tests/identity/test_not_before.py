"""A revocation that follows another at once refuses what was issued in between: such tokens say a second ahead (I2)."""

from datetime import datetime, timedelta

import jwt
import pytest
from sqlalchemy import select

from base.clock import to_seconds
from feed.tables import feed
from identity import revocation
from identity.clients import set_client_disabled
from identity.not_before import refused_until
from tests.world import CreatedClient, World

pytestmark = pytest.mark.anyio


async def revoke_client(world: World, client: CreatedClient) -> None:
    async with world.services.database.transaction() as db:
        client_id, now = client.client.client_id, world.clock()
        await revocation.revoke_client(db, world.services, client_id, why="stolen", now=now, actor="cli")
    await world.services.catalogue.poll()


async def disable(world: World, client: CreatedClient, *, disabled: bool = True) -> None:
    async with world.services.database.transaction() as db:
        client_id, now = client.client.client_id, world.clock()
        await set_client_disabled(db, world.services, client_id, disabled=disabled, now=now, actor="cli")
    await world.services.catalogue.poll()


async def close_and_open(world: World, client: CreatedClient) -> None:
    await disable(world, client)
    await disable(world, client, disabled=False)


async def revoke_everyone(world: World, _: CreatedClient) -> None:
    async with world.services.database.transaction() as db:
        await revocation.revoke_everyone(db, world.services, why="emergency", now=world.clock(), actor="cli")
    await world.services.catalogue.poll()


async def refuses(world: World, token: str) -> bool:
    """Whether a follower of the feed refuses it."""
    claims = jwt.decode(token, options={"verify_signature": False})
    async with world.services.database.reading() as db:
        said = (await db.execute(select(feed.c.kind, feed.c.subject, feed.c.not_before))).all()
    about = {"client": claims["client_id"], "everyone": "*", "person": claims["sub"]}
    return any(
        claims.get("grant") == subject
        if kind == "grant"
        else about.get(kind) == subject and claims["iat"] <= to_seconds(at)
        for kind, subject, at in said
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (revoke_client, revoke_client),
        (revoke_everyone, revoke_client),
        (close_and_open, revoke_client),
        (close_and_open, disable),
        (revoke_everyone, disable),
        (revoke_client, revoke_everyone),
        (close_and_open, revoke_everyone),
        (revoke_everyone, revoke_everyone),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_an_applications_own_token_from_between_two_revocations_is_refused(
    world: World, first: object, second: object
) -> None:
    """I2: they come within the same second, or the first one was told for a moment ahead."""
    assert callable(first)
    assert callable(second)
    client = await world.client(grants=("client_credentials",), scopes=(), redirect_uris=())
    await first(world, client)
    token = (await world.token(client, grant_type="client_credentials")).json()["access_token"]
    await second(world, client)
    assert await refuses(world, token)
    if second is not disable:
        after = (await world.token(client, grant_type="client_credentials")).json()["access_token"]
        assert not await refuses(world, after)


@pytest.mark.parametrize("first", ["person", "client"])
async def test_a_persons_token_from_between_two_revocations_is_refused_by_the_one_of_everyone(
    world: World, first: str
) -> None:
    """I2: the feed does not tell of every grant then."""
    person, client = await world.person(), await world.client()
    if first == "client":
        await close_and_open(world, client)
    else:
        # Of another application the feed has something more to say, too.
        await close_and_open(world, await world.client(name="Other"))
        async with world.services.database.transaction() as db:
            await revocation.revoke_person(db, world.services, person.id, why="x", now=world.clock(), actor="cli")
    tokens = await world.tokens(client, person, scope="openid offline_access")
    await revoke_everyone(world, client)
    assert await refuses(world, tokens["access_token"])


async def test_a_moment_that_a_wrong_clock_wrote_for_one_application_shuts_out_nobody_else(world: World) -> None:
    """F6"""
    fast, other = [await world.client(grants=("client_credentials",), scopes=(), redirect_uris=()) for _ in range(2)]
    world.clock.move(days=1)
    await revoke_client(world, fast)
    world.clock.move(days=-1)
    ahead = (await world.token(fast, grant_type="client_credentials")).json()["access_token"]
    await revoke_everyone(world, fast)
    assert await refuses(world, ahead), "it would be good tomorrow"
    after = [(await world.token(one, grant_type="client_credentials")).json()["access_token"] for one in (fast, other)]
    assert [await refuses(world, token) for token in after] == [False, False]
    assert jwt.decode(after[1], options={"verify_signature": False})["iat"] <= to_seconds(world.clock()) + 1


def test_nothing_said_before_leaves_the_moment_as_it_is() -> None:
    at = datetime.fromisoformat("2026-11-23T00:00:10.5+00:00")
    assert refused_until(at, None, at - timedelta(seconds=2)) == at
    assert refused_until(at, at) == at + timedelta(seconds=1)
