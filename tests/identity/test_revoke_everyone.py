"""Everything of everybody ends at once: what was committed before, and what is under way at that moment (I2, S18)."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import to_seconds
from base.ids import new_id
from base.tables import not_before
from feed.entries import Entry, publish
from feed.tables import feed
from identity import revocation
from identity.services import Services
from identity.tables import sessions
from identity.tokens import ACCESS_TYPE, verify_own_token
from tests.world import World

pytestmark = pytest.mark.anyio


async def revoke_everyone(world: World, now: datetime) -> None:
    async with world.services.database.transaction() as db:
        await revocation.revoke_everyone(db, world.services, why="emergency", now=now, actor="cli")


async def told(world: World, kind: str) -> list[datetime]:
    """The `not_before` of the feed's entries of a kind, oldest first."""
    async with world.services.database.reading() as db:
        query = select(feed.c.not_before).where(feed.c.kind == kind).order_by(feed.c.created_at, feed.c.id)
        return list((await db.execute(query)).scalars())


def issued(world: World, token: str) -> int:
    services = world.services
    claims = verify_own_token(
        token,
        services.keys,
        expected_type=ACCESS_TYPE,
        expected_issuer=services.settings.issuer,
        now=world.clock(),
    )
    assert claims is not None
    return msgspec.convert(claims["iat"], int)


async def test_tokens_issued_until_the_change_was_made_are_refused_and_not_only_until_it_was_asked_for(
    world: World,
) -> None:
    """I2: services know a person's token to be over by this one entry alone."""
    person, client = await world.person(), await world.client()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    asked_for = world.clock()
    world.clock.move(seconds=3)
    newer = (await world.refresh(client, tokens["refresh_token"])).json()
    await revoke_everyone(world, asked_for)
    (at,) = await told(world, "everyone")
    assert issued(world, newer["access_token"]) <= to_seconds(at)
    assert (await world.refresh(client, newer["refresh_token"])).json()["error"] == "invalid_grant"


async def test_an_applications_own_tokens_issued_until_the_change_was_made_are_refused(world: World) -> None:
    """I2"""
    client = await world.client(grants=("client_credentials",), scopes=(), redirect_uris=())
    asked_for = world.clock()
    world.clock.move(seconds=3)
    token = (await world.token(client, grant_type="client_credentials")).json()["access_token"]
    async with world.services.database.transaction() as db:
        client_id = client.client.client_id
        await revocation.revoke_client(db, world.services, client_id, why="stolen", now=asked_for, actor="cli")
    (at,) = await told(world, "client")
    assert issued(world, token) <= to_seconds(at)


async def test_a_sign_in_that_is_under_way_at_that_moment_ends_with_the_others(world: World) -> None:
    """I2: it began before, and is committed before the revocation is acknowledged."""
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
    async with world.services.database.reading() as db:
        row = dict((await db.execute(select(sessions))).mappings().one())
    begun = asyncio.Event()

    async def sign_in_slowly() -> None:
        async with world.services.database.transaction() as db:
            another = {"id": new_id(world.clock()), "digest": bytes(32)}
            await db.execute(insert(sessions).values({**row, **another}))
            begun.set()
            await asyncio.sleep(0.3)

    async def revoke() -> None:
        await begun.wait()
        await revoke_everyone(world, world.clock())

    await asyncio.gather(sign_in_slowly(), revoke())
    async with world.services.database.reading() as db:
        assert list((await db.execute(select(sessions.c.ended_why))).scalars()) == ["emergency"] * 2


async def test_a_clock_that_was_set_back_makes_no_earlier_token_good_again(world: World) -> None:
    """F6, I2: what the first revocation refused stays refused after the second."""
    await revoke_everyone(world, world.clock())
    world.clock.move(seconds=-900)
    await revoke_everyone(world, world.clock())
    first, second = sorted(await told(world, "everyone"))
    # What was issued in between says the second after the first one.
    assert second == first + timedelta(seconds=1)
    async with world.services.database.reading() as db:
        assert (await db.execute(select(not_before.c.at))).scalar_one() == second
    assert first > world.clock() + timedelta(minutes=14)


async def test_a_client_and_everyone_revoked_at_one_moment_do_not_wait_for_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I2: PostgreSQL would end one of two that hold what the other needs."""
    client_id = str((await world.client()).client.client_id)
    hold_up, is_held = revocation._hold_up_everyone, asyncio.Event()
    emergency: list[asyncio.Task[None]] = []

    async def hold_up_and_tell(db: AsyncConnection, services: Services) -> None:
        await hold_up(db, services)
        is_held.set()

    async def publish_amid_an_emergency(db: AsyncConnection, entry: Entry, *, now: datetime) -> None:
        """The client's row is held, and its grants are not ended yet."""
        emergency.append(asyncio.create_task(revoke_everyone(world, world.clock())))
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await is_held.wait()
        await publish(db, entry, now=now)

    monkeypatch.setattr(revocation, "_hold_up_everyone", hold_up_and_tell)
    monkeypatch.setattr(revocation, "publish", publish_amid_an_emergency)
    async with world.services.database.transaction() as db:
        await revocation.revoke_client(db, world.services, client_id, why="stolen", now=world.clock(), actor="cli")
    await emergency[0]
    assert len(await told(world, "everyone")) == 1
    first, again = await told(world, "client")
    assert again == first + timedelta(seconds=1), "its tokens may say the second after the first moment"
