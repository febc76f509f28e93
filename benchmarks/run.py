"""Runs the benchmarks, prints their table and writes bench.json; `scripts/bench` prepares what it needs."""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks.authzen import measure_authzen
from benchmarks.compare import ROWS, Effort, Sides, compare
from benchmarks.deployment import DatabaseKind, Deployment, start_deployment
from benchmarks.feed import QUICK_REVOKED, REVOKED, measure_feed
from benchmarks.figures import Figure, document, table
from benchmarks.gateway import measure_gateway
from benchmarks.imports import PEOPLE, QUICK_PEOPLE, measure_import
from benchmarks.ledger import EVENTS, QUICK_EVENTS, measure_ledger
from benchmarks.memory import measure_memory
from benchmarks.person_rows import compare_totp, measure_sessions
from benchmarks.policy import measure_policy
from benchmarks.postgres import start_postgres
from benchmarks.processes import LOAD_CORE, ROOT, SERVER_CORE, BenchmarkFailed
from benchmarks.report import DAY_EVENTS, QUICK_DAY_EVENTS, measure_report
from benchmarks.risk import QUICK_SIGNINS as QUICK_PAST
from benchmarks.risk import SIGNINS as PAST
from benchmarks.risk import measure_history, measure_score
from benchmarks.rivals import Rival, start_floor, start_peer
from benchmarks.sdk_start import QUICK_ROUNDS, ROUNDS, measure_sdk_start
from benchmarks.search import QUICK_SEARCHED, SEARCHED, measure_search
from benchmarks.signin_rows import compare_signin, measure_latency, measure_overload
from benchmarks.verify import measure_verify

PROTOCOL_ROWS = tuple(row.name for row in ROWS)
SIGNIN_ROWS = ("signin", "latency", "overload", "totp", "sessions")
SDK_ROWS = ("verify", "sdk-start", "policy", "authzen", "gateway")
OTHERS = ("memory", "import", "ledger", "report", "search", "feed", "risk", *SDK_ROWS)
NAMES = (*PROTOCOL_ROWS, *SIGNIN_ROWS, *OTHERS)
FULL, QUICK = Effort(pairs=7, seconds=4, warm_up_s=10), Effort(pairs=1, seconds=2, warm_up_s=4)
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
    figures: list[Figure] = []
    try:
        for found in _measure(args, folder):
            figures += found
    except BenchmarkFailed as failure:
        say(str(failure))
        return 1
    finally:
        # Half an hour of figures is told even where the last one cannot be had.
        _publish(args, figures)
        shutil.rmtree(folder, ignore_errors=True)
    return int(any(figure.holds is False for figure in figures))


def _publish(args: argparse.Namespace, figures: Sequence[Figure]) -> None:
    told: dict[str, object] = {"at": datetime.now(UTC).isoformat(), "machine": _machine(), "arguments": vars(args)}
    told["figures"] = [document(figure) for figure in figures]
    (ROOT / "bench.json").write_text(json.dumps(told, indent=1, default=str) + "\n")
    print(table(figures))


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


def _measure(args: argparse.Namespace, folder: Path) -> Iterator[list[Figure]]:
    wanted = args.only or NAMES
    kinds: tuple[DatabaseKind, ...] = ("sqlite", "postgresql") if args.database == "both" else (args.database,)
    effort = QUICK if args.quick else FULL
    if args.pairs is not None:
        effort = Effort(args.pairs, effort.seconds, effort.warm_up_s)
    rows = [row for row in ROWS if row.name in wanted]
    if rows:
        with deployments(kinds, folder / "protocol") as ours, _rivals(folder) as (peer, floor):
            sides = Sides(peer, floor, ours, folder)
            for row in rows:
                yield _guarded(row.name, partial(compare, row, sides, effort, say))
    names = [name for name in SIGNIN_ROWS if name in wanted]
    if names:
        with deployments(kinds, folder / "signin") as ours:
            for name, each in product(names, ours):
                yield _guarded(name, partial(_signin, name, each, effort))
    if "memory" in wanted:
        signins = args.signins or (QUICK_SIGNINS if args.quick else SIGNINS)
        for kind in kinds:
            # A server of its own, which nothing has warmed.
            with deployments((kind,), folder / "memory") as ours:
                yield _guarded("memory", partial(measure_memory, ours[0], signins, say))
    if "import" in wanted and "sqlite" in kinds:
        people = QUICK_PEOPLE if args.quick else PEOPLE
        with deployments(("sqlite",), folder / "import") as ours:
            yield _guarded("import", partial(measure_import, ours[0], folder / "import" / "sqlite", people, say))
    yield from _measure_services(args, wanted, kinds, folder)
    if "sdk-start" in wanted:
        yield _guarded("sdk-start", partial(measure_sdk_start, QUICK_ROUNDS if args.quick else ROUNDS, say))
    yield from _measure_log(args, wanted, kinds, folder)
    yield from _measure_risk(args, wanted, kinds, folder)


