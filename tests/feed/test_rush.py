"""A hub in a rush: entries that never stop coming, thousands who ask at once, and a table that is ahead of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request

from base.errors import StorageUnavailable
from feed.board import FollowerBoard
from feed.hub import FeedHub
from feed.looks import LONGEST_WAIT_S
from feed.reading import read_snapshot
from feed.stream import Stream
from tests.feed.room import Room, claims, some_follower

pytestmark = pytest.mark.anyio

TICK_S = 0.05


def numbered_by(hub: FeedHub, number: Callable[[], Awaitable[int]]) -> None:
    """Lets somebody else do the numbering in each of the hub's rounds."""
    hub._sequencer.round = number  # type: ignore[assignment,method-assign]


async def test_entries_that_never_stop_coming_silence_nobody(room: Room) -> None:
    """S18: a follower that comes back in the middle of a great clearing-out is let in, and hears heads."""
    hub, leader = room.hub(), room.sequencer()
    await hub.round()

    async def always_one_more() -> int:
        numbered = await leader.round()
        await room.publish()
        return numbered

    numbered_by(hub, always_one_more)
    await room.publish()
    for _ in range(40):
        room.monotonic.now += TICK_S
        await hub.round()
        assert await room.unnumbered() == 1
    assert (await hub.read_now()).seq == claims(hub.head)["seq"] == 42
    assert claims(hub.head)["up"] == int(room.monotonic.now * 1000)


async def test_an_entry_that_waits_behind_others_silences_the_process_as_one_alone(room: Room) -> None:
    """I6: that numbers are given helps nobody whose revocation is far behind them."""
    hub = room.hub()
    await hub.round()
    await room.publish(60)
    one_by_one = room.sequencer()
    order = one_by_one._order
    take = order.unnumbered

    async def only_the_first() -> int:
        async with room.database.reading() as db:
            rows = list(await take(db))[:1]
        await one_by_one.lease.take(room.clock())
        await one_by_one._number(rows)
        return len(rows)

    numbered_by(hub, only_the_first)
    while room.monotonic.now < 1000 + LONGEST_WAIT_S:
        await hub.round()
        assert hub.position.seq > 0
        assert claims(hub.head)["up"] == 1000 * 1000, "as of before they came"
        room.monotonic.now += TICK_S
    room.monotonic.now += TICK_S
    with pytest.raises(StorageUnavailable):
        await hub.read_now()
    await room.sequencer().round()
    await one_by_one.lease.give_back(room.clock())
    await room.sequencer().round()
    assert (await hub.read_now()).seq == 60


async def test_thousands_who_ask_at_once_share_a_reading(room: Room) -> None:
    """They would wait for each other, and everybody's heads behind them."""
    hub, readings = room.hub(), 0
    read = hub._read

    async def counted() -> object:
        nonlocal readings
        readings += 1
        return await read()

    hub._read = counted  # type: ignore[assignment,method-assign]
    await room.publish(3)
    places = await asyncio.gather(*(hub.read_now() for _ in range(1000)))
    assert {place.seq for place in places} == {3}
    assert readings <= 2
    await room.publish()
    assert (await hub.read_now()).seq == 4, "who asks later is not answered by an earlier reading"


async def test_thousands_who_wait_are_answered_from_memory(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would want a connection to the database at the same moment, and there are a few."""
    hub, epoch = room.hub(), await room.epoch()
    documents = room.documents(hub)
    await hub.round()

    async def refused(*_: object, **__: object) -> object:
        raise AssertionError("the table was read")

    monkeypatch.setattr("feed.documents.read_lines", refused)
    request = Request({"type": "http", "query_string": f"epoch={epoch}&after=0&wait=25".encode(), "headers": []})
    caller = some_follower(room.clock())
    asked = [asyncio.create_task(documents.delta(request, caller)) for _ in range(2000)]
    await asyncio.sleep(0.05)
    await room.publish(2)
    await hub.round()
    answers = await asyncio.wait_for(asyncio.gather(*asked), 10)
    (line, *more), *others = (bytes(answer.body).splitlines()[:-1] for answer in answers)
    assert [line, *more] == await room.lines()
    assert all(each == [line, *more] for each in others)


async def test_a_table_that_is_ahead_of_the_reading_resets_no_stream(room: Room) -> None:
    """Lines beyond every head would be followed by one that says less, which is a log that was set back."""
    hub = room.hub()
    await room.publish(3)
    await hub.round()
    hub._lines.clear()
    await room.publish(2)
    await hub._sequencer.round()
    request = Request({"type": "http", "query_string": b"", "headers": []})
    board = FollowerBoard(room.database, room.clock)
    stream = Stream(hub, board, some_follower(room.clock()), request, room.clock)
    lines = await stream._lines(await room.epoch(), 0)
    assert list(lines) == (await room.lines())[:3]
    await hub.round()
    assert list(await stream._lines(await room.epoch(), 3)) == (await room.lines())[3:]


async def test_a_snapshot_that_others_waited_for_serves_them_all(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each its own, a thousand followers of a new epoch would wait for a thousand of them."""
    hub, made = room.hub(), 0
    documents = room.documents(hub)

    async def read_while_more_comes(*args: object, **named: object) -> object:
        nonlocal made
        made += 1
        found = await read_snapshot(*args, **named)  # type: ignore[arg-type]
        await room.publish()
        await hub.round()
        return found

    async def ask() -> int:
        answer = await documents.snapshot(Request({"type": "http", "query_string": b"", "headers": []}))
        return int(answer.headers["etag"].strip('"').partition(":")[2])

    monkeypatch.setattr("feed.documents.read_snapshot", read_while_more_comes)
    await room.publish(50)
    assert min(await asyncio.gather(*(ask() for _ in range(30)))) >= 50
    assert made <= 3
    assert await ask() == 50 + made - 1, "who asks later is not answered by an earlier one"
