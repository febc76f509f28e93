"""Who follows, how far each is, and when a revocation was in force everywhere."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from base.errors import StorageUnavailable
from feed.board import HEARD_EVERY, MOST_FOLLOWERS, FollowerBoard
from feed.counting import HEARD_WITHIN, LOST_AFTER
from feed.in_force import GIVEN_UP_AFTER, TOLD_AFTER, InForce, Reached
from feed.overview import Batch, StoredFollower, list_followers, load_place, newest_batches, words_of
from feed.tables import feed_followers
from tests.feed.room import Room

pytestmark = pytest.mark.anyio

CLIENT = "cli_orders"


class Told:
    """What was settled."""

    def __init__(self) -> None:
        self.settled: list[Reached] = []

    async def __call__(self, db: AsyncConnection, settled: Sequence[Reached], now: datetime) -> None:
        self.settled += settled


class Desk:
    """One process: its board, its part in settling, and what it told."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.told = Told()
        self.board = FollowerBoard(room.database, room.clock)
        self.in_force = InForce(room.database, room.clock, self.told)

    def connect(self, *names: str) -> None:
        for name in names:
            self.board.connect(CLIENT, name, now=self.room.clock())

    def cut(self, name: str) -> None:
        self.board.cut(CLIENT, name, now=self.room.clock())

    def leave(self, name: str) -> None:
        """A goodbye, and then the stream's end."""
        self.board.say_goodbye(CLIENT, name, now=self.room.clock())
        self.cut(name)

    async def acknowledge(self, name: str, seq: int) -> None:
        epoch = await self.room.epoch()
        self.board.acknowledge(CLIENT, name, epoch=epoch, seq=seq, now=self.room.clock())

    async def round(self) -> list[Reached]:
        """Writes and settles; returns what has been told since the last time."""
        await self.board.round()
        await self.in_force.round()
        told, self.told.settled = self.told.settled, []
        return told

    async def revoke(self, count: int = 1) -> None:
        """Entries that are numbered at once."""
        await self.room.publish(count)
        sequencer = self.room.sequencer()
        await sequencer.round()
        await sequencer.lease.give_back(self.room.clock())


async def followers(room: Room) -> dict[str, StoredFollower]:
    async with room.database.reading() as db:
        place = await load_place(db, now=room.clock())
        return {each.name: each for each in await list_followers(db, place, limit=100, now=room.clock())}


async def newest(room: Room) -> Batch:
    async with room.database.reading() as db:
        return (await newest_batches(db, await load_place(db, now=room.clock()), limit=1, now=room.clock()))[0]


async def test_a_revocation_is_in_force_when_the_last_follower_has_said_so(room: Room) -> None:
    desk = Desk(room)
    desk.connect("a", "b", "c")
    await desk.round()
    await desk.revoke(2)
    assert await desk.round() == []
    for name in ("a", "b"):
        await desk.acknowledge(name, 2)
    assert await desk.round() == []
    assert words_of(await newest(room)) == "on its way"
    room.clock.move(seconds=0.18)
    await desk.acknowledge("c", 2)
    (told,) = await desk.round()
    assert (told.first, told.last, told.followers, told.reached) == (1, 2, 3, 3)
    assert 180 <= told.in_force_ms < 5000
    assert words_of(await newest(room)) == f"in force at 3 of 3 in {told.in_force_ms} ms"
    assert await desk.round() == [], "it is told once"


