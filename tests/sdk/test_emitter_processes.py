"""Services that die, end and fork: what their emitters leave behind arrives, and arrives once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import ostiary
from ostiary import AuditEmitter
from tests.sdk.intake_server import TOKEN, Intake, until

FORKING_WHILE_A_LINE_IS_WRITTEN = """
import logging, threading
class Slow:
    lock = threading.Lock()
    def write(self, text):
        with self.lock:
            time.sleep(0.3)
    def flush(self):
        pass
logging.basicConfig(stream=Slow())
emitter.emit("order.placed")
while not Slow.lock.locked():
    time.sleep(0.001)
child = os.fork()
if child == 0:
    logging.warning("a child that can speak")
    os._exit(0)
os.waitpid(child, 0)
"""

Start = Callable[[str], "subprocess.Popen[str]"]
SDK_FOLDER = Path(ostiary.__file__).parents[1]

BEGINNING = """
import os, sys, time
from ostiary import AuditEmitter, EmitterLimits
issuer, folder = sys.argv[1:]
limits = EmitterLimits(delay_s=0.05, timeout_s=2, close_s=5)
emitter = AuditEmitter(issuer, lambda: "token-1", spool_dir=folder, limits=limits)
"""
WITHOUT_END = """
number = 0
while True:
    emitter.emit("order.placed", data={"number": number, "pid": os.getpid()})
    number += 1
    time.sleep(0.0002)
"""
COUNTING = """
for number in range({}):
    emitter.emit("order.placed", data=dict(number=number))
"""
FORKING = """
emitter.emit("order.placed", data={"by": "parent"})
while not emitter.stats.spooled:
    time.sleep(0.01)
child = os.fork()
if child == 0:
    emitter.emit("order.placed", data={"by": "child"})
    emitter.close()
    os._exit(0)
