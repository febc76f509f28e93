"""The feed's numbers and chain: no gap and no fork, whoever numbers, freezes or dies."""

import asyncio
import os
import sys
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select, update

from base.leases import LeaseLost
from base.tables import sequences
from feed.entries import EVERYONE, Kind
from feed.numbering import PATIENCE_S, begin_epoch, ensure_epoch
from feed.tables import feed, feed_batches
from tests.feed.room import ISSUER, Room, stamp
from tests.server.process import ROOT

pytestmark = pytest.mark.anyio


async def test_entries_get_numbers_from_1_on_and_a_chain_over_their_bytes(room: Room) -> None:
    """I3"""
    sequencer = room.sequencer()
    assert await sequencer.round() == 0
    for count in (1, 2, 250, 3):
        await room.publish(count)
        assert await sequencer.round() == count
        await room.check_whole()
    assert await sequencer.round() == 0
    assert (await room.check_whole()).seq == 256


async def test_more_than_one_batch_is_numbered_in_one_round(room: Room) -> None:
    await room.publish(1500)
    assert await room.sequencer().round() == 1500
    assert (await room.check_whole()).seq == 1500
    async with room.database.reading() as db:
        batches = (await db.execute(select(feed_batches).order_by(feed_batches.c.first))).all()
    assert [(each.first, each.last) for each in batches] == [(1, 1000), (1001, 1500)]


async def test_a_line_says_all_that_a_follower_needs(room: Room) -> None:
    now = room.clock()
    after = now + timedelta(days=1)
    await room.publish(kind=Kind.EVERYONE, subject=EVERYONE, not_before=now, expires_at=after)
    await room.publish(kind=Kind.FACTS, subject="1f6c", facts={"suspended": True, "risk": 80}, expires_at=after)
    await room.sequencer().round()
    first, second = (msgspec.json.decode(line) for line in await room.lines())
    assert list(first) == ["seq", "kind", "subject", "at", "expires", "not_before"]
    assert first["not_before"] == int(now.timestamp())
    assert stamp(now) <= first["at"] <= stamp(room.clock())
    assert 0 <= first["expires"] - after.timestamp() < 1, "it is never forgotten too early"
    assert second["facts"] == {"suspended": True, "risk": 80}
    assert "not_before" not in second


async def test_a_change_that_is_undone_leaves_no_entry(room: Room) -> None:
    """S44"""

    async def change_and_fail() -> None:
        async with room.database.transaction() as db:
            await db.execute(feed.insert().values(_row(room)))
            raise ValueError("the change itself fails")

    with pytest.raises(ValueError, match="the change itself"):
        await change_and_fail()
    assert await room.sequencer().round() == 0


def _row(room: Room) -> dict[str, object]:
    now = room.clock()
    return {"id": os.urandom(16), "kind": "grant", "subject": "g", "created_at": now, "expires_at": now}


async def test_a_leader_that_does_nothing_loses_the_lease_when_patience_is_over(room: Room) -> None:
    """Its lease has four seconds to run; a revocation does not wait for that."""
    leader, other = room.sequencer(), room.sequencer()
    await room.publish(3)
    assert await leader.round() == 3
    await room.publish(2)
    assert await other.round() == 0
    room.monotonic.now += PATIENCE_S - 0.01
    assert await other.round() == 0
    room.monotonic.now += 0.02
    assert await other.round() == 2
    assert (await room.check_whole()).seq == 5


async def test_a_leader_that_numbers_meanwhile_keeps_the_lease(room: Room) -> None:
    leader, other = room.sequencer(), room.sequencer()
    await room.publish()
    assert await leader.round() == 1
    for _ in range(6):
        await room.publish()
        assert await other.round() == 0
        room.monotonic.now += PATIENCE_S * 0.9
        assert await leader.round() == 1
    assert (await room.check_whole()).seq == 7


async def test_a_frozen_leader_that_wakes_with_rows_in_hand_writes_nothing(room: Room) -> None:
    frozen, other = room.sequencer(), room.sequencer()
    await room.publish(3)
    await frozen.round()
    await room.publish(4)
    async with room.database.reading() as db:
        in_hand = await frozen._order.unnumbered(db)
    await other.round()
    room.monotonic.now += PATIENCE_S + 0.1
    assert await other.round() == 4
    with pytest.raises(LeaseLost):
        await frozen._number(in_hand)
    await room.publish(1)
    assert await frozen.round() == 0
    assert await other.round() == 1
    assert (await room.check_whole()).seq == 8


async def test_processes_that_are_killed_while_they_number_leave_no_gap_and_no_fork(
    room: Room, database_url: str
) -> None:
    """kill -9 five times, in the middle of whatever it does; whoever is left goes on within its patience."""
    survivor = room.sequencer()
    survivor._monotonic = asyncio.get_running_loop().time
    for turn in range(5):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.feed.number_entries", database_url, ISSUER,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        await process.stdout.readline()
        for _ in range(10 + 3 * turn):
            await room.publish(20)
        process.kill()
        await process.wait()
        began = asyncio.get_running_loop().time()
        while await room.unnumbered():
            await survivor.round()
            await asyncio.sleep(0.005)
            assert asyncio.get_running_loop().time() - began < 10
        await room.check_whole()
        await survivor.lease.give_back(room.clock())
    assert (await room.check_whole()).seq == sum(20 * (10 + 3 * turn) for turn in range(5))


async def test_two_that_number_at_once_make_one_log(room: Room) -> None:
    writers, told = [room.sequencer() for _ in range(2)], 0

    async def keep_telling() -> None:
        nonlocal told
        for _ in range(20):
            await room.publish(5)
            told += 5

    async def keep_numbering(place: int) -> None:
        while told < 100 or await room.unnumbered():
            await writers[place].round()
            await writers[place].lease.give_back(room.clock())
            await asyncio.sleep(0)

    await asyncio.gather(keep_telling(), keep_numbering(0), keep_numbering(1))
    assert (await room.check_whole()).seq == 100


async def test_a_new_epoch_gives_new_numbers_to_what_is_in_force(room: Room) -> None:
    """F11"""
    await room.publish(5)
    await room.sequencer().round()
    before = await room.check_whole()
    async with room.database.transaction() as db:
        begun = await begin_epoch(db, now=room.clock())
    assert begun != before.epoch
    await room.publish(1)
    sequencer = room.sequencer()
    room.clock.move(seconds=10)
    assert await sequencer.round() == 6
    after = await room.check_whole()
    assert (after.epoch, after.seq) == (begun, 6)
    async with room.database.reading() as db:
        assert (await db.execute(select(feed_batches.c.epoch))).scalars().all() == [bytes.fromhex(begun)]


async def test_an_epoch_is_begun_once(room: Room) -> None:
    epoch = await room.epoch()
    async with room.database.transaction() as db:
        await ensure_epoch(db, now=room.clock())
    assert await room.epoch() == epoch


async def test_a_log_whose_last_row_was_taken_away_is_not_gone_on_with(room: Room) -> None:
    """A chain that was made up would be another log under the same numbers."""
    sequencer = room.sequencer()
    await room.publish(3)
    await sequencer.round()
    async with room.database.transaction() as db:
        await db.execute(feed.delete().where(feed.c.seq == 3))
    await room.publish(1)
    with pytest.raises(Exception, match="No row was found"):
        await sequencer.round()
    assert await room.unnumbered() == 1
    async with room.database.transaction() as db:
        await db.execute(update(sequences).where(sequences.c.name == "feed").values(next=3))
    assert await sequencer.round() == 1
    assert (await room.check_whole()).seq == 3
