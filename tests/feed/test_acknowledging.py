"""What an acknowledgement says about an epoch that this process does not know, or not any more."""

from collections.abc import AsyncIterator

import pytest

from feed.numbering import begin_epoch
from feed.overview import StoredFollower, list_followers, load_place
from tests.feed.test_addresses import revoke
from tests.server.api.service import Service, open_service
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def follower(world: World) -> AsyncIterator[Service]:
    """A service that follows the feed."""
    async with open_service(world, "feed:read", name="follower") as opened:
        yield opened


async def acknowledge(follower: Service, epoch: str, seq: int) -> int:
    said = {"follower": "orders-1", "epoch": epoch, "seq": seq}
    return (await follower.http.post("/feed/v1/ack", json=said)).status_code


async def stored(world: World) -> StoredFollower:
    """What is known of the one follower."""
    await world.app.feed.board.round()
    async with world.services.database.reading() as db:
        place = await load_place(db, now=world.clock())
        (found,) = await list_followers(db, place, limit=10, now=world.clock())
    return found


async def begin_anew(world: World) -> str:
    async with world.services.database.transaction() as db:
        return await begin_epoch(db, now=world.clock())


async def test_an_acknowledgement_to_a_process_that_has_read_nothing_yet_is_answered(
    world: World, follower: Service
) -> None:
    """I4: services come back at the very moment when a process starts."""
    assert await acknowledge(follower, "0" * 32, 0) == 204


async def test_an_acknowledgement_of_an_epoch_that_is_over_sets_nobody_back(world: World, follower: Service) -> None:
    await revoke(world)
    old = (await world.app.feed.hub.read_now()).epoch
    new = await begin_anew(world)
    await world.app.feed.hub.read_now()
    assert await acknowledge(follower, new, 1) == 204
    assert (await stored(world)).behind == 0
    assert await acknowledge(follower, old, 1) == 204
    assert (await stored(world)).behind == 0


async def test_an_acknowledgement_may_know_of_an_epoch_before_this_process_does(
    world: World, follower: Service
) -> None:
    """It heard of it by another one, and says it once."""
    await revoke(world)
    await world.app.feed.hub.read_now()
    assert await acknowledge(follower, await begin_anew(world), 1) == 204
    assert (await stored(world)).seq == 1
