"""A follower that is cut off counts until it says goodbye or its lease is lost for sure: what is told stays true."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from feed.board import HEARD_EVERY
from feed.counting import CLOCKS_APART, LOST_AFTER
from feed.in_force import TOLD_AFTER
from feed.overview import Batch, load_place, shown_time, words_of
from feed.tables import feed_followers
from tests.feed.room import Room
from tests.feed.test_in_force import CLIENT, Desk, followers, newest

pytestmark = pytest.mark.anyio

LEASE_S = 60


async def heard_at(room: Room, name: str) -> datetime:
    async with room.database.reading() as db:
        query = select(feed_followers.c.heard_at).where(feed_followers.c.name == name)
        at: datetime = (await db.execute(query)).scalar_one()
        return at


async def cut_one_of_two(room: Room) -> Desk:
    """A revocation that "a" has confirmed, and "away" was cut off a little before."""
    desk = Desk(room)
    desk.connect("a", "away")
    await desk.round()
    desk.cut("away")
    room.clock.move(seconds=3)
    await desk.revoke()
    await desk.acknowledge("a", 1)
    assert await desk.round() == [], "it may accept for as long as its lease lasts"
    return desk


async def test_losing_the_connection_takes_nobody_out_of_the_count(room: Room) -> None:
    """S18: "in force at 1 of 1" would be a lie while a second one still accepts."""
    desk = await cut_one_of_two(room)
    room.clock.move(seconds=TOLD_AFTER.total_seconds())
    (late,) = await desk.round()
    refuses_at = await heard_at(room, "away") + LOST_AFTER
    assert (late.followers, late.reached, late.is_settled, late.refuses_at) == (2, 1, False, refuses_at)
    from_then = f"one cannot be reached and refuses by itself from {shown_time(refuses_at)} on"
    assert words_of(await newest(room)) == f"in force at 1 of 2; {from_then}"
    room.clock.move(seconds=LEASE_S - TOLD_AFTER.total_seconds())
    assert await desk.round() == [], "a minute is the lease, and it was heard when the server noticed at the latest"
    room.clock.move(seconds=LOST_AFTER.total_seconds() - LEASE_S)
    (told,) = await desk.round()
    assert (told.followers, told.reached, told.is_settled, told.refuses_at) == (2, 1, True, refuses_at)
    batch = await newest(room)
    assert (batch.unreachable, batch.refuses_at, batch.settled_at is not None) == (1, batch.settled_at, True)
    assert f"in force at 1 of 2 in {told.in_force_ms} ms; one cannot be reached and refuses by itself" in words_of(
        batch
    )


async def test_a_follower_that_comes_back_within_its_lease_is_waited_for(room: Room) -> None:
    desk = await cut_one_of_two(room)
    room.clock.move(seconds=30)
    desk.connect("away")
    (late,) = await desk.round()
    assert (late.is_settled, late.refuses_at) == (False, None)
    await desk.acknowledge("away", 1)
    (told,) = await desk.round()
    assert (told.followers, told.reached, told.is_settled) == (2, 2, True)
    assert told.in_force_ms >= 30_000
    assert words_of(await newest(room)) == f"in force at 2 of 2 in {told.in_force_ms} ms"


async def test_a_goodbye_ends_the_wait_at_once_whoever_hears_it(room: Room) -> None:
    """Through another process than the stream's, which notices a little later that the stream is gone."""
    desk, other = await cut_one_of_two(room), Desk(room)
    desk.connect("away")
    await desk.round()
    other.board.say_goodbye(CLIENT, "away", now=room.clock())
    await other.board.round()
    room.clock.move(seconds=1)
    desk.cut("away")
    (told,) = await desk.round()
    assert (told.followers, told.reached) == (1, 1)
    seen = (await followers(room))["away"]
    assert (seen.connected, seen.refuses_at, seen.left_at is not None) == (False, None, True)