def _measure_services(
    args: argparse.Namespace, wanted: Collection[str], kinds: Sequence[DatabaseKind], folder: Path
) -> Iterator[list[Figure]]:
    if "verify" in wanted:
        effort = QUICK if args.quick else Effort(args.pairs or FULL.pairs, FULL.seconds, FULL.warm_up_s)
        yield _guarded("verify", partial(measure_verify, folder / "verify", effort, is_quick=args.quick, say=say))
    if "policy" in wanted:
        yield _guarded("policy", partial(measure_policy, is_quick=args.quick))
    if "gateway" in wanted:
        effort = QUICK if args.quick else Effort(args.pairs or FULL.pairs, FULL.seconds, FULL.warm_up_s)
        yield _guarded("gateway", partial(measure_gateway, folder / "gateway", effort, say))
    for kind in kinds if "authzen" in wanted else ():
        effort = QUICK if args.quick else Effort(args.pairs or FULL.pairs, FULL.seconds, FULL.warm_up_s)
        with deployments((kind,), folder / "authzen") as ours:
            yield _guarded("authzen", partial(measure_authzen, ours[0], effort, say))
    for kind in kinds if "feed" in wanted else ():
        with deployments((kind,), folder / "feed") as ours:
            yield _guarded("feed", partial(measure_feed, ours[0], QUICK_REVOKED if args.quick else REVOKED))


def _measure_log(
    args: argparse.Namespace, wanted: Collection[str], kinds: Sequence[DatabaseKind], folder: Path
) -> Iterator[list[Figure]]:
    for kind in kinds if "search" in wanted else ():
        count = QUICK_SEARCHED if args.quick else SEARCHED
        yield _guarded("search", partial(measure_search, kind, folder / "search" / kind, count, say))
    if "sqlite" not in kinds:
        return
    if "ledger" in wanted:
        events = QUICK_EVENTS if args.quick else EVENTS
        yield _guarded("ledger", partial(measure_ledger, folder / "ledger", events, say))
    if "report" in wanted:
        events = QUICK_DAY_EVENTS if args.quick else DAY_EVENTS
        yield _guarded("report", partial(measure_report, folder / "report", events, say))


def _measure_risk(
    args: argparse.Namespace, wanted: Collection[str], kinds: Sequence[DatabaseKind], folder: Path
) -> Iterator[list[Figure]]:
    if "risk" not in wanted:
        return
    yield _guarded("risk", partial(measure_score, is_quick=args.quick))
    if "postgresql" in kinds:
        yield _guarded("risk", partial(measure_history, folder / "risk", QUICK_PAST if args.quick else PAST, say))


def _guarded(row: str, work: Callable[[], list[Figure]]) -> list[Figure]:
    """What `work` finds; where it fails, that is the row's figure, and the other rows go on."""
    try:
        return work()
    except (BenchmarkFailed, OSError, subprocess.SubprocessError) as failure:
        say(f"  {row}: {failure}")
        return [Figure(row=row, database="", what="not measured", value=0, fault=str(failure)[:200])]


def _signin(name: str, ours: Deployment, effort: Effort) -> list[Figure]:
    match name:
        case "signin":
            return [compare_signin(ours, effort, say)]
        case "latency":
            return [measure_latency(ours, effort, say)]
        case "totp":
            return [compare_totp(ours, effort, say)]
        case "sessions":
            return [measure_sessions(ours, effort, say)]
        case _:
            return [measure_overload(ours)]


@contextmanager
def _rivals(folder: Path) -> Iterator[tuple[Rival, Rival]]:
    with ExitStack() as running:
        peer = start_peer(folder)
        running.callback(peer.program.stop)
        floor = start_floor(folder)
        running.callback(floor.program.stop)
        yield peer, floor


@contextmanager
def deployments(kinds: Sequence[DatabaseKind], folder: Path) -> Iterator[Sequence[Deployment]]:
    """New deployments of ours, one a kind; all that was started is stopped at the end."""
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
        yield ours


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
