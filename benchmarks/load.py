"""Load one URL with wrk and say what the server paid for it.

As a command: python -m benchmarks.load --pid SERVER_PID --label NAME [--conn 32] [--seconds 5] [--runs 3]
[--script benchmarks/form.lua] URL. Pin the server to core 1 (`taskset -c 1 …`); wrk runs on core 0. One JSON line.

`cpu_us`, the CPU microseconds (user and system, whole process tree) a request, is what to compare on a shared machine:
requests a second can move by 40 % there while this moves by 5 %. Only loopback URLs are accepted.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.processes import LOAD_CORE, BenchmarkFailed, cpu_seconds, process_tree

FOLDER = Path(__file__).resolve().parent
FORM, REFRESH = FOLDER / "form.lua", FOLDER / "refresh.lua"
CONNECTIONS = 32
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Measured:
    """One load: requests a second, latencies, CPU a request, answers that were errors (or never came)."""

    req_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    bad: int


def measure(
    url: str,
    pid: int,
    *,
    seconds: int,
    connections: int = CONNECTIONS,
    script: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Measured:
    """Loads a URL for some seconds. Raises BenchmarkFailed where wrk cannot."""
    if urlsplit(url).hostname not in _LOOPBACK:
        raise BenchmarkFailed("only a server on this machine may be loaded")
    pids = process_tree(pid)
    before = cpu_seconds(pids)
    said = _run_wrk(url, seconds, connections, script, environment or {})
    return _read(said, cpu_seconds(pids) - before)


def _run_wrk(url: str, seconds: int, connections: int, script: Path | None, environment: Mapping[str, str]) -> str:
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", "--latency", f"-d{seconds}s"]
    if script:
        command += ["-s", str(script)]
    env = {"PATH": os.environ["PATH"], **environment}
    ended = subprocess.run([*command, url], env=env, capture_output=True, text=True, timeout=seconds + 30, check=False)
    if ended.returncode:
        raise BenchmarkFailed(f"wrk could not load {url}: {ended.stderr.strip() or ended.stdout.strip()}")
    return ended.stdout


def _read(said: str, spent_s: float) -> Measured:
    done = int(_find(r"(\d+) requests in", said))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return Measured(
        req_s=float(_find(r"Requests/sec:\s+([\d.]+)", said)),
        p50_ms=_milliseconds(_find(r" 50%\s+(\S+)", said)),
        p99_ms=_milliseconds(_find(r" 99%\s+(\S+)", said)),
        cpu_us=spent_s / max(done, 1) * 1e6,
        bad=(int(refused[1]) if refused else 0) + (sum(map(int, broken.groups())) if broken else 0),
    )


def _find(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise BenchmarkFailed(f"wrk said nothing that fits {pattern!r}: {said}")
    return found[1]


def _milliseconds(text: str) -> float:
    value, unit = _find(r"([\d.]+)", text), _find(r"(us|ms|s)$", text)
    return float(value) * _MS[unit]


def median(runs: Sequence[Measured]) -> Measured:
    """The median of each figure on its own; errors are added up."""
    return Measured(
        req_s=statistics.median(run.req_s for run in runs),
        p50_ms=statistics.median(run.p50_ms for run in runs),
        p99_ms=statistics.median(run.p99_ms for run in runs),
        cpu_us=statistics.median(run.cpu_us for run in runs),
        bad=sum(run.bad for run in runs),
    )


def main() -> None:
    """The command of this module's first lines."""
    parser = argparse.ArgumentParser(description="Load one URL with wrk and say what the server paid for it.")
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--conn", type=int, default=CONNECTIONS)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--no-warm-up", action="store_true")
    parser.add_argument("url")
    args = parser.parse_args()

    def once(seconds: int) -> Measured:
        return measure(
            args.url, args.pid, seconds=seconds, connections=args.conn, script=args.script, environment=os.environ
        )

    if not args.no_warm_up:
        once(2)
    runs = median([once(args.seconds) for _ in range(args.runs)])
    print(json.dumps({"label": args.label, **asdict(runs), "conn": args.conn}))


if __name__ == "__main__":
    main()