os.waitpid(child, 0)
emitter.emit("order.placed", data={"by": "parent again"})
"""


@pytest.fixture
def start(intake: Intake, tmp_path: Path) -> Iterator[Start]:
    """Starts services with an emitter for the intake, which share a folder; none outlives the test."""
    started = []

    def make(program: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", BEGINNING + program, intake.issuer, str(tmp_path)]
        environ = {"PYTHONPATH": str(SDK_FOLDER), "PATH": os.environ["PATH"]}
        started.append(subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield make
    for process in started:
        if process.returncode is None:
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Without a chance to say goodbye."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)


def end(process: subprocess.Popen[str]) -> str:
    """Its last words, once it has ended by itself."""
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    return errors


def spooled(folder: Path) -> int:
    """Bytes that wait."""
    return sum(path.stat().st_size for path in folder.rglob("*.seg"))


def numbers_by_process(intake: Intake) -> dict[int, list[int]]:
    """What each process counted, as far as it is stored, in order."""
    found: dict[int, list[int]] = {}
    for event in list(intake.stored.values()):
        data = event["data"]
        assert isinstance(data, dict)
        if "pid" in data:
            found.setdefault(data["pid"], []).append(data["number"])
    return found


def has_stored_of(intake: Intake, pid: int) -> bool:
    """True once an event of this process is stored."""
    return pid in numbers_by_process(intake)


def gaps_in(numbers: list[int]) -> list[int]:
    """The numbers below the largest that are missing."""
    return sorted(set(range(max(numbers))) - set(numbers))


def check_every_repeat_was_the_same(intake: Intake) -> None:
    """A server that knew batches by their keys alone would have stored nothing twice either."""
    bodies: dict[str, bytes] = {}
    keys: dict[object, str] = {}
    for batch in intake.batches:
        assert bodies.setdefault(batch.key, batch.body) == batch.body
        for event in batch.events:
            assert keys.setdefault(event["id"], batch.key) == batch.key


def test_killed_in_the_middle_of_everything_no_event_on_disk_is_lost_and_none_is_sent_as_another(
    intake: Intake, tmp_path: Path, start: Start
) -> None:
    """F1 for events: three services in a row are killed while they emit and send, the server away for one of them."""
    for is_away in (False, True, False):
        intake.delay_s = 0.2
        if is_away:
            intake.go_away()
        enough = spooled(tmp_path) + 100_000
        service = start(WITHOUT_END)
        if is_away:
            until(lambda enough=enough: spooled(tmp_path) > enough)
        else:
            until(partial(has_stored_of, intake, service.pid))
        kill(service)
        if is_away:
            intake.come_back()
    intake.delay_s = 0
    with AuditEmitter(intake.issuer, lambda: TOKEN, spool_dir=tmp_path) as last:
        until(lambda: last.stats.sent and not last.stats.spooled)
        torn = last.stats.dropped
    counted = numbers_by_process(intake)
    assert len(counted) == 3
    # What reaches the disk does so in order: the stored events of a process are its first ones, without a gap.
    assert {pid for pid, numbers in counted.items() if gaps_in(numbers)} == set()
    assert torn <= 3, "a crash tears one event at most"
    check_every_repeat_was_the_same(intake)
    assert spooled(tmp_path) == 0


def test_a_service_that_ends_sends_its_last_events(intake: Intake, tmp_path: Path, start: Start) -> None:
    """Ten thousand of them, without a word about it in the program; and nothing stays on disk."""
    assert end(start("for n in range(10_000): emitter.emit('order.placed', data={'number': n})")) == ""
    assert [event["data"] for event in intake.stored.values()] == [{"number": number} for number in range(10_000)]
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_ends_while_the_server_is_away_leaves_everything_for_the_next(
    intake: Intake, tmp_path: Path, start: Start
) -> None:
    intake.go_away()
    began_at = time.monotonic()
    end(start(COUNTING.format(3_000)))
    assert time.monotonic() - began_at < 10
    intake.come_back()
    assert end(start("emitter.start()")) == ""
    assert len(intake.stored) == 3_000
    assert list(tmp_path.iterdir()) == []


def test_services_that_share_a_folder_take_nothing_of_each_other(intake: Intake, tmp_path: Path, start: Start) -> None:
    """Four at once, one of them killed; its events are sent by another, once."""
    services = [start(WITHOUT_END) for _ in range(3)]
    until(lambda: len(numbers_by_process(intake)) == 3)
    intake.go_away()
    for service in services:
        kill(service)
    intake.come_back()
    last = [start("emitter.start(); time.sleep(1)") for _ in range(2)]
    for service in last:
        end(service)
    assert list(tmp_path.iterdir()) == []
    assert [gaps_in(numbers) for numbers in numbers_by_process(intake).values()] == [[], [], []]
    check_every_repeat_was_the_same(intake)


def test_a_forked_child_has_an_emitter_of_its_own(intake: Intake, tmp_path: Path, start: Start) -> None:
    """As under gunicorn with preload: nothing of the parent's is sent by the child, or taken from it."""
    intake.go_away()
    end(start(FORKING))
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
    intake.come_back()
    end(start("emitter.start()"))
    assert sorted(str(event["data"]) for event in intake.stored.values()) == [
        "{'by': 'child'}",
        "{'by': 'parent again'}",
        "{'by': 'parent'}",
    ]
    assert intake.repeated == 0
    assert list(tmp_path.iterdir()) == []


def test_a_fork_waits_until_our_threads_have_written_their_line(intake: Intake, start: Start) -> None:
    """The child would find the log's stream locked for good."""
    intake.go_away()
    end(start(FORKING_WHILE_A_LINE_IS_WRITTEN))


def test_an_emitter_that_the_program_does_not_hold_sends_its_last_events_too(
    intake: Intake, tmp_path: Path, start: Start
) -> None:
    program = "AuditEmitter(issuer, lambda: 'token-1', spool_dir=folder).emit('order.placed')"
    assert end(start(program)) == ""
    assert intake.names() == ["order.placed"]
    assert list(tmp_path.iterdir()) == []
