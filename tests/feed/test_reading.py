"""Reading the log: what came after a number, what is in force, and what is no longer there."""

import hashlib
import json
import zlib
from datetime import timedelta

import pytest
from sqlalchemy import delete
from starlette.requests import Request

from base.secret_values import b64url
from feed.callers import FeedRefused
from feed.numbering import begin_epoch
from feed.reading import GoneFromLog, read_lines, read_snapshot
from feed.tables import feed
from feed.wire import Position
from server.housekeeping import remove_expired
from tests.feed.room import ISSUER, Room, claims, some_follower

pytestmark = pytest.mark.anyio


def asked(query: str = "", **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": named})


async def after(room: Room, number: int, *, epoch: str | None = None, limit: int = 1000) -> tuple[list[int], Position]:
    async with room.database.reading() as db:
        lines, place = await read_lines(db, ISSUER, epoch=epoch or await room.epoch(), after=number, limit=limit)
    return [json.loads(line)["seq"] for line in lines], place


async def test_the_lines_after_a_number_come_with_the_place_behind_the_last_of_them(room: Room) -> None:
    await room.publish(7)
    await room.sequencer().round()
    whole = await room.check_whole()
    assert await after(room, 0) == ([1, 2, 3, 4, 5, 6, 7], whole)
    assert await after(room, 5) == ([6, 7], whole)
    assert await after(room, 7) == ([], whole)
    numbers, place = await after(room, 2, limit=3)
    assert (numbers, place.seq) == ([3, 4, 5], 5)
    assert await after(room, 5, limit=3) == ([6, 7], whole)


async def test_an_empty_log_has_a_place_too(room: Room) -> None:
    numbers, place = await after(room, 0)
    assert (numbers, place.seq) == ([], 0)
    assert place == await room.check_whole()


async def test_another_epoch_a_number_to_come_and_a_hole_are_gone_from_the_log(room: Room) -> None:
    await room.publish(6)
    await room.sequencer().round()
    epoch = await room.epoch()
    for number, of in ((7, epoch), (2**53, epoch), (0, "0" * 32)):
        with pytest.raises(GoneFromLog):
            await after(room, number, epoch=of)
    async with room.database.transaction() as db:
        await db.execute(delete(feed).where(feed.c.seq == 3))
    for number in (0, 1, 2, 3):
        with pytest.raises(GoneFromLog):
            await after(room, number)
    assert (await after(room, 4))[0] == [5, 6]


async def test_a_full_page_has_no_hole_in_it_either(room: Room) -> None:
    """A follower would ask for what is missing again and again."""
    await room.publish(6)
    await room.sequencer().round()
    async with room.database.transaction() as db:
        await db.execute(delete(feed).where(feed.c.seq == 3))
    for number in (0, 1, 2):
        with pytest.raises(GoneFromLog):
            await after(room, number, limit=3 - number)
    assert (await after(room, 4, limit=2))[0] == [5, 6]


async def test_a_snapshot_holds_what_may_be_in_force_and_the_chain_of_the_whole(room: Room) -> None:
    """F6: a server whose clock is a day ahead makes nobody forget what still counts."""
    await room.publish(2, lasting=timedelta(minutes=5))
    await room.publish(2)
    await room.publish(1, lasting=timedelta(minutes=5))
    await room.sequencer().round()
    whole = await room.check_whole()
    room.clock.move(hours=24)
    assert await remove_expired(room.database, now=room.clock()) == 0
    async with room.database.reading() as db:
        assert [json.loads(line)["seq"] for line in (await read_snapshot(db, ISSUER, now=room.clock()))[1]] == [
            1,
            2,
            3,
            4,
            5,
        ]
    room.clock.move(hours=2)
    async with room.database.reading() as db:
        place, lines = await read_snapshot(db, ISSUER, now=room.clock())
    assert [json.loads(line)["seq"] for line in lines] == [3, 4]
    assert place == whole, "the chain goes on from the last number, expired or not"


async def test_what_has_expired_is_cleared_away_and_the_log_goes_on(room: Room) -> None:
    """The last row stays, however old: the next entry is chained to it."""
    sequencer = room.sequencer()
    await room.publish(5, lasting=timedelta(minutes=5))
    await sequencer.round()
    before = await room.check_whole()
    room.clock.move(hours=26)
    assert await remove_expired(room.database, now=room.clock()) >= 4
    assert await after(room, 5) == ([], before)
    with pytest.raises(GoneFromLog):
        await after(room, 3)
    await room.publish(1)
    assert await room.sequencer().round() == 1
    numbers, place = await after(room, 5)
    line = (await room.lines())[-1]
    assert (numbers, place.chain) == ([6], hashlib.sha256(before.chain + line).digest())


async def test_a_snapshots_head_says_number_count_and_digest_of_its_lines(room: Room) -> None:
    await room.publish(3)
    hub = room.hub()
    documents = room.documents(hub)
    answer = await documents.snapshot(asked())
    first, *lines = bytes(answer.body).splitlines(keepends=True)
    says = claims(json.loads(first)["head"])
    assert (says["seq"], says["count"]) == (3, 3)
    assert says["digest"] == b64url(hashlib.sha256(b"".join(lines)).digest())
    assert [line.rstrip(b"\n") for line in lines] == await room.lines()
    assert answer.headers["etag"] == f'"{says["epoch"]}:3"'
    packed = await documents.snapshot(asked(accept_encoding="br, gzip"))
    assert packed.headers["content-encoding"] == "gzip"
    whole = zlib.decompressobj(wbits=31)
    assert whole.decompress(bytes(packed.body)).splitlines(keepends=True)[1:] == lines
    assert whole.eof
    assert whole.unused_data == b"", "many clients read the first member only"
    same = await documents.snapshot(asked(if_none_match=answer.headers["etag"]))
    assert (same.status_code, bytes(same.body)) == (304, b"")
    await room.publish()
    newer = await documents.snapshot(asked(if_none_match=answer.headers["etag"]))
    assert (newer.status_code, newer.headers["etag"]) == (200, f'"{says["epoch"]}:4"')


async def test_a_delta_ends_with_a_head_of_its_last_line(room: Room) -> None:
    hub = room.hub()
    documents = room.documents(hub)
    await room.publish(3)
    epoch = await room.epoch()
    answer = await documents.delta(asked(f"epoch={epoch}&after=1"), some_follower(room.clock()))
    *lines, last = bytes(answer.body).splitlines()
    assert ([json.loads(line)["seq"] for line in lines], claims(json.loads(last)["head"])["seq"]) == ([2, 3], 3)
    empty = await documents.delta(asked(f"epoch={epoch}&after=3"), some_follower(room.clock()))
    assert claims(json.loads(bytes(empty.body))["head"])["chain"] == b64url((await room.check_whole()).chain)


async def test_a_delta_of_what_is_gone_is_410(room: Room) -> None:
    hub = room.hub()
    documents = room.documents(hub)
    await room.publish(3)
    epoch = await room.epoch()
    await hub.read_now()
    async with room.database.transaction() as db:
        await begin_epoch(db, now=room.clock())
    for query in (f"epoch={epoch}&after=1", f"epoch={await room.epoch()}&after=9"):
        with pytest.raises(FeedRefused) as refused:
            await documents.delta(asked(query), some_follower(room.clock()))
        assert (refused.value.status, refused.value.detail) == (
            410,
            "the log does not go on from there: load /feed/v1/snapshot",
        )


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("after=1", "epoch: expected an epoch, 32 hexadecimal digits"),
        ("epoch=" + "A" * 32 + "&after=1", "epoch: expected an epoch, 32 hexadecimal digits"),
        ("epoch=" + "a" * 32, "after: expected a number of the log, 0 or more"),
        ("epoch=" + "a" * 32 + "&after=01", "after: expected a number of the log, 0 or more"),
        ("epoch=" + "a" * 32 + "&after=1&wait=26", "wait: expected whole seconds, 0 to 25"),
        ("epoch=" + "a" * 32 + "&after=1&after=2", "after: expected once"),
        ("epoch=" + "a" * 32 + "&after=1&since=2", "since: no such parameter; there are epoch, after, wait, follower"),
    ],
)
async def test_a_delta_that_cannot_be_is_refused_with_the_field(room: Room, query: str, detail: str) -> None:
    """S11, S50"""
    with pytest.raises(FeedRefused) as refused:
        await room.documents(room.hub()).delta(asked(query), some_follower(room.clock()))
    assert (refused.value.status, refused.value.detail) == (400, detail)
