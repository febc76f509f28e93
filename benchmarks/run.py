"""Runs the benchmarks, prints their table and writes bench.json; `scripts/bench` prepares what it needs."""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.compare import ROWS, Effort, Sides, compare
from benchmarks.deployment import DatabaseKind, Deployment, start_deployment
from benchmarks.figures import Figure, document, table
from benchmarks.memory import measure_memory
from benchmarks.postgres import start_postgres
from benchmarks.processes import LOAD_CORE, ROOT, SERVER_CORE, BenchmarkFailed
from benchmarks.rivals import start_floor, start_peer
from benchmarks.signin_rows import compare_signin, measure_latency, measure_overload

PROTOCOL_ROWS = tuple(row.name for row in ROWS)
SIGNIN_ROWS = ("signin", "latency", "overload")
NAMES = (*PROTOCOL_ROWS, *SIGNIN_ROWS, "memory")
FULL, QUICK = Effort(pairs=7, seconds=4, warm_up_s=10), Effort(pairs=1, seconds=2, warm_up_s=2)
SIGNINS, QUICK_SIGNINS = 10_000, 200


def say(words: str) -> None:
    """A line about the work; the table alone goes to standard output."""
    print(words, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; 1 where a limit is missed."""
    args = _parse(arguments)
    cores = os.sched_getaffinity(0)
    if not {LOAD_CORE, SERVER_CORE} <= cores:
        say(f"The benchmarks need the cores {LOAD_CORE} and {SERVER_CORE}; this process may use {sorted(cores)}.")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.sched_setaffinity(0, {LOAD_CORE})
    folder = Path(tempfile.mkdtemp(prefix="ostiary-bench-"))
    # PostgreSQL runs as another account, which must find its folder.
    folder.chmod(0o711)
    try:
        figures = _measure(args, folder)
    except BenchmarkFailed as failure:
        say(str(failure))
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    told = {"at": datetime.now(UTC).isoformat(), "machine": _machine(), "arguments": vars(args)}
    told["figures"] = [document(figure) for figure in figures]
    (ROOT / "bench.json").write_text(json.dumps(told, indent=1, default=str) + "\n")
    print(table(figures))
    return int(any(figure.holds is False for figure in figures))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round a row, to try the benchmarks themselves")
    parser.add_argument("--pairs", type=int, default=None, help=f"rounds a row (default {FULL.pairs})")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--signins", type=int, default=None, help=f"sign-ins of the memory row (default {SIGNINS})")
    args = parser.parse_args(arguments)
    if args.pairs is not None and not 1 <= args.pairs <= 100:
        parser.error("--pairs takes 1 to 100")
    if args.signins is not None and not 50 <= args.signins <= 100_000:
        parser.error("--signins takes 50 to 100000")
    return args


def _measure(args: argparse.Namespace, folder: Path) -> list[Figure]:
    wanted = args.only or NAMES
    kinds: tuple[DatabaseKind, ...] = ("sqlite", "postgresql") if args.database == "both" else (args.database,)
    effort = QUICK if args.quick else FULL
    if args.pairs is not None:
        effort = Effort(args.pairs, effort.seconds, effort.warm_up_s)
    figures: list[Figure] = []
    # Memory first: a server of its own that nothing else has warmed, alone on its core.
    if "memory" in wanted:
        signins = args.signins or (QUICK_SIGNINS if args.quick else SIGNINS)
        for kind in kinds:
            figures += _with_deployments((kind,), folder / "memory", lambda ours: measure_memory(ours[0], signins, say))
    rows = [row for row in ROWS if row.name in wanted]
    signin_rows = [name for name in SIGNIN_ROWS if name in wanted]
    if not rows and not signin_rows:
        return figures

    def all_rows(ours: Sequence[Deployment]) -> list[Figure]:
        found = _protocol(rows, ours, folder, effort) if rows else []
        return found + [figure for name in signin_rows for each in ours for figure in _signin(name, each, effort)]

    return _with_deployments(kinds, folder / "speed", all_rows) + figures


def _protocol(rows: Sequence[object], ours: Sequence[Deployment], folder: Path, effort: Effort) -> list[Figure]:
    with ExitStack() as running:
        peer, floor = start_peer(folder), None
        running.callback(peer.program.stop)
        floor = start_floor(folder)
        running.callback(floor.program.stop)
        sides = Sides(peer, floor, ours, folder)
        return [figure for row in ROWS if row in rows for figure in compare(row, sides, effort, say)]


def _signin(name: str, ours: Deployment, effort: Effort) -> list[Figure]:
    match name:
        case "signin":
            return [compare_signin(ours, effort, say)]
        case "latency":
            return [measure_latency(ours, effort, say)]
        case _:
            return [measure_overload(ours)]


def _with_deployments(
    kinds: Sequence[DatabaseKind], folder: Path, work: Callable[[Sequence[Deployment]], list[Figure]]
) -> list[Figure]:
    """What `work` finds on new deployments; all that was started is stopped when it ends."""
    with ExitStack() as running:
        ours = []
        for kind in kinds:
            url = None
            if kind == "postgresql":
                postgres, url = start_postgres(folder / "cluster")
                running.callback(postgres.stop)
            deployment = start_deployment(kind, folder / kind, url)
            running.callback(deployment.program.stop)
            ours.append(deployment)
        return work(ours)


def _machine() -> dict[str, object]:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": model[0].partition(":")[2].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load": os.getloadavg(),
    }


if __name__ == "__main__":
    sys.exit(main())
