"""Programs on one core: started, waited for, measured from outside, stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
LOAD_CORE, SERVER_CORE = 0, 1
START_TIMEOUT_S = 40.0
STOP_TIMEOUT_S = 15.0


class BenchmarkFailed(Exception):
    """A figure cannot be had; the text says why and where to look."""


@dataclass(frozen=True, slots=True)
class Program:
    """A started program; what it writes is in `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The process whose tree is measured."""
        return self.process.pid

    def stop(self) -> None:
        """Asks the program to end, makes it end after a while, and returns when it has."""
        for ask in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.pid, ask)
            try:
                self.process.wait(STOP_TIMEOUT_S)
                return
            except subprocess.TimeoutExpired:
                continue


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    core: int = SERVER_CORE,
    environment: Mapping[str, str] | None = None,
    account: str | None = None,
) -> Program:
    """Runs a command on one core, in a process group of its own and with nothing of our environment but the path."""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **(environment or {})}
    output: IO[bytes]
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            cwd=ROOT if account is None else log.parent,
            env=env,
            user=account,
            group=account,
            extra_groups=None if account is None else [],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Program(name, process, log)


def wait_for(program: Program, url: str) -> None:
    """Returns when the URL answers; raises BenchmarkFailed where the program ends or takes too long."""
    ends_at = time.monotonic() + START_TIMEOUT_S
    while program.process.poll() is None and time.monotonic() < ends_at:
        try:
            with urlopen(url, timeout=2):  # noqa: S310 - an address that we made
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise BenchmarkFailed(f"{program.name} does not answer; the end of {program.log}: {tail(program.log)}")


def tail(log: Path) -> str:
    """The end of what a program wrote."""
    return log.read_text(errors="replace")[-1500:].strip()


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def process_tree(pid: int) -> list[int]:
    """A process and everything below it."""
    pids = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                pids += process_tree(int(child))
    except OSError:
        pass
    return pids


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of these processes so far, in steps of 10 ms."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory of a process and everything below it, shared pages counted in each."""
    pages = 0
    for each in process_tree(pid):
        pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mib(pid: int) -> float:
    """The most memory that a process has had so far; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
