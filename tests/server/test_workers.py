"""`ostiary serve` with several processes: they share sockets, are replaced, stop together, and fail in one sentence."""

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from server import workers
from server.serve import Prepared
from server.settings import Settings
from tests.server.process import ROOT, begin_request, environment, get, run, serving
from tests.services import free_port


@pytest.fixture
def two_processes(postgres_url: Callable[[], str], redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a deployment with two processes."""
    return environment(
        tmp_path,
        OSTIARY_DATABASE_URL=postgres_url(),
        OSTIARY_REDIS_URL=redis_url,
        OSTIARY_MASTER_KEY=base64.b64encode(os.urandom(32)).decode(),
        OSTIARY_WORKERS="2",
        OSTIARY_LISTEN=f"127.0.0.1:{free_port()}",
        OSTIARY_OPS_LISTEN=f"127.0.0.1:{free_port()}",
    )


def test_two_processes_share_the_sockets_and_one_that_dies_is_replaced(two_processes: dict[str, str]) -> None:
    second_ops = int(two_processes["OSTIARY_OPS_LISTEN"].rpartition(":")[2]) + 1
    with serving(two_processes) as (welcome, process):
        wait_until_ready(second_ops)
        pids = children(process.pid)
        assert len(pids) == 2
        os.kill(pids[1], signal.SIGKILL)
        wait_until_ready(second_ops, other_than=pids[1])
        assert get(welcome["discovery"])[0] == 200
    assert process.returncode == 0


def wait_until_ready(port: int, *, other_than: int = 0) -> None:
    """Returns when the process behind this operations port is ready, and the killed one is gone."""
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        try:
            if not (other_than and Path(f"/proc/{other_than}").exists()):
                assert get(f"http://127.0.0.1:{port}/health/ready")[0] == 200
                return
        except (OSError, AssertionError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"nothing is ready on port {port}")


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_signal_to_all_processes_at_once_lets_requests_under_way_finish(two_processes: dict[str, str]) -> None:
    """F13: so Ctrl-C and systemd stop a server"""
    with serving(two_processes) as (_, process):
        connection = begin_request(two_processes)
        for pid in (process.pid, *children(process.pid)):
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
        connection.send(b"client_credentials")
        assert connection.getresponse().status in (400, 401)
        connection.close()
        assert process.wait(timeout=15) == 0


def test_a_foreign_master_key_is_one_sentence_and_the_end(two_processes: dict[str, str]) -> None:
    """S40"""
    assert run(two_processes, "key", "list").returncode == 0
    other = base64.b64encode(os.urandom(32)).decode()
    refused = run({**two_processes, "OSTIARY_MASTER_KEY": other}, "serve")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1, refused.stderr
    assert "the master key does not open this database" in refused.stderr


# A parent whose children wait for a signal; it gets SIGTERM at the worst moment, between a fork and its entry.
_STOPPED_WHILE_FORKING = """
import os, signal
from server import workers
from server.settings import Settings

fork = os.fork

def fork_and_signal():
    pid = fork()
    if pid:
        os.kill(os.getpid(), signal.SIGTERM)
    return pid

os.fork = fork_and_signal
workers.run_process = lambda *_: signal.pause()
settings = Settings.model_construct(workers=3)
workers._Workers(workers.Prepared(settings, (), (), (), None)).run(None)
"""


def test_a_signal_between_a_fork_and_its_entry_stops_every_process() -> None:
    """F13"""
    ended = subprocess.run(
        [sys.executable, "-c", _STOPPED_WHILE_FORKING], cwd=ROOT, timeout=20, check=False, capture_output=True
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_process_that_has_just_ended_does_not_keep_the_others_from_their_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signalled: list[int] = []

    def kill(pid: int, name: int) -> None:
        signalled.append(pid)
        if pid == 1:
            raise ProcessLookupError

    monkeypatch.setattr("os.kill", kill)
    running = workers._Workers(Prepared(Settings(), (), (), (), None))
    running._running = {1: 0, 2: 1}
    running._stop(signal.SIGTERM, None)
    assert signalled == [1, 2]
