"""A key's withdrawal that nobody vouched for: it refuses tokens, and neither keeps a follower out nor helps a thief."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from ostiary import Feed
from ostiary.feed_lease import LeaseState
from ostiary.testing import FakeKey
from tests.sdk.feed_server import FeedServer, Handler, OpenFeed
from tests.sdk.intake_server import until

Seen = list[bool]


def line_of(seq: int, kid: str) -> bytes:
    """A withdrawal, as the log would say it."""
    now = time.time()
    entry = {"seq": seq, "kind": "key", "subject": kid, "at": int(now * 1000), "expires": int(now) + 3600}
    return json.dumps(entry).encode()


def saying(line: bytes) -> Callable[[Handler], None]:
    """A stream whose first words somebody has slipped in; what the server says comes after them."""

    def answer(handler: Handler) -> None:
        handler.begin_events()
        handler.wfile.write(b"event: entries\ndata: " + line + b"\n\n")
        handler.feed.answers.pop("events", None)
        head = handler.feed.head()
        handler.wfile.write(f"event: head\ndata: {head}\n\n".encode())
        time.sleep(1)

    return answer


def watched(feed: Feed, kid: str) -> Seen:
    """Whether the key counted as withdrawn, after each change."""
    seen: Seen = []
    feed.on_change(lambda: seen.append(feed.revocations.is_key_withdrawn(kid)))
    return seen


def slip_in(server: FeedServer, line: bytes) -> None:
    """The next stream begins with this line."""
    server.answers["events"] = saying(line)
    server.cut()


def test_a_forged_withdrawal_of_the_heads_own_key_keeps_nobody_out(server: FeedServer, open_feed: OpenFeed) -> None:
    """S39: tokens are refused until the snapshot takes the line back, and that is all."""
    feed = open_feed()
    assert feed.wait_ready(10)
    kid = server.keys.key.kid
    seen = watched(feed, kid)
    slip_in(server, line_of(1, kid))
    until(lambda: seen == [True, False])
    until(lambda: feed.stats.acknowledged == 0 and feed.state() is LeaseState.FRESH)
    server.append("token", "jti_1")
    until(lambda: feed.stats.acknowledged == 1)
    assert feed.stats.last_error == ""


def test_nor_does_one_under_the_number_of_a_true_entry(server: FeedServer, open_feed: OpenFeed) -> None:
    """The log goes on to the same number: no 410 would ever say that the follower is elsewhere."""
    feed = open_feed()
    assert feed.wait_ready(10)
    kid = server.keys.key.kid
    seen = watched(feed, kid)
    server.append("token", "jti_1")
    until(lambda: feed.stats.seq == 1)
    server.skipped.add(2)
    server.append("token", "jti_2")
    slip_in(server, line_of(2, kid))
    until(lambda: seen[-2:] == [True, False])
    until(lambda: feed.stats.acknowledged == 2)


def steal(server: FeedServer) -> FakeKey:
    """The key that signs is stolen; its successor signs from now on, and the key set still lists both."""
    stolen = server.keys.key
    server.keys.rotate()
    return stolen


def test_a_vouched_withdrawal_holds_against_old_and_self_signed_snapshots(
    server: FeedServer, open_feed: OpenFeed
) -> None:
    """S39: also while the key set still lists the key."""
    feed = open_feed()
    assert feed.wait_ready(10)
    stolen = steal(server)
    server.append("key", stolen.kid)
    until(lambda: feed.stats.acknowledged == 1)
    successor, lines = server.keys.key, server.lines
    # A second line about it that nobody vouched for makes the first one no weaker.
    server.keys.key, server.lines = stolen, []
    slip_in(server, line_of(2, stolen.kid))
    until(lambda: "withdrawn" in feed.stats.last_error)
    asked = server.asked("snapshot")
    until(lambda: server.asked("snapshot") >= asked + 2)
    assert (feed.stats.seq, feed.revocations.is_key_withdrawn(stolen.kid)) == (2, True)
    server.keys.key, server.lines = successor, lines
    until(lambda: feed.stats.seq == 1 and not feed.stats.last_error)
    assert feed.revocations.is_key_withdrawn(stolen.kid)


def test_a_key_that_the_issuer_lists_no_more_does_not_take_its_withdrawal_back(
    server: FeedServer, open_feed: OpenFeed
) -> None:
    """S39: a thief who cuts the stream before the head that vouches, and answers with a snapshot of their own."""
    feed = open_feed()
    assert feed.wait_ready(10)
    stolen = server.keys.key
    server.keys.rotate(withdraw=True)
    server.keys.key = stolen
    slip_in(server, line_of(1, stolen.kid))
    until(lambda: "the issuer publishes" in feed.stats.last_error)
    asked = server.asked("snapshot")
    until(lambda: server.asked("snapshot") >= asked + 2)
    assert feed.revocations.is_key_withdrawn(stolen.kid)


def test_while_the_keys_cannot_be_read_a_doubted_one_proves_no_snapshot(
    server: FeedServer, open_feed: OpenFeed
) -> None:
    feed = open_feed()
    assert feed.wait_ready(10)
    kid = server.keys.key.kid
    server.answers["jwks.json"] = lambda handler: handler.say(500, b"")
    slip_in(server, line_of(1, kid))
    until(lambda: "keys cannot be had" in feed.stats.last_error)
    assert feed.revocations.is_key_withdrawn(kid)
    server.answers.clear()
    until(lambda: not feed.revocations.is_key_withdrawn(kid) and feed.state() is LeaseState.FRESH)


def test_a_child_of_a_fork_knows_what_nobody_vouched_for(server: FeedServer, open_feed: OpenFeed) -> None:
    """It begins with what its parent refused, and the same snapshot takes it back."""
    feed = open_feed()
    assert feed.wait_ready(10)
    kid = server.keys.key.kid
    feed.close()
    log = feed._inner.log
    log.take_entries([line_of(1, kid)])
    feed._inner._begin_in_child()
    feed._inner._is_closed = False
    assert feed.revocations.is_key_withdrawn(kid)
    feed.start()
    until(lambda: not feed.revocations.is_key_withdrawn(kid))