async def test_who_is_heard_after_a_goodbye_counts_again(room: Room) -> None:
    desk, other = Desk(room), Desk(room)
    desk.connect("a")
    await desk.round()
    desk.leave("a")
    await desk.round()
    other.connect("a")
    await other.round()
    assert (await followers(room))["a"].left_at is None
    desk.board.say_goodbye(CLIENT, "a", now=room.clock())
    await desk.board.round()
    for _ in range(3):
        room.clock.move(seconds=HEARD_EVERY.total_seconds())
        await other.board.round()
    assert (await followers(room))["a"].connected, "its stream is still there: another process has the same name"


async def test_a_follower_that_polls_counts_for_as_long_as_its_questions_are_young(room: Room) -> None:
    desk = Desk(room)
    desk.board.hear(CLIENT, "polls", now=room.clock())
    await desk.round()
    assert (await followers(room))["polls"].connected
    room.clock.move(seconds=LEASE_S)
    await desk.revoke()
    assert await desk.round() == []
    room.clock.move(seconds=LOST_AFTER.total_seconds() - LEASE_S)
    (told,) = await desk.round()
    assert (told.followers, told.reached, told.is_settled) == (1, 0, True)


async def test_who_was_lost_and_comes_back_begins_anew(room: Room) -> None:
    """Its first head vouches for all that was numbered meanwhile."""
    desk = Desk(room)
    desk.connect("a")
    desk.cut("a")
    await desk.round()
    room.clock.move(seconds=LOST_AFTER.total_seconds() + 1)
    await desk.revoke()
    room.clock.move(seconds=0.05)
    desk.connect("a")
    assert await desk.round() == []
    assert (await newest(room)).followers == 0


async def test_a_clock_that_was_set_back_makes_nobody_look_connected(room: Room) -> None:
    """I4: neither who went then, nor who is there and would not be counted."""
    desk = Desk(room)
    desk.connect("stays", "goes", "left")
    desk.leave("left")
    desk.cut("goes")
    await desk.round()
    room.clock.move(seconds=-3600)
    await desk.round()
    room.clock.move(seconds=HEARD_EVERY.total_seconds())
    await desk.round()
    room.clock.move(seconds=CLOCKS_APART.total_seconds())
    await desk.round()
    seen = await followers(room)
    assert {name: each.connected for name, each in seen.items()} == {"stays": True, "goes": False, "left": False}
    room.clock.move(seconds=LOST_AFTER.total_seconds())
    await desk.round()
    await desk.revoke()
    await desk.acknowledge("stays", 1)
    (told,) = await desk.round()
    assert (told.followers, told.reached) == (1, 1)


async def test_the_place_tells_who_is_connected_and_who_cannot_be_reached(room: Room) -> None:
    await cut_one_of_two(room)
    room.clock.move(seconds=10)
    desk = Desk(room)
    await desk.acknowledge("a", 1)
    desk.board.hear(CLIENT, "a", now=room.clock())
    await desk.round()
    async with room.database.reading() as db:
        place = await load_place(db, now=room.clock())
    assert (place.connected, place.behind, place.unreachable) == (1, 0, 1)
    seen = (await followers(room))["away"]
    assert (seen.connected, seen.refuses_at) == (False, seen.heard_at + LOST_AFTER)


@pytest.mark.parametrize(
    ("unreachable", "ms", "words"),
    [
        (0, None, "in force at 11 of 14; 3 have not confirmed it"),
        (2, None, "in force at 11 of 14; one has not confirmed it; 2 cannot be reached and refuse by themselves"),
        (3, 180, "in force at 11 of 14 in 180 ms; 3 cannot be reached and refuse by themselves from 01:46:41 UTC on"),
    ],
)
def test_the_words_say_who_is_missing(unreachable: int, ms: int | None, words: str) -> None:
    """The moment is never told too early."""
    at = datetime.fromisoformat("2026-11-23T01:46:40.000001+00:00")
    batch = Batch(1, 2, at - timedelta(minutes=2), at, 14, 11, ms, unreachable, at if unreachable else None, None)
    assert words_of(batch).startswith(words)
