"""Two processes over one database number the same events; one is killed in the middle."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from base.clock import utc_now
from base.database import Database
from tests.audit.ledger.test_numbering import check_whole, emit
from tests.world import World

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
# `OSTIARY_TEST_APPENDED=10000` tries as many.
EVENTS, A_TIME = int(os.environ.get("OSTIARY_TEST_APPENDED", "2000")), 20


@contextmanager
def appender(url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.audit.ledger.number_events", url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


async def test_no_fork_no_gap_and_no_lost_event_though_one_is_killed(world: World, database_url: str) -> None:
    """F1, I3: each killed one is replaced at once, three times over."""
    with appender(database_url), appender(database_url) as second:
        victim = second
        for done in range(0, EVENTS, A_TIME):
            await emit(world, A_TIME)
            if done in (EVENTS // 4, EVENTS // 2, EVENTS * 3 // 4):
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                victim = _start(database_url)
        await _wait_until_numbered(Database(database_url))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    assert await check_whole(world) >= EVENTS


def _start(url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", "tests.audit.ledger.number_events", url], cwd=ROOT, text=True)


async def _wait_until_numbered(database: Database) -> None:
    from audit.ledger.numbering import ORDER

    began = utc_now()
    while (utc_now() - began).total_seconds() < 60:
        async with database.reading() as db:
            if not await ORDER.unnumbered(db):
                break
        await asyncio.sleep(0.05)
    await database.close()