async def test_a_follower_that_says_nothing_is_given_up_and_counted_as_not_reached(room: Room) -> None:
    desk = Desk(room)
    desk.connect("a", "silent")
    await desk.round()
    await desk.revoke()
    await desk.acknowledge("a", 1)
    for _ in range(9):
        room.clock.move(seconds=1)
        assert await desk.round() == []
    room.clock.move(seconds=TOLD_AFTER.total_seconds() - 8)
    (late,) = await desk.round()
    assert (late.followers, late.reached, late.refuses_at, late.is_settled) == (2, 1, None, False)
    assert words_of(await newest(room)) == "in force at 1 of 2; one has not confirmed it"
    assert await desk.round() == [], "it is told once"
    room.clock.move(seconds=(GIVEN_UP_AFTER - TOLD_AFTER).total_seconds())
    (told,) = await desk.round()
    assert (told.followers, told.reached, told.refuses_at, told.is_settled) == (2, 1, None, True)
    batch = await newest(room)
    assert (batch.settled_at is not None, batch.in_force_ms, batch.unreachable) == (True, None, 0)
    assert words_of(batch) == "in force at 1 of 2; one has not confirmed it"


async def test_with_no_follower_it_is_settled_at_once_and_nobody_is_told(room: Room) -> None:
    desk = Desk(room)
    await desk.revoke()
    assert await desk.round() == []
    batch = await newest(room)
    assert (batch.followers, batch.settled_at is not None) == (0, True)
    assert words_of(batch) == "no service followed the feed"


async def test_who_came_later_or_left_is_not_waited_for(room: Room) -> None:
    """The one began with a snapshot that holds it, the other is no enforcement point any more."""
    desk = Desk(room)
    desk.connect("a", "leaving")
    await desk.round()
    await desk.revoke()
    room.clock.move(seconds=0.05)
    desk.connect("late")
    desk.leave("leaving")
    await desk.acknowledge("a", 1)
    (told,) = await desk.round()
    assert (told.followers, told.reached) == (1, 1)


async def test_a_follower_whose_process_died_is_not_waited_for_after_its_time(room: Room) -> None:
    dead, desk = Desk(room), Desk(room)
    dead.connect("gone")
    await dead.round()
    room.clock.move(seconds=HEARD_WITHIN.total_seconds() + 1)
    assert not (await followers(room))["gone"].connected
    room.clock.move(seconds=(LOST_AFTER - HEARD_WITHIN).total_seconds())
    await desk.revoke()
    await desk.round()
    assert (await newest(room)).followers == 0


async def test_an_acknowledgement_may_come_through_another_process_than_the_stream(room: Room) -> None:
    """Behind a balancer it mostly does; it must not look as if the follower had left."""
    one, other = Desk(room), Desk(room)
    one.connect("a")
    await one.round()
    await one.revoke()
    await other.acknowledge("a", 1)
    await other.board.round()
    seen = (await followers(room))["a"]
    assert (seen.connected, seen.seq, seen.behind) == (True, 1, 0)
    (told,) = await one.round()
    assert (told.followers, told.reached) == (1, 1)
    await one.round()
    room.clock.move(seconds=HEARD_EVERY.total_seconds() + 1)
    await one.round()
    assert (await followers(room))["a"].seq == 1, "the stream's process knows of no acknowledgement and takes none back"


async def test_an_older_acknowledgement_does_not_set_a_follower_back(room: Room) -> None:
    one, other = Desk(room), Desk(room)
    one.connect("a")
    await one.revoke(5)
    await one.acknowledge("a", 5)
    await one.round()
    at = (await followers(room))["a"].acknowledged_at
    room.clock.move(seconds=1)
    await other.acknowledge("a", 3)
    await one.acknowledge("a", 4)
    await other.round()
    await one.round()
    seen = (await followers(room))["a"]
    assert (seen.seq, seen.acknowledged_at) == (5, at)


async def test_a_follower_without_a_stream_is_there_when_it_acknowledges(room: Room) -> None:
    desk = Desk(room)
    await desk.revoke()
    await desk.acknowledge("polls", 1)
    await desk.round()
    seen = (await followers(room))["polls"]
    assert (seen.connected, seen.seq) == (True, 1)


