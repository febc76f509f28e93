"""The feed over real sockets: what is revoked is known here at once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import time

import pytest

from ostiary import ConfigurationError, Feed
from ostiary.feed_lease import LeaseState
from tests.sdk.feed_server import CLIENT_ID, SECRET, FeedServer, Handler, OpenFeed
from tests.sdk.intake_server import until


def knows(feed: Feed, seq: int) -> bool:
    """Whether everything up to a number is in force."""
    return feed.stats.seq == seq and feed.state() is LeaseState.FRESH


def test_a_revocation_is_in_force_at_once_and_acknowledged(server: FeedServer, open_feed: OpenFeed) -> None:
    """S18: one request for the snapshot, one stream, and then nothing is asked."""
    server.append("grant", "grt_before")
    feed = open_feed(follower="orders")
    assert feed.wait_ready(10)
    assert (feed.stats.seq, feed.stats.entries, feed.state()) == (1, 1, LeaseState.FRESH)
    took = []
    for number in range(20):
        began = time.monotonic()
        last = server.append("token", f"jti_{number}")
        until(lambda last=last: feed.stats.seq == last)
        took.append(time.monotonic() - began)
    assert sorted(took)[10] < 0.15
    until(lambda: feed.stats.acknowledged == last)
    (name,) = {str(ack["follower"]) for ack in server.acks}
    assert re.fullmatch(f"orders-{os.getpid()}-[0-9a-f]{{6}}", name)
    assert (server.asked("snapshot"), server.asked("events"), server.asked("delta")) == (1, 1, 0)
    assert server.bearers == 1


def test_many_entries_cause_few_acknowledgements(server: FeedServer, open_feed: OpenFeed) -> None:
    """At most ten a second."""
    feed = open_feed()
    assert feed.wait_ready(10)
    began = time.monotonic()
    for number in range(100):
        server.append("token", f"jti_{number}")
        time.sleep(0.005)
    until(lambda: feed.stats.acknowledged == 100)
    assert len(server.acks) <= 3 + 10 * (time.monotonic() - began)


def test_a_gap_is_filled_by_the_delta(server: FeedServer, open_feed: OpenFeed) -> None:
    feed = open_feed()
    assert feed.wait_ready(10)
    server.skipped.add(1)
    server.append("token", "jti_1")
    server.append("token", "jti_2")
    until(lambda: knows(feed, 2))
    assert server.asked("delta") == 1
    assert server.asked("snapshot") == 1


def test_a_stream_that_ends_goes_on_where_it_ended(server: FeedServer, open_feed: OpenFeed) -> None:
    feed = open_feed()
    assert feed.wait_ready(10)
    for number in range(1, 4):
        server.cut()
        server.append("token", f"jti_{number}")
        until(lambda number=number: knows(feed, number))
    assert server.asked("snapshot") == 1
    until(lambda: feed.stats.acknowledged == 3)
    told = len(server.acks)
    server.cut()
    until(lambda: len(server.acks) > told)
    assert server.acks[-1] == server.acks[-2], "who was away says again what is in force"


def test_another_epoch_is_taken_over_whole(server: FeedServer, open_feed: OpenFeed) -> None:
    server.append("grant", "grt_1")
    feed = open_feed()
    assert feed.wait_ready(10)
    server.start_over()
    server.append("session", "ses_1")
    until(lambda: feed.stats.epoch == server.epoch and knows(feed, 1))
    assert [b"ses_1" in line for line in feed.revocations.as_lines()] == [True]


def test_a_server_that_goes_away_makes_it_stale_and_then_fresh_again(server: FeedServer, open_feed: OpenFeed) -> None:
    """S40: the state tells, and nothing is forgotten meanwhile."""
    offset = [0.0]
    feed = open_feed(monotonic=lambda: time.monotonic() + offset[0])
    server.append("grant", "grt_1")
    assert feed.wait_ready(10)
    server.go_away()
    until(lambda: feed.stats.last_error)
    offset[0] = 6
    assert feed.state() is LeaseState.STALE
    offset[0] = 70
    assert feed.state() is LeaseState.LOST
    assert len(feed.revocations) == 1
    server.append("grant", "grt_2")
    server.come_back()
    until(lambda: knows(feed, 2))
    assert feed.stats.last_error == ""


def held_up(handler: Handler) -> None:
    """A stream of which nothing arrives."""
    handler.begin_events()
    time.sleep(30)


def test_it_polls_where_streams_do_not_flow(
    server: FeedServer, open_feed: OpenFeed, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy that gathers what should flow: nothing comes for three seconds."""
    server.answers["events"] = held_up
    feed = open_feed()
    assert feed.wait_ready(10)
    until(lambda: feed.stats.is_polling)
    with caplog.at_level(logging.INFO):
        server.append("token", "jti_1")
        began = time.monotonic()
        until(lambda: knows(feed, 1))
        assert time.monotonic() - began < 1
    until(lambda: feed.stats.acknowledged == 1)
    # One poll a second, each of them keeps it fresh.
    count = server.asked("delta")
    until(lambda: server.asked("delta") >= count + 2)
    assert feed.state() is LeaseState.FRESH
    assert server.asked("events") == 1


