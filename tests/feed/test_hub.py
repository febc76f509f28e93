"""One process's hub: tells what is new, says once a second that nothing is, and never says more than it has read."""

import asyncio

import pytest
from sqlalchemy import delete, update

from base.errors import StorageUnavailable
from base.tables import sequences
from feed.hub import HEARTBEAT_S, KEPT_LINES, FeedHub
from feed.looks import LONGEST_WAIT_S
from feed.numbering import begin_epoch
from feed.reading import PAGE
from feed.tables import feed
from tests.feed.room import Room, claims

pytestmark = pytest.mark.anyio


async def heard(hub: FeedHub, word: asyncio.Event) -> bool:
    """Whether something was told since that word was taken."""
    await asyncio.sleep(0)
    return word.is_set()


async def test_an_entry_is_told_in_the_next_round_after_its_change(room: Room) -> None:
    hub = room.hub()
    await hub.round()
    assert claims(hub.head)["seq"] == 0
    word = hub.next_word()
    await room.publish(3)
    await hub.round()
    assert await heard(hub, word)
    says, place = claims(hub.head), await room.check_whole()
    assert (says["seq"], says["epoch"], says["iss"]) == (3, place.epoch, hub.issuer)
    assert hub.lines_after(1) == (await room.lines())[1:]
    assert hub.lines_after(3) == []


async def test_another_process_tells_what_the_first_has_numbered(room: Room) -> None:
    one, other = room.hub(), room.hub()
    await one.round()
    await other.round()
    await room.publish(2)
    await one.round()
    await other.round()
    assert [claims(hub.head)["seq"] for hub in (one, other)] == [2, 2]
    assert claims(one.head)["boot"] != claims(other.head)["boot"], "their clocks have nothing in common"


async def test_a_head_comes_every_second_and_not_more_often_while_nothing_happens(room: Room) -> None:
    hub, told = room.hub(), 0
    await hub.round()
    for _ in range(60):
        word = hub.next_word()
        room.monotonic.now += 0.05
        await hub.round()
        told += await heard(hub, word)
    assert 2 <= told <= 3
    assert claims(hub.head)["up"] == pytest.approx(room.monotonic.now * 1000, abs=HEARTBEAT_S * 1000 + 1)


async def test_a_heads_clock_was_read_before_the_log(room: Room) -> None:
    """I6: an entry that is committed while the log is read must not be vouched away."""
    hub, asked = room.hub(), room.monotonic.now
    find = hub._sequencer.round

    async def slow() -> int:
        room.monotonic.now += 3
        return await find()

    hub._sequencer.round = slow  # type: ignore[method-assign]
    await room.publish()
    await hub.round()
    assert claims(hub.head)["up"] == asked * 1000


async def test_a_head_told_while_an_entry_waits_is_as_old_as_the_last_look_before_it(room: Room) -> None:
    """I6: who revoked was told that it is done; a head without the entry must not vouch for the moment after that."""
    hub, leader = room.hub(), room.sequencer()
    await hub.round()
    before = claims(hub.head)["up"]

    async def nobody() -> int:
        return 0

    hub._sequencer.round = nobody  # type: ignore[method-assign]
    room.monotonic.now += 0.6
    await room.publish()
    await hub.round()
    room.monotonic.now += HEARTBEAT_S - 0.5
    word = hub.next_word()
    await hub.round()
    assert await heard(hub, word), "it waits for too short a time to be silent"
    assert (claims(hub.head)["seq"], claims(hub.head)["up"]) == (0, before)
    assert await leader.round() == 1
    await hub.round()
    assert (claims(hub.head)["seq"], claims(hub.head)["up"]) == (1, room.monotonic.now * 1000)


async def test_whoever_asks_now_is_answered_when_what_waits_has_its_number(room: Room) -> None:
    """I6: the first head of a connection vouches for the moment of the question."""
    hub, leader = room.hub(), room.sequencer()
    await hub.round()

    async def nobody() -> int:
        return 0

    hub._sequencer.round = nobody  # type: ignore[method-assign]
    await room.publish()
    room.monotonic.now += 0.5
    asked = asyncio.create_task(hub.read_now())
    await asyncio.sleep(0.1)
    assert not asked.done()
    await leader.round()
    assert (await asked).seq == 1
    assert claims(hub.sign_head())["up"] == room.monotonic.now * 1000


async def test_a_log_that_cannot_be_read_is_not_told_of(room: Room) -> None:
    """I6"""
    hub = room.hub()
    await hub.round()
    before, word = hub.head, hub.next_word()

    async def fail() -> None:
        raise StorageUnavailable("away")

    hub._read = fail  # type: ignore[assignment,method-assign]
    room.monotonic.now += 2
    with pytest.raises(StorageUnavailable):
        await hub.round()
    assert not await heard(hub, word)
    assert hub.head == before
    assert hub.age_s == pytest.approx(2)


