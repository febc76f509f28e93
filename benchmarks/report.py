"""The PDF of a day with a hundred thousand events: how long the command takes, and what memory it has at most."""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.processes import LOAD_CORE, BenchmarkFailed, resident_mib, start, tail
from benchmarks.report_events import DAY, fill_folder

DAY_EVENTS, QUICK_DAY_EVENTS = 100_000, 2_000
PEOPLE = 2_000
LIMIT_S, LIMIT_MIB = 5.0, 400.0
ROUNDS = 3
_LOOK_EVERY_S = 0.01


def measure_report(folder: Path, events: int, say: Callable[[str], None]) -> list[Figure]:
    """Time and memory of `ostiary report daily --format pdf`, its process and the one that sets the page together."""
    folder.mkdir(parents=True)
    say(f"  report: making a day of {events} events")
    fill_folder(folder, events=events, people=min(PEOPLE, events))
    runs = [_run(folder, number, say) for number in range(ROUNDS)]
    slowest = max(runs, key=lambda run: run.seconds)
    details = {"rounds": ROUNDS, "cpu_s": slowest.cpu_s, "quickest_s": min(run.seconds for run in runs)}
    is_full = events >= DAY_EVENTS
    shared = {"row": "report", "database": "sqlite"}
    return [
        Figure(
            **shared, what=f"PDF of a day with {events} events", value=slowest.seconds, unit=" s", sense="at most",
            limit=LIMIT_S if is_full else None, details=details,
        ),
        Figure(
            **shared, what="memory meanwhile", value=max(run.peak_mib for run in runs), unit=" MiB", sense="at most",
            limit=LIMIT_MIB if is_full else None, details={"pdf_kib": slowest.pdf_kib},
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the command: by the clock, its CPU with that of the page's setter, and the most memory of both."""

    seconds: float
    cpu_s: float
    peak_mib: float
    pdf_kib: int


def _run(folder: Path, number: int, say: Callable[[str], None]) -> _Run:
    out = folder / f"{number}.pdf"
    command = ["report", "daily", "--day", f"{DAY:%Y-%m-%d}", "--format", "pdf", "--output", str(out), "--json"]
    began, spent, peak = time.perf_counter(), _children_s(), 0.0
    program = start(
        "the report",
        [sys.executable, "-m", "server.cli", *command],
        log=folder / f"{number}.log",
        core=LOAD_CORE,
        environment={"OSTIARY_DATA_DIR": str(folder)},
    )
    try:
        while program.process.poll() is None:
            peak = max(peak, _resident_mib(program.pid))
            time.sleep(_LOOK_EVERY_S)
    finally:
        program.stop()
    seconds, cpu_s = time.perf_counter() - began, _children_s() - spent
    told = program.log.read_text().splitlines()
    if program.process.returncode or not told or json.loads(told[-1])["bytes"] != out.stat().st_size:
        raise BenchmarkFailed(f"the report failed; the end of {program.log}: {tail(program.log)}")
    say(f"  report: {seconds:.2f} s, {cpu_s:.2f} s of CPU, {peak:.0f} MiB at most")
    return _Run(seconds, cpu_s, peak, out.stat().st_size // 1024)


def _children_s() -> float:
    """CPU of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident_mib(pid: int) -> float:
    try:
        return resident_mib(pid)
    except OSError:
        # It ended while it was looked at.
        return 0.0
