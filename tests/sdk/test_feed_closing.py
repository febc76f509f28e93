"""A feed that is closed while it is still connecting leaves nothing behind: no warning, no coroutine, no thread."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path

import pytest

import ostiary
from tests.sdk.feed_server import CLIENT_ID, SECRET, FeedServer, OpenFeed
from tests.sdk.intake_server import until

SDK_FOLDER = Path(ostiary.__file__).parents[1]
# Python tells of a coroutine that nobody waited for when it is thrown away.
PROGRAM = """
import gc, sys, time
from ostiary import Feed
issuer, client_id, secret, ends = sys.argv[1:]

async def token():
    return "token-1"

def make(number):
    if number % 3 == 0:
        return Feed(issuer, client_id=client_id, client_secret=secret)
    return Feed(issuer, token=token if number % 3 == 1 else lambda: token())

for number in range(12):
    feed = make(number)
    feed.start()
    time.sleep(0.008 * number)
    feed.close()
gc.collect()
last = make(int(ends))
last.start()
time.sleep(0.02 * int(ends))
"""


def start(server: FeedServer, ends: int) -> subprocess.Popen[str]:
    """A program that closes many feeds, each a little later, and ends while one still connects."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, server.issuer, CLIENT_ID, SECRET, str(ends)]
    environ = {"PYTHONPATH": str(SDK_FOLDER), "PATH": os.environ["PATH"]}
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)


def test_a_feed_that_is_closed_at_any_moment_says_nothing(server: FeedServer) -> None:
    processes = [start(server, ends) for ends in (1, 2)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("is_done", [False, True], ids=["in the call", "after the call"])
def test_a_coroutine_of_the_token_function_that_comes_too_late_is_closed(
    server: FeedServer, open_feed: OpenFeed, is_done: bool
) -> None:
    """Python would complain in the program's name that it was never awaited."""
    given: list[Coroutine[object, object, str]] = []
    is_asked, may_answer = threading.Event(), threading.Event()

    async def token() -> str:
        return "token-1"

    def give_late() -> Coroutine[object, object, str]:
        is_asked.set()
        assert may_answer.wait(10)
        given.append(token())
        return given[0]

    feed = open_feed(token=give_late)
    feed.start()
    assert is_asked.wait(10)
    if is_done:
        may_answer.set()
    feed.close()
    may_answer.set()
    until(lambda: bool(given))
    until(lambda: inspect.getcoroutinestate(given[0]) == inspect.CORO_CLOSED)


def test_a_feed_that_is_closed_while_it_asks_for_a_token_ends_its_thread(
    server: FeedServer, open_feed: OpenFeed
) -> None:
    def mute() -> str:
        time.sleep(3)
        return "token-1"

    feed = open_feed(token=mute)
    feed.start()
    feed.close()
    assert "ostiary-feed" not in {thread.name for thread in threading.enumerate()}