async def test_a_process_that_sees_entries_wait_for_their_number_says_nothing(room: Room) -> None:
    """I6: what is acknowledged to whoever revoked would be unknown to whoever is told "nothing new"."""
    hub = room.hub()
    await hub.round()

    async def nobody() -> int:
        return 0

    numbering = hub._sequencer.round
    hub._sequencer.round = nobody  # type: ignore[method-assign]
    await room.publish()
    await hub.round()
    room.monotonic.now += LONGEST_WAIT_S + 0.3
    word = hub.next_word()
    with pytest.raises(StorageUnavailable):
        await hub.read_now()
    assert not await heard(hub, word)
    hub._sequencer.round = numbering  # type: ignore[method-assign]
    assert (await hub.read_now()).seq == 1
    assert await heard(hub, word)


async def test_a_page_that_lags_does_not_vouch_as_fresh(room: Room) -> None:
    """I6: with more news than a page, the head of the first page is as old as the reading before it."""
    hub = room.hub()
    await hub.round()
    old = claims(hub.head)["up"]
    await room.publish(PAGE + 5)
    await room.sequencer().round()
    room.monotonic.now += 7
    await hub.round()
    says = claims(hub.head)
    assert (says["seq"], says["up"]) == (PAGE, old)
    await hub.round()
    says = claims(hub.head)
    assert (says["seq"], says["up"]) == (PAGE + 5, room.monotonic.now * 1000)


async def test_whoever_asks_now_hears_of_now_however_much_news_there_is(room: Room) -> None:
    """A follower takes the clock of its first head for one that was read after it asked."""
    hub = room.hub()
    await hub.round()
    await room.publish(2 * PAGE + 5)
    await room.sequencer().round()
    room.monotonic.now += 7
    assert (await hub.read_now()).seq == 2 * PAGE + 5
    assert claims(hub.sign_head())["up"] == room.monotonic.now * 1000


async def test_who_is_too_far_behind_for_memory_is_sent_to_the_table(room: Room) -> None:
    hub = room.hub()
    await hub.round()
    await room.publish(KEPT_LINES + 1)
    room.monotonic.now += 0.05
    await hub.read_now()
    assert hub.lines_after(0) is None
    assert len(hub.lines_after(1) or []) == KEPT_LINES


async def test_a_new_epoch_is_told_at_once(room: Room) -> None:
    """F11"""
    hub = room.hub()
    await room.publish(4)
    await hub.read_now()
    async with room.database.transaction() as db:
        begun = await begin_epoch(db, now=room.clock())
    await hub.read_now()
    says = claims(hub.head)
    assert (says["epoch"], says["seq"]) == (begun, 4)
    assert hub.lines_after(0) is None, "the lines in memory were of another epoch"


async def test_a_log_that_was_set_back_is_told_as_it_is(room: Room) -> None:
    hub = room.hub()
    await room.publish(4)
    await hub.read_now()
    async with room.database.transaction() as db:
        await db.execute(delete(feed).where(feed.c.seq > 2))
        await db.execute(update(sequences).where(sequences.c.name == "feed").values(next=3))
    await hub.read_now()
    assert claims(hub.head)["seq"] == 2


async def test_a_process_that_slept_until_its_place_was_cleared_away_goes_on_with_the_log_of_now(room: Room) -> None:
    hub = room.hub()
    await room.publish(3)
    await hub.read_now()
    await hub._sequencer.lease.give_back(room.clock())
    await room.publish(3)
    assert await room.sequencer().round() == 3
    async with room.database.transaction() as db:
        await db.execute(delete(feed).where(feed.c.seq <= 4))
    assert (await hub.read_now()).seq == 6
    assert hub.lines_after(3) is None, "who is behind must hear that there is a hole"


async def test_a_hub_that_closes_wakes_everybody_and_gives_the_numbering_away(room: Room) -> None:
    """F13"""
    hub, other = room.hub(), room.sequencer()
    await room.publish()
    await hub.round()
    word = hub.next_word()
    await hub.close()
    assert await heard(hub, word)
    await room.publish()
    assert await other.round() == 1


async def test_a_log_whose_last_entry_is_gone_says_nothing_until_a_new_epoch(room: Room) -> None:
    """I6: what cannot be chained is told to nobody, and what is still in force keeps its effect."""
    hub = room.hub()
    await room.publish(3)
    await hub.round()
    head = hub.head
    async with room.database.transaction() as db:
        await db.execute(delete(feed).where(feed.c.seq == 3))
    with pytest.raises(StorageUnavailable, match="ostiary feed new-epoch"):
        await hub.round()
    assert hub.head == head
    async with room.database.transaction() as db:
        epoch = await begin_epoch(db, now=room.clock())
    await hub.round()
    says = claims(hub.head)
    assert (says["epoch"], says["seq"]) == (epoch, 2)
