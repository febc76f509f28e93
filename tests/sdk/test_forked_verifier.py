"""A child that was forked from a service at work, and is asked about nothing but tokens that its parent remembered."""

import os
import subprocess
import sys
from pathlib import Path

import ostiary

SDK_FOLDER = Path(ostiary.__file__).parents[1]
PROGRAM = """
import os, sys, time
from ostiary import Feed, SyncVerifier
from ostiary.testing import FakeFeed, FakeIssuer

fake = FakeIssuer()
feed = Feed(fake.issuer, client_id="orders", client_secret="secret", transport=FakeFeed(fake).transport())
verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), feed=feed)
assert feed.wait_ready(10)
token = fake.mint()
verifier.verify(token)
verifier.verify(token)
child = os.fork()
if child == 0:
    verifier.verify(token)
    ends_at = time.monotonic() + 10
    while not feed.stats.connections and time.monotonic() < ends_at:
        time.sleep(0.01)
    os._exit(0 if feed.stats.connections and feed.age_s() < 4 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_follows_from_the_first_remembered_token_on() -> None:
    """I2: otherwise it would live for seconds by what the parent knew when it forked."""
    environ = {"PYTHONPATH": str(SDK_FOLDER), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
