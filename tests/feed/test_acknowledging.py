"""What an acknowledgement says about an epoch that this process does not know, or not any more."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from audit.catalogue import NOT_IN_FORCE
from feed.counting import HEARD_WITHIN, LOST_AFTER
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


async def test_a_goodbye_takes_a_follower_out_of_the_count(world: World, follower: Service) -> None:
    """Whatever it knew: of another epoch, too."""
    await revoke(world)
    epoch = (await world.app.feed.hub.read_now()).epoch
    assert await acknowledge(follower, epoch, 1) == 204
    assert (await stored(world)).connected
    for known in (epoch, "0" * 32):
        said = {"follower": "orders-1", "epoch": known, "seq": 1, "leaving": True}
        assert (await follower.http.post("/feed/v1/ack", json=said)).status_code == 204
        seen = await stored(world)
        assert (seen.connected, seen.left_at is not None, seen.refuses_at) == (False, True, None)
        assert await acknowledge(follower, epoch, 1) == 204
        assert (await stored(world)).connected, "who is heard again is there"


async def test_a_goodbye_that_is_neither_true_nor_false_is_refused(follower: Service) -> None:
    said = {"follower": "orders-1", "epoch": "0" * 32, "seq": 0, "leaving": "yes"}
    answer = await follower.http.post("/feed/v1/ack", json=said)
    assert (answer.status_code, answer.json()["errors"]) == (400, [{"field": "leaving", "expected": "true or false"}])


async def test_who_asks_for_deltas_by_name_is_there(world: World, follower: Service) -> None:
    epoch = (await world.app.feed.hub.read_now()).epoch
    assert (await follower.get("/feed/v1/delta", epoch=epoch, after=0, follower="orders-1")).status_code == 200
    assert (await stored(world)).connected
    wrong = await follower.get("/feed/v1/delta", epoch=epoch, after=0, follower="a b")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "follower")


async def test_the_stream_asked_for_without_its_body_ends(world: World, follower: Service) -> None:
    """And nobody is there by it."""
    async with asyncio.timeout(10):
        answer = await follower.http.head("/feed/v1/events", params={"follower": "orders-1"})
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/event-stream", b"")
    assert world.app.feed.board.connected == 0


async def test_who_does_not_confirm_is_told_with_when_it_refuses_by_itself(world: World, follower: Service) -> None:
    feed, name = world.app.feed, "orders-1"
    feed.board.connect(follower.client_id, name, now=world.clock())
    feed.board.cut(follower.client_id, name, now=world.clock())
    await feed.board.round()
    await revoke(world)
    epoch = (await feed.hub.read_now()).epoch
    told: dict[str, object] = {"epoch": epoch, "first": 1, "last": 1, "followers": 1, "reached": 0}
    refuses_at = (await stored(world)).heard_at + LOST_AFTER
    told["refuses_at"] = refuses_at.isoformat(timespec="seconds")
    for number, seconds in enumerate((HEARD_WITHIN.total_seconds() + 1, LOST_AFTER.total_seconds()), 1):
        world.clock.move(seconds=seconds)
        await feed.in_force.round()
        events = await world.events(NOT_IN_FORCE.name)
        assert (len(events), events[-1]["data"], events[-1]["severity"]) == (number, told, "MEDIUM")
    (batch,) = (await follower.get("/api/v1/feed")).json()["batches"]
    assert "in force at 0 of 1" in batch["words"]
    assert "; one cannot be reached and refuses by itself from " in batch["words"]
