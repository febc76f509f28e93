"""A feed that is closed says goodbye, so that the server waits for nobody who is gone; and nothing is accepted then."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ostiary
from ostiary import Feed
from ostiary.feed_http import FeedClient
from ostiary.feed_lease import Lease, LeaseState
from ostiary.feed_thread import FeedThread, follower_name
from ostiary.testing import FakeFeed
from tests.sdk.feed_server import CLIENT_ID, SECRET, FeedServer, OpenFeed
from tests.sdk.intake_server import until

SDK_FOLDER = Path(ostiary.__file__).parents[1]
PROGRAM = """
import sys
from ostiary import Feed
issuer, client_id, secret, how = sys.argv[1:]
feed = Feed(issuer, client_id=client_id, client_secret=secret)
assert feed.wait_ready(10)
if how == "lost in an error":
    raise SystemExit(3)
"""


def goodbyes(server: FeedServer) -> list[dict[str, object]]:
    return [ack for ack in server.acks if "leaving" in ack]


def test_a_feed_that_is_closed_says_goodbye_by_its_name_and_accepts_nothing_more(
    server: FeedServer, open_feed: OpenFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S18: a goodbye of a process that goes on accepting would be a lie."""
    ages: list[float] = []
    end = Lease.end

    def watched(lease: Lease) -> None:
        end(lease)
        ages.append(len(goodbyes(server)))

    monkeypatch.setattr(Lease, "end", watched)
    feed = open_feed(follower="orders")
    assert feed.wait_ready(10)
    server.append("token", "jti_1")
    until(lambda: feed.stats.acknowledged == 1)
    feed.close()
    (told,) = goodbyes(server)
    assert told == {"follower": server.acks[0]["follower"], "epoch": server.epoch, "seq": 1, "leaving": True}
    assert ages[0] == 0, "first the lease ends, then it is told"
    assert feed.state() is LeaseState.LOST
    assert feed.revocations.version > 0, "what is known refuses on"
    feed.close()
    assert len(goodbyes(server)) == 1


@pytest.mark.parametrize("how", ["at its end", "lost in an error"])
def test_a_program_that_ends_says_goodbye(server: FeedServer, how: str) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, server.issuer, CLIENT_ID, SECRET, how]
    environ = {"PYTHONPATH": str(SDK_FOLDER), "PATH": os.environ["PATH"]}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0 if how == "at its end" else 3, "")
    assert len(goodbyes(server)) == 1


def test_a_server_that_does_not_answer_keeps_no_program_from_ending(server: FeedServer, open_feed: OpenFeed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        feed = open_feed()
        assert feed.wait_ready(10)
        feed._inner._open_client = lambda: _client_of(feed, mute)  # type: ignore[method-assign]
        began = time.monotonic()
        feed.close()
    assert time.monotonic() - began < 2.5
    assert (goodbyes(server), feed.state()) == ([], LeaseState.LOST)


def _client_of(feed: Feed, mute: socket.socket) -> FeedClient:
    client = FeedThread._open_client(feed._inner)
    client._base = f"http://127.0.0.1:{mute.getsockname()[1]}/"
    return client


def test_a_feed_that_never_began_says_nothing(server: FeedServer) -> None:
    Feed(server.issuer, client_id=CLIENT_ID, client_secret=SECRET).close()
    assert server.requests == []


def test_two_feeds_never_have_one_name() -> None:
    """The server would count them as one, and one's word would stand for the other."""
    names = {follower_name(wished) for wished in ("orders", "orders", None, None, "x" * 48, "x" * 48)}
    assert len(names) == 6
    assert max(map(len, names)) <= 64


def test_who_asks_for_a_delta_tells_its_name(server: FeedServer, open_feed: OpenFeed) -> None:
    feed = open_feed(follower="orders")
    assert feed.wait_ready(10)
    server.skipped.add(1)
    server.append("token", "jti_1")
    server.append("token", "jti_2")
    until(lambda: feed.stats.acknowledged == 2)
    name = str(server.acks[0]["follower"])
    (asked,) = (path for path in server.requests if "/delta" in path)
    assert f"follower={name}" in asked


def test_the_fake_feed_tells_who_left() -> None:
    fake = FakeFeed()
    feed = Feed(
        fake.fake_issuer.issuer,
        client_id="cli",
        client_secret="s",
        follower="orders",
        transport=fake.transport(),
    )
    assert feed.wait_ready(10)
    assert fake.left == frozenset()
    feed.close()
    (name,) = fake.left
    assert name.startswith("orders-")
