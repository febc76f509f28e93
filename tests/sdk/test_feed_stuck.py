"""What could keep a follower from ever getting on, or make it ask without a pause."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path

import pytest

from ostiary.feed_disk import FeedDisk
from ostiary.feed_lease import LeaseState
from ostiary.feed_lines import FeedRefused
from ostiary.feed_log import FeedLog
from tests.sdk.feed_server import FeedServer, Handler, OpenFeed
from tests.sdk.intake_server import until

ISSUER = "https://id.test"
EPOCH = "0199a3c14b2e7d0f8a6b5c4d3e2f1a09"
GOOD = {"epoch": EPOCH, "seq": 3, "chain": "00" * 32}


def document(**changed: object) -> bytes:
    """A saved feed, whole by its digest, which does not cover the first line."""
    first = {"version": 1, "issuer": ISSUER, "digest": hashlib.sha256(b"").hexdigest(), **GOOD, **changed}
    return json.dumps(first).encode() + b"\n"


@pytest.mark.parametrize(
    "changed",
    [
        {"epoch": EPOCH[:-1]},
        {"epoch": EPOCH.upper()},
        {"epoch": EPOCH + "\r\nX-Evil: 1"},
        {"seq": -1},
        {"seq": 2**53},
        {"chain": "00"},
    ],
)
def test_a_saved_place_that_cannot_be_is_not_asked_for_again_and_again(changed: dict[str, object]) -> None:
    """The server answers 400 to it, which no waiting mends."""
    log = FeedLog(ISSUER)
    log.restore(document())
    assert log.seq == 3
    log = FeedLog(ISSUER)
    with pytest.raises(FeedRefused, match="place in the log that cannot be"):
        log.restore(document(**changed))
    assert (log.epoch, log.seq) == (None, 0)


def test_a_pipe_in_the_files_place_holds_nobody_up(tmp_path: Path) -> None:
    disk = FeedDisk(tmp_path, issuer=ISSUER)
    os.mkfifo(disk.path, 0o600)
    said: list[str] = []

    def load() -> None:
        try:
            disk.load()
        except FeedRefused as error:
            said.append(str(error))

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(5)
    assert said == ["the saved feed is not a file of the expected size"]


def silent(handler: Handler) -> None:
    """A stream that a proxy holds back."""
    handler.begin_events()
    time.sleep(4)


def test_a_server_that_refuses_every_delta_is_not_stormed_with_snapshots(
    server: FeedServer, open_feed: OpenFeed
) -> None:
    """410 to each long poll, and a snapshot that is good: each may be megabytes."""
    server.answers["events"] = silent
    server.answers["delta"] = lambda handler: handler.say(410, b"{}", kind="application/problem+json")
    feed = open_feed()
    assert feed.wait_ready(10)
    until(lambda: server.asked("delta") >= 1)
    before = server.asked("snapshot")
    time.sleep(2)
    assert server.asked("snapshot") - before <= 8
    server.answers.pop("delta")
    server.append("token", "jti_1")
    until(lambda: feed.stats.seq == 1 and feed.state() is LeaseState.FRESH)


def test_a_full_page_of_what_is_known_is_not_asked_for_without_end(server: FeedServer, open_feed: OpenFeed) -> None:
    """A cache that always gives the same page: true lines under a true head, and more is always to come."""
    for number in range(1000):
        server.append("token", f"jti_{number}")

    def same(handler: Handler) -> None:
        lines = b"".join(line + b"\n" for line in server.lines)
        head = json.dumps({"head": server.head()}).encode() + b"\n"
        handler.say(200, lines + head, kind="application/x-ndjson")

    server.answers["events"] = silent
    server.answers["delta"] = same
    feed = open_feed()
    feed.start()
    until(lambda: "nothing new" in feed.stats.last_error)
    assert server.asked("delta") <= 3
