"""What a follower hears ends with its token, whatever ended that one (S18, I2)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta

import jwt
import pytest

from feed.callers import Follower
from identity import revocation
from identity.keys import KeyTimes, revoke_key
from tests.feed.room import some_follower
from tests.feed.test_addresses import follower, listening, revoke
from tests.server.api.service import Service
from tests.world import MovableClock, World

pytestmark = pytest.mark.anyio
__all__ = ["follower"]


async def by_token(world: World, service: Service) -> None:
    """Its own token alone, as its client asks for it."""
    answer = await world.token(service.client, path="/oauth/revoke", token=service.token)
    assert answer.status_code == 200


async def by_key(world: World, service: Service) -> None:
    """The key that signed the token, and that whoever forged one may have."""
    services, now = world.services, world.clock()
    times = KeyTimes(*(timedelta(days=1) for _ in KeyTimes.__dataclass_fields__))
    async with services.database.transaction() as db:
        kid = jwt.get_unverified_header(service.token)["kid"]
        await revoke_key(db, services.sealer, services.emitter, kid, times=times, now=now, actor="cli")
    await services.keys.poll(now)


async def by_client(world: World, service: Service) -> None:
    """Everything of the application."""
    async with world.services.database.transaction() as db:
        told = {"why": "revoked", "now": world.clock(), "actor": "cli"}
        await revocation.revoke_client(db, world.services, service.client_id, **told)  # type: ignore[arg-type]
    await world.services.catalogue.poll()


ENDS: Mapping[str, Callable[[World, Service], Awaitable[None]]] = {
    "token": by_token,
    "key": by_key,
    "client": by_client,
}


async def to_the_end(stream: object) -> AsyncIterator[object]:
    """The rest of a stream's events."""
    while (event := await stream.event()) is not None:  # type: ignore[attr-defined]
        yield event


@pytest.mark.parametrize("what", ENDS)
async def test_a_stream_ends_with_its_token(world: World, follower: Service, what: str) -> None:
    async with listening(follower) as stream:
        await stream.begin()
        assert await stream.event() is not None
        await ENDS[what](world, follower)
        async with asyncio.timeout(5):
            events = [event async for event in to_the_end(stream)]
    assert len(events) < 4


async def test_another_token_that_is_revoked_ends_no_stream(world: World, follower: Service) -> None:
    another = await world.token(follower.client, grant_type="client_credentials", scope="feed:read")
    async with listening(follower) as stream:
        await stream.begin()
        assert await stream.event() is not None
        await world.token(follower.client, path="/oauth/revoke", token=another.json()["access_token"])
        await revoke(world)
        for _ in range(4):
            assert await stream.event() is not None


async def test_a_token_that_is_revoked_while_its_stream_begins_hears_nothing(
    world: World, follower: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry may have its number already, and never come on this stream."""
    hub = world.app.feed.hub
    read_now = hub.read_now

    async def revoked_meanwhile() -> object:
        await by_token(world, follower)
        return await read_now()

    monkeypatch.setattr(hub, "read_now", revoked_meanwhile)
    async with listening(follower) as stream:
        await stream.begin()
        assert await stream.event() is None


@pytest.mark.parametrize("what", ENDS)
async def test_a_question_that_waits_is_not_answered_when_its_token_has_ended(
    world: World, follower: Service, what: str
) -> None:
    epoch = (await follower.get("/feed/v1/snapshot")).headers["etag"].strip('"').partition(":")[0]
    asked = asyncio.create_task(follower.get("/feed/v1/delta", epoch=epoch, after=0, wait=25))
    await asyncio.sleep(0.2)
    await ENDS[what](world, follower)
    await world.app.feed.hub.round()
    answer = await asyncio.wait_for(asked, 10)
    assert (answer.status_code, answer.json()["detail"]) == (401, "the access token has ended meanwhile")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_an_entry_names_a_token_by_its_whole_id() -> None:
    def of(jti: str) -> Follower:
        return some_follower(MovableClock()(), jti=jti)

    line = b'{"seq":1,"kind":"token","subject":"abcdef","at":1,"expires":2}'
    assert of("abcdef").is_named_in([b"{}", line])
    assert not of("abc").is_named_in([line])
    assert not of("abcdef").is_named_in([])
