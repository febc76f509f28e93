"""A PostgreSQL of our own that waits for the disk, on the core that the measured server does not have."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from benchmarks.processes import LOAD_CORE, START_TIMEOUT_S, BenchmarkFailed, Program, free_port, start, tail

# The defaults that durability rests on are spelt out, so that the figures say what they were measured with.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "timezone": "UTC", **DURABLE}


def start_postgres(folder: Path) -> tuple[Program, str]:
    """A new cluster in `folder`, and the URL of its empty database, open to loopback only."""
    programs = _find_programs()
    # PostgreSQL refuses to run as root; Debian's package brings the account.
    account = "postgres" if os.geteuid() == 0 else None
    data = folder / "data"
    data.mkdir(parents=True)
    if account:
        for path in (folder, data):
            shutil.chown(path, account, account)
    locale = ["-E", "UTF8", "--locale=C.UTF-8"]
    made = subprocess.run(
        [programs / "initdb", "-D", data, "-U", "ostiary", "-A", "trust", *locale],
        cwd=folder,
        user=account,
        group=account,
        extra_groups=[] if account else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise BenchmarkFailed(f"initdb could not make a cluster in {folder}: {made.stderr.strip()}")
    port = free_port()
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(port), *options]
    program = start("PostgreSQL", command, log=folder / "log", core=LOAD_CORE, account=account)
    url = f"postgresql://ostiary@127.0.0.1:{port}/postgres"
    try:
        _wait_for(program, url)
    except BaseException:
        program.stop()
        raise
    return program, url


def _wait_for(program: Program, url: str) -> None:
    ends_at = time.monotonic() + START_TIMEOUT_S
    while program.process.poll() is None and time.monotonic() < ends_at:
        try:
            with psycopg.connect(url, connect_timeout=2) as db:
                _check_durable(db)
                return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise BenchmarkFailed(f"PostgreSQL did not start: {tail(program.log)}")


def _check_durable(db: psycopg.Connection[tuple[object, ...]]) -> None:
    for name, expected in DURABLE.items():
        found = db.execute("SELECT current_setting(%s)", [name]).fetchone()
        if found != (expected,):
            raise BenchmarkFailed(f"PostgreSQL runs with {name}={found}, expected {expected}")


def _find_programs() -> Path:
    debian = sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if debian:
        return debian[0]
    initdb = shutil.which("initdb")
    if initdb is None:
        raise BenchmarkFailed("PostgreSQL was not found: run 'apt-get install postgresql', or scripts/bench as root.")
    return Path(initdb).resolve().parent
