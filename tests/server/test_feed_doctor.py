"""What `ostiary doctor` says about the feed."""

import pytest
from sqlalchemy import delete

from base.tables import sequences
from feed.board import FollowerBoard
from server.doctor_feed import check_feed
from tests.feed.room import open_room

pytestmark = pytest.mark.anyio


async def test_the_feed_is_well_where_entries_get_their_numbers(database_url: str) -> None:
    async with open_room(database_url) as room:
        board = FollowerBoard(room.database, room.clock)
        board.connect("cli_orders", "orders-1", now=room.clock())
        await board.round()
        await room.publish(2)
        words = "entry 0; 2 more are told as soon as a server process runs"
        assert await check_feed(room.database, room.clock()) == (True, words)
        await room.sequencer().round()
        words = "entry 2; 1 followers are connected, 1 of them behind"
        assert await check_feed(room.database, room.clock()) == (True, words)


async def test_entries_that_wait_while_a_process_leads_are_a_fault(database_url: str) -> None:
    async with open_room(database_url) as room:
        await room.publish()
        leader = room.sequencer()
        await leader.round()
        await room.publish(3)
        room.clock.move(seconds=12)
        assert (await check_feed(room.database, room.clock()))[0], "nobody leads: a stopped deployment is no fault"
        assert await leader.lease.take(room.clock())
        ok, words = await check_feed(room.database, room.clock())
        assert (ok, words.partition(" s, ")[0][:39]) == (False, "3 entries wait for their number for 12")
        assert "look for `the feed` in the log" in words


async def test_before_the_first_start_there_is_no_feed(database_url: str) -> None:
    async with open_room(database_url) as room:
        async with room.database.transaction() as db:
            await db.execute(delete(sequences))
        assert await check_feed(room.database, room.clock()) == (True, "the feed begins at the next start")