async def test_a_follower_is_there_while_one_of_its_streams_is(room: Room) -> None:
    desk = Desk(room)
    desk.connect("a", "a")
    desk.cut("a")
    await desk.round()
    assert (await followers(room))["a"].connected
    assert desk.board.connected == 1
    room.clock.move(seconds=30)
    await desk.round()
    assert (await followers(room))["a"].connected, "it is written down every few seconds"
    desk.cut("a")
    await desk.round()
    assert desk.board.connected == 0
    room.clock.move(seconds=HEARD_WITHIN.total_seconds())
    assert not (await followers(room))["a"].connected


async def test_what_could_not_be_written_is_written_later(room: Room) -> None:
    """I5"""
    desk = Desk(room)
    desk.connect("a")
    await desk.acknowledge("a", 0)
    away = patch.object(room.database, "transaction", side_effect=StorageUnavailable("away"))
    with away, pytest.raises(StorageUnavailable):
        await desk.board.round()
    assert await followers(room) == {}
    await desk.board.round()
    seen = (await followers(room))["a"]
    assert (seen.connected, seen.seq) == (True, 0)


async def test_nobody_fills_the_table_with_names(room: Room) -> None:
    desk = Desk(room)
    for number in range(MOST_FOLLOWERS + 50):
        desk.connect(f"n{number}")
    await desk.board.round()
    async with room.database.reading() as db:
        rows = (await db.execute(select(feed_followers.c.name))).scalars().all()
    assert len(rows) == MOST_FOLLOWERS + 1
    assert "too many" in rows


async def test_names_that_come_and_go_fill_no_table_either(room: Room) -> None:
    desk = Desk(room)
    with patch("feed.board.MOST_FOLLOWERS", 3):
        for number in range(10):
            await desk.acknowledge(f"n{number}", 0)
            await desk.board.round()
        assert set(await followers(room)) == {"n0", "n1", "n2", "too many"}
        another = desk.board.connect("cli_billing", "a", now=room.clock())
        assert another == "a", "one client's names are no other's loss"
        room.clock.move(seconds=86400)
        await desk.acknowledge("n9", 0)
        await desk.board.round()
    assert "n9" in await followers(room), "a name counts for a day"


async def test_who_got_no_name_of_its_own_leaves_by_the_one_it_has(room: Room) -> None:
    """Or every revocation would be waited for at somebody who is gone."""
    desk = Desk(room)
    with patch("feed.board.MOST_FOLLOWERS", 1):
        own, other = (desk.board.connect(CLIENT, name, now=room.clock()) for name in ("a", "b"))
        await desk.board.round()
        for name in (own, other):
            desk.board.say_goodbye(CLIENT, name, now=room.clock())
            desk.board.cut(CLIENT, name, now=room.clock())
        await desk.board.round()
    assert desk.board.connected == 0
    seen = await followers(room)
    assert seen["a"].left_at is not None
    assert seen["too many"].left_at is None, "others have that name, too, and they may go on"


async def test_two_processes_settle_a_batch_once(room: Room) -> None:
    one, other = Desk(room), Desk(room)
    one.connect("a")
    await one.round()
    await one.revoke()
    await one.acknowledge("a", 1)
    await one.board.round()
    told = [*await one.round(), *await other.round()]
    assert len(told) == 1


async def test_the_overview_tells_of_the_log_and_its_followers_in_pages(room: Room) -> None:
    desk = Desk(room)
    desk.connect("a", "b", "c")
    await desk.revoke(3)
    await room.publish(2)
    await desk.acknowledge("a", 3)
    await desk.acknowledge("b", 1)
    await desk.board.round()
    now = room.clock()
    async with room.database.reading() as db:
        place = await load_place(db, now=now)
        assert (place.seq, place.unnumbered, place.connected, place.behind) == (3, 2, 3, 2)
        first = await list_followers(db, place, limit=2, now=now)
        rest = await list_followers(db, place, limit=2, after=(CLIENT, first[-1].name), now=now)
    assert [(each.name, each.seq, each.behind) for each in [*first, *rest]] == [
        ("a", 3, 0),
        ("b", 1, 2),
        ("c", None, 3),
    ]
    assert now - first[0].heard_at < timedelta(seconds=5)
