"""Services that start cold, end and fork: what they knew of the feed, they know."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ostiary
from ostiary import Feed
from ostiary.feed_lease import LeaseState
from ostiary.feed_thread import follower_name
from tests.sdk.feed_server import CLIENT_ID, SECRET, FeedServer, OpenFeed
from tests.sdk.intake_server import until

SDK_FOLDER = Path(ostiary.__file__).parents[1]
BEGINNING = """
import os, sys, time
from ostiary import Feed
issuer, client_id, secret, folder = sys.argv[1:]
feed = Feed(issuer, client_id=client_id, client_secret=secret, folder=folder or None)

def until(is_so):
    ends_at = time.monotonic() + 15
    while not is_so():
        assert time.monotonic() < ends_at, feed.stats
        time.sleep(0.01)
"""
FORKING = """
assert feed.wait_ready(10)
until(lambda: feed.stats.seq == 1)
known = feed.revocations
version = known.version
child = os.fork()
if child == 0:
    try:
        assert feed.revocations is known and len(known) == 1
        assert known.version > version, "what was kept by the parent is looked at again"
        assert feed.state() == "fresh", "what the parent knew a moment ago is as good here"
        feed.start()
        until(lambda: feed.stats.acknowledged == 2 and len(known) == 2)
        feed.close()
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
until(lambda: feed.stats.seq == 2 and feed.state() == "fresh")
time.sleep(1.2)
assert feed.stats.age_s < 1, "the parent's stream is still heard"
assert feed.stats.connections == 1, "and it is the same one"
"""


def start(server: FeedServer, program: str, folder: str = "") -> subprocess.Popen[str]:
    """A service of its own with a feed."""
    command = [sys.executable, "-W", "error", "-c", BEGINNING + program, server.issuer, CLIENT_ID, SECRET, folder]
    environ = {"PYTHONPATH": str(SDK_FOLDER), "PATH": os.environ["PATH"]}
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> str:
    """Its last words, once it has ended by itself."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return errors


@pytest.fixture
def saved(server: FeedServer, tmp_path: Path) -> Path:
    """The file that a service has left, which knew of two revocations."""
    server.append("grant", "grt_1")
    server.append("key", "kid_1")
    with Feed(server.issuer, client_id=CLIENT_ID, client_secret=SECRET, folder=tmp_path) as feed:
        assert feed.wait_ready(10)
        until(lambda: feed.stats.seq == 2)
    (path,) = tmp_path.iterdir()
    return path


def test_a_forked_child_follows_for_itself_and_leaves_its_parents_stream_alone(server: FeedServer) -> None:
    """As under gunicorn with preload."""
    server.append("grant", "grt_1")
    process = start(server, FORKING)
    until(lambda: server.asked("snapshot") == 2)
    server.append("grant", "grt_2")
    assert end(process) == ""
    assert len({ack["follower"] for ack in server.acks}) == 2


def test_a_service_that_ends_leaves_without_a_word(server: FeedServer, tmp_path: Path) -> None:
    """And saves what it knows."""
    server.append("grant", "grt_1")
    began = time.monotonic()
    assert end(start(server, "assert feed.wait_ready(10)", str(tmp_path))) == ""
    assert time.monotonic() - began < 10
    (path,) = tmp_path.iterdir()
    assert b"grt_1" in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


SAVING = """
import ostiary.feed_thread
ostiary.feed_thread.SAVE_EVERY_S = 0
feed.start()
time.sleep(60)
"""


def test_a_service_that_is_killed_while_it_saves_leaves_no_torn_file(
    server: FeedServer, tmp_path: Path, open_feed: OpenFeed, caplog: pytest.LogCaptureFixture
) -> None:
    """It is there whole, old or new; what was half written is cleared away later."""
    process = start(server, SAVING, str(tmp_path))
    until(lambda: list(tmp_path.glob("*.ndjson")))
    for number in range(200):
        server.append("grant", f"grt_{number}")
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    (path,) = tmp_path.glob("*.ndjson")
    left = path.with_suffix(".1-aaaa.new")
    left.touch()
    os.utime(left, (0, 0))
    server.go_away()
    feed = open_feed(folder=tmp_path)
    feed.start()
    assert feed.stats.seq > 0
    assert caplog.text == ""
    assert not left.exists()


def test_a_cold_start_refuses_at_once_what_was_revoked_and_is_lost_until_a_head_comes(
    server: FeedServer, saved: Path, open_feed: OpenFeed
) -> None:
    server.go_away()
    feed = open_feed(folder=saved.parent)
    feed.start()
    assert (feed.stats.seq, feed.revocations.is_key_withdrawn("kid_1"), feed.state()) == (2, True, LeaseState.LOST)
    server.append("grant", "grt_3")
    server.come_back()
    until(lambda: feed.state() is LeaseState.FRESH and feed.stats.seq == 3)
    assert server.asked("snapshot") == 1, "the first service's alone: the stream goes on from the file"


def test_a_file_of_another_epoch_is_replaced(server: FeedServer, saved: Path, open_feed: OpenFeed) -> None:
    server.start_over()
    feed = open_feed(folder=saved.parent)
    until(lambda: feed.state() is LeaseState.FRESH and feed.stats.epoch == server.epoch)
    assert len(feed.revocations) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"grt_1", b"grt_9")),
        lambda path: path.write_bytes(b"\x00\xff" * 1000),
        lambda path: path.write_bytes(b""),
        lambda path: path.chmod(0o666),
        lambda path: (path.rename(path.with_suffix(".real")), path.symlink_to(path.with_suffix(".real"))),
    ],
    ids=["torn", "changed", "noise", "empty", "written by others", "a link"],
)
def test_a_file_that_cannot_be_trusted_is_not_used(
    server: FeedServer, saved: Path, open_feed: OpenFeed, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    """One line in the log; then all is as without it."""
    assert callable(damage)
    damage(saved)
    feed = open_feed(folder=saved.parent)
    feed.start()
    assert caplog.text.count("what was saved of the feed is not used") == 1
    assert feed.wait_ready(10)
    until(lambda: feed.stats.seq == 2)


def test_a_disk_that_fails_harms_nothing(
    server: FeedServer, open_feed: OpenFeed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    feed = open_feed(folder=tmp_path / "file" / "below")
    assert feed.wait_ready(10)
    feed.close()
    assert "the feed cannot be saved" in caplog.text


def test_the_state_is_saved_while_the_service_runs(
    server: FeedServer, open_feed: OpenFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every ten seconds, here less; and only where something has changed."""
    monkeypatch.setattr("ostiary.feed_thread.SAVE_EVERY_S", 0.05)
    feed = open_feed(folder=tmp_path)
    assert feed.wait_ready(10)
    until(lambda: list(tmp_path.glob("*.ndjson")))
    (path,) = tmp_path.glob("*.ndjson")
    first = path.stat().st_ino
    time.sleep(0.3)
    assert path.stat().st_ino == first
    server.append("grant", "grt_1")
    until(lambda: b"grt_1" in path.read_bytes())


def test_a_followers_name_is_one_that_the_server_takes() -> None:
    assert re.fullmatch(rf"orders-{os.getpid()}-[0-9a-f]{{6}}", follower_name("orders"))
    assert len(follower_name("x" * 200)) == 64
    for wished in ("Ä b/c", "x" * 64, "host.example", None):
        assert re.fullmatch(rf"[A-Za-z0-9._-]+-{os.getpid()}-[0-9a-f]{{6}}", follower_name(wished))
