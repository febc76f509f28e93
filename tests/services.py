"""The programs that tests run against, started for one run on free loopback ports and stopped after it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psycopg

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
LEAST_POSTGRESQL = 15
LEAST_NODE = 20


class ServiceMissing(Exception):
    """A program that the tests need is not there or does not start; the text says what to do."""


class AsAccount(TypedDict):
    """The arguments that make `subprocess` run a program as another account; all None for our own."""

    user: str | None
    group: str | None
    extra_groups: list[str] | None


@dataclass(frozen=True, slots=True)
class Service:
    """A started program: where it answers, and the process group that `stop` ends."""

    name: str
    port: int
    pid: int
    folder: Path

    def stop(self) -> None:
        """Ends the program and all it started, and waits until it is gone."""
        stop_group(self.pid)


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start_redis(folder: Path) -> Service:
    """An empty Redis without persistence; its data and log lie in `folder`, which it makes."""
    program = shutil.which("redis-server")
    if program is None:
        raise ServiceMissing("redis-server was not found: run 'apt-get install redis-server', or scripts/test.")
    folder.mkdir(parents=True, exist_ok=True)

    def command(port: int) -> Sequence[str | Path]:
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--databases", "64"]
        return [program, "--port", str(port), "--dir", folder, *options]

    return start("redis", folder, command, answers=_redis_answers)


def start_postgres(folder: Path) -> Service:
    """A new PostgreSQL cluster in `folder` with the superuser `ostiary` and no password, open to loopback only.

    It does not wait for the disk (fsync off), so it proves rules and races, not durability.
    """
    programs = _postgresql_programs()
    account = _account_for_postgresql()
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    if account is not None:
        for path in (folder, data):
            shutil.chown(path, account, account)
    initdb: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "ostiary",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
    ]
    made = subprocess.run(initdb, **_as_account(account), cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        raise ServiceMissing(f"initdb could not make a PostgreSQL cluster in {folder}: {made.stderr.strip()}")
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": "200",
        "timezone": "UTC",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def command(port: int) -> Sequence[str | Path]:
        return [programs / "postgres", "-D", data, "-p", str(port), *options]

    return start("postgres", folder, command, answers=_postgres_answers, account=account)


def start(
    name: str,
    folder: Path,
    command: Callable[[int], Sequence[str | Path]],
    *,
    answers: Callable[[int], bool],
    account: str | None = None,
    fixed_port: int | None = None,
) -> Service:
    """Runs `command(port)` in a process group of its own until `answers(port)`; another port where one was taken,
    unless it is fixed.

    The group's number is written to `folder/pid` before anything else, so that an interrupted run can end it.
    """
    log = folder / "log"
    for _ in range(3):
        port = fixed_port or free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(port),
                **_as_account(account),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (folder / "pid").write_text(str(process.pid))
        if _wait_until_answering(process, port, answers):
            # The run's owner ends the group by its number, so this object has nothing more to watch over.
            process.returncode = 0
            return Service(name=name, port=port, pid=process.pid, folder=folder)
        stop_group(process.pid)
    raise ServiceMissing(f"{name} did not start; it said: {log.read_text(errors='replace')[-2000:].strip()}")


def stop_group(pid: int) -> None:
    """Ends the process group `pid`, forcibly after `STOP_TIMEOUT_S`, and returns when it is gone."""
    # SIGQUIT ends PostgreSQL without a checkpoint: what it holds is thrown away with its folder.
    for sent in (signal.SIGQUIT, signal.SIGKILL):
        try:
            os.killpg(pid, sent)
        except ProcessLookupError:
            return
        ends_at = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < ends_at:
            if not _is_running(pid):
                return
            time.sleep(0.02)


def find_chromium() -> str:
    """The path of the installed Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise ServiceMissing("Chromium was not found: run 'apt-get install chromium', or scripts/test.")


def find_node() -> str:
    """The path of a Node that is new enough: the program itself, since a wrapper that is killed leaves it running."""
    path = shutil.which("node")
    if path is not None:
        asked = [path, "-p", "process.versions.node + ' ' + process.execPath"]
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        version, program = said.strip().split(" ", 1)
        if int(version.split(".")[0]) >= LEAST_NODE:
            return program
    raise ServiceMissing(f"Node {LEAST_NODE} or newer was not found on the PATH: scripts/test installs it.")


def _wait_until_answering(process: subprocess.Popen[bytes], port: int, answers: Callable[[int], bool]) -> bool:
    ends_at = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < ends_at:
        if answers(port):
            return True
        time.sleep(0.02)
    return False


def _redis_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def _postgres_answers(port: int) -> bool:
    try:
        psycopg.connect(f"postgresql://ostiary@127.0.0.1:{port}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _postgresql_programs() -> Path:
    debian = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    fit = [path for path in debian if int(path.parent.name) >= LEAST_POSTGRESQL]
    if fit:
        return min(fit, key=lambda path: int(path.parent.name))
    if (initdb := shutil.which("initdb")) and shutil.which("postgres"):
        return Path(initdb).resolve().parent
    raise ServiceMissing(
        f"PostgreSQL {LEAST_POSTGRESQL} or newer was not found: run 'apt-get install postgresql', or scripts/test."
    )


def _account_for_postgresql() -> str | None:
    """PostgreSQL refuses to run as root; Debian's package brings the account `postgres`."""
    return "postgres" if os.geteuid() == 0 else None


def _as_account(account: str | None) -> AsAccount:
    return AsAccount(user=account, group=account, extra_groups=None if account is None else [])


def _is_running(pid: int) -> bool:
    # Whoever is the program's parent asks for its end here; another process of the run may only look.
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(Path(f"/proc/{pid}"))


def _is_zombie(process: Path) -> bool:
    """Whether the program has ended and only its parent has not asked for that yet.

    The first thread may end before the others, and is listed as a zombie while they still hold the program's sockets.
    """
    with suppress(FileNotFoundError):
        ended = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return ended and len(list((process / "task").iterdir())) <= 1
    return False
