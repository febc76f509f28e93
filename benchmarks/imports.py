"""An import of a hundred thousand people into the embedded database, while a server works on it."""

import base64
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from benchmarks.deployment import API_SCOPES, Deployment
from benchmarks.figures import Figure
from benchmarks.processes import LOAD_CORE, BenchmarkFailed, Program, peak_mib, start, tail

PEOPLE, QUICK_PEOPLE = 100_000, 5_000
LIMIT_S = 180.0
GROWTH_LIMIT_MIB = 16.0
TOKEN_LIMIT_MS = 1000.0
_SMALL_SHARE = 20
_ASK_EVERY_S = 0.05
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Imported:
    """One import: how long it took by the clock, and the most memory it ever had."""

    people: int
    seconds: float
    peak_mib: float


def measure_import(ours: Deployment, folder: Path, people: int, say: Callable[[str], None]) -> list[Figure]:
    """Time, memory and what a running server feels of it; `folder` is where the deployment lives."""
    small = _import(folder, people // _SMALL_SHARE, "small", say)
    with _tokens_meanwhile(ours) as waits_ms:
        whole = _import(folder, people, "whole", say)
    if not waits_ms:
        raise BenchmarkFailed("the server gave no token while the import ran")
    # The start of the program would weigh too much in a short run.
    limit_s = LIMIT_S if people >= PEOPLE else None
    growth = whole.peak_mib - small.peak_mib
    return [
        Figure(
            row="import", database=ours.kind, what=f"time for {people} people", value=whole.seconds, unit=" s",
            sense="at most", limit=limit_s, details={"people_per_s": people / whole.seconds},
        ),
        Figure(
            row="import", database=ours.kind, what=f"memory of {people} beyond that of {small.people}", value=growth,
            unit=" MiB", sense="at most", limit=GROWTH_LIMIT_MIB,
            details={"peak_mib": whole.peak_mib, "peak_small_mib": small.peak_mib},
        ),
        Figure(
            row="import", database=ours.kind, what="slowest token of the server meanwhile", value=max(waits_ms),
            unit=" ms", sense="at most", limit=TOKEN_LIMIT_MS,
            details={"tokens": len(waits_ms), "median_ms": sorted(waits_ms)[len(waits_ms) // 2]},
        ),
    ]  # fmt: skip


def _import(folder: Path, people: int, name: str, say: Callable[[str], None]) -> Imported:
    file = folder / f"{name}.jsonl"
    _write_people(file, people, name)
    program = start(
        f"the import of {people}",
        [sys.executable, "-m", "server.cli", "user", "import", str(file), "--json"],
        log=folder / f"{name}.log",
        core=LOAD_CORE,
        environment={"OSTIARY_DATA_DIR": str(folder / "data")},
    )
    began, peak = time.perf_counter(), 0.0
    try:
        while program.process.poll() is None:
            peak = max(peak, peak_mib(program.pid))
            time.sleep(_LOOK_EVERY_S)
    finally:
        program.stop()
    seconds = time.perf_counter() - began
    _check(program, people)
    say(f"  import of {people}: {seconds:.1f} s, {peak:.1f} MiB at most")
    return Imported(people, seconds, peak)


def _check(program: Program, people: int) -> None:
    told = program.log.read_text().splitlines()
    if program.process.returncode or not told or json.loads(told[-1])["made"] != people:
        raise BenchmarkFailed(f"{program.name} failed; the end of {program.log}: {tail(program.log)}")


def _write_people(file: Path, people: int, name: str) -> None:
    """Hashes of the three systems in turn; random ones, since an import compares none."""
    draw = random.Random(name)
    with file.open("w") as out:
        for number in range(people):
            who = {
                "username": f"{name}{number}", "email": f"{name}{number}@example.com",
                "name": f"Person Number {number}", "given_name": "Person", "family_name": f"Number {number}",
                "locale": "tr", "password_hash": _hash(number, draw),
            }  # fmt: skip
            out.write(json.dumps(who) + "\n")


def _hash(number: int, draw: random.Random) -> str:
    salt, digest = draw.randbytes(16).hex()[:22], base64.b64encode(draw.randbytes(32)).decode()
    match number % 3:
        case 0:
            return f"pbkdf2_sha256$1000000${salt}${digest}"
        case 1:
            return f"$2b$10${salt}{draw.randbytes(16).hex()[:31]}"
        case _:
            return f"argon2$argon2id$v=19$m=102400,t=2,p=8${salt}${digest.rstrip('=')}"


@contextmanager
def _tokens_meanwhile(ours: Deployment) -> Iterator[list[float]]:
    """How long each token took, in milliseconds, asked for again and again until the block ends."""
    waits_ms: list[float] = []
    done = threading.Event()

    def ask() -> None:
        form = f"grant_type=client_credentials&scope={API_SCOPES[0]}".encode()
        headers = {"Authorization": f"Basic {ours.service.basic}"}
        while not done.wait(_ASK_EVERY_S):
            began = time.perf_counter()
            try:
                with urlopen(Request(f"{ours.url}/oauth/token", form, headers), timeout=10) as answer:  # noqa: S310
                    answer.read()
            except (URLError, OSError):
                # A refusal counts as the longest wait there is.
                waits_ms.append(10_000.0)
            else:
                waits_ms.append((time.perf_counter() - began) * 1000)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield waits_ms
    finally:
        done.set()
        asking.join()
