"""The PDF of a day with a hundred thousand events: how long the command takes, and what memory it has at most."""

import json
import sys
import time
from collections.abc import Callable
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
    seconds, peak = max(run[0] for run in runs), max(run[1] for run in runs)
    is_full = events >= DAY_EVENTS
    shared = {"row": "report", "database": "sqlite"}
    return [
        Figure(
            **shared, what=f"PDF of a day with {events} events", value=seconds, unit=" s", sense="at most",
            limit=LIMIT_S if is_full else None, details={"rounds": ROUNDS, "quickest_s": min(run[0] for run in runs)},
        ),
        Figure(
            **shared, what="memory meanwhile", value=peak, unit=" MiB", sense="at most",
            limit=LIMIT_MIB if is_full else None, details={"pdf_kib": runs[0][2]},
        ),
    ]  # fmt: skip


def _run(folder: Path, number: int, say: Callable[[str], None]) -> tuple[float, float, int]:
    """Seconds, the most memory in MiB, and the size of the PDF in KiB."""
    out = folder / f"{number}.pdf"
    command = ["report", "daily", "--day", f"{DAY:%Y-%m-%d}", "--format", "pdf", "--output", str(out), "--json"]
    began, peak = time.perf_counter(), 0.0
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
    seconds = time.perf_counter() - began
    told = program.log.read_text().splitlines()
    if program.process.returncode or not told or json.loads(told[-1])["bytes"] != out.stat().st_size:
        raise BenchmarkFailed(f"the report failed; the end of {program.log}: {tail(program.log)}")
    say(f"  report: {seconds:.2f} s, {peak:.0f} MiB at most")
    return seconds, peak, out.stat().st_size // 1024


def _resident_mib(pid: int) -> float:
    try:
        return resident_mib(pid)
    except OSError:
        # It ended while it was looked at.
        return 0.0