def test_pages_of_the_delta_are_taken_to_the_end(server: FeedServer, open_feed: OpenFeed) -> None:
    """A full page is not all there is: what it says of the log does not make us fresh."""
    server.append("token", "jti_0")
    feed = open_feed()
    assert feed.wait_ready(10)
    server.skipped.add(2)
    for number in range(2501):
        server.lines.append(server.lines[0].replace(b'"seq":1', b'"seq":%d' % (number + 2)))
    until(lambda: knows(feed, 2502))
    assert server.asked("snapshot") == 1
    assert server.asked("delta") >= 3


def broken() -> None:
    """A callback that fails."""
    raise RuntimeError("of the program's own")


def test_changes_are_told_to_who_wants_to_know(
    server: FeedServer, open_feed: OpenFeed, caplog: pytest.LogCaptureFixture
) -> None:
    """In the feed's own thread; one that fails harms nobody, one that was removed hears nothing more."""
    feed = open_feed()
    assert feed.wait_ready(10)
    threads: list[str] = []
    removed: list[int] = []
    feed.on_change(broken)
    feed.on_change(lambda: threads.append(threading.current_thread().name))
    feed.on_change(lambda: removed.append(1))()
    server.append("token", "jti_1")
    until(lambda: threads)
    assert set(threads) == {"ostiary-feed"}
    assert removed == []
    assert "a callback of the feed failed" in caplog.text


def test_a_key_that_was_withdrawn_vouches_for_nothing(server: FeedServer, open_feed: OpenFeed) -> None:
    """S39: whoever holds it could otherwise keep us fresh for ever."""
    feed = open_feed()
    assert feed.wait_ready(10)
    stolen = server.keys.key
    server.append("key", stolen.kid)
    until(lambda: "withdrawn" in feed.stats.last_error)
    server.keys.rotate()
    until(lambda: knows(feed, 1))


def test_a_new_key_is_found_by_one_refresh(server: FeedServer, open_feed: OpenFeed) -> None:
    feed = open_feed()
    assert feed.wait_ready(10)
    server.keys.rotate(withdraw=True)
    server.append("token", "jti_1")
    until(lambda: feed.stats.acknowledged == 1)
    assert knows(feed, 1)
    assert server.asked("jwks.json") == 2


def test_a_refused_token_is_renewed_and_the_feed_goes_on(server: FeedServer, open_feed: OpenFeed) -> None:
    feed = open_feed()
    assert feed.wait_ready(10)
    server.refused.add("token-1")
    server.cut()
    server.append("token", "jti_1")
    until(lambda: knows(feed, 1))
    assert server.bearers == 2


@pytest.mark.parametrize("is_async", [True, False])
def test_the_program_may_bring_its_own_tokens(server: FeedServer, open_feed: OpenFeed, is_async: bool) -> None:
    async def later() -> str:
        await asyncio.sleep(0.01)
        return "token-own"

    feed = open_feed(token=later if is_async else lambda: "token-own")
    assert feed.wait_ready(10)
    assert server.bearers == 0


def test_a_token_function_that_fails_is_our_own_trouble(server: FeedServer, open_feed: OpenFeed) -> None:
    def fail() -> str:
        raise RuntimeError("the secret is hunter2")

    feed = open_feed(token=fail)
    assert not feed.wait_ready(0.3)
    until(lambda: feed.stats.last_error)
    assert "RuntimeError" in feed.stats.last_error
    assert "hunter2" not in feed.stats.last_error


def test_it_begins_at_first_use_and_ends_for_good(server: FeedServer, open_feed: OpenFeed) -> None:
    feed = open_feed()
    assert server.requests == []
    assert feed.state() is LeaseState.LOST
    until(lambda: feed.state() is LeaseState.FRESH)
    feed.close()
    assert [each.name for each in threading.enumerate() if each.name == "ostiary-feed"] == []
    count = len(server.requests)
    feed.start()
    assert feed.state() is LeaseState.LOST, "it has said goodbye, so nothing is accepted by what it knows"
    assert len(server.requests) == count


def test_a_feed_that_nobody_holds_ends(server: FeedServer) -> None:
    feed = Feed(server.issuer, client_id=CLIENT_ID, client_secret=SECRET)
    assert feed.wait_ready(10)
    del feed
    until(lambda: not any(each.name == "ostiary-feed" for each in threading.enumerate()))


def test_an_event_loop_can_wait_for_it(server: FeedServer, open_feed: OpenFeed) -> None:
    feed = open_feed()

    async def both() -> bool:
        is_ready = await feed.until_ready(10)
        await feed.aclose()
        return is_ready

    assert asyncio.run(both())


@pytest.mark.parametrize(
    "settings",
    [
        {"client_secret": None},
        {"token": lambda: "t", "client_id": "cli_1"},
        {"token": "a token"},
        {"follower": "with spaces"},
        {"timeout_s": 0},
    ],
)
def test_wrong_settings_are_told_at_once(open_feed: OpenFeed, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        open_feed(**settings)


def test_a_server_that_is_busy_says_when_to_come_back(server: FeedServer, open_feed: OpenFeed) -> None:
    """503 with Retry-After is obeyed, up to five seconds."""

    def busy(handler: Handler) -> None:
        handler.say(503, b"{}", headers={"Retry-After": "2"})

    server.answers["snapshot"] = busy
    feed = open_feed()
    assert not feed.wait_ready(1)
    assert server.asked("snapshot") == 1
    server.answers.clear()
    assert feed.wait_ready(10)
