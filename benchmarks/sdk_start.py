"""What it costs a service to import the SDK: time and resident memory, each in interpreters of their own."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable

from benchmarks.figures import Figure, Sense
from benchmarks.processes import ROOT, SERVER_CORE, BenchmarkFailed

ROUNDS, QUICK_ROUNDS = 15, 5
LIMIT_MS, LIMIT_MIB = 150.0, 45.0
BARE = ""
STATEMENTS = (
    "import ostiary",
    "from ostiary import Verifier, Feed",
    "from ostiary.asgi import RequireToken",
    "from ostiary.testing import FakeFeed",
)

# The limits are the bare SDK's and the verifier's with its feed; the others stand beside them.
_LIMITED = STATEMENTS[:2]
_PROGRAM = """
import json, sys, time
sys.path.insert(0, {folder!r})
began = time.perf_counter()
{statement}
took_ms = (time.perf_counter() - began) * 1000
pages = int(open("/proc/self/statm").read().split()[1])
print(json.dumps([took_ms, pages * {page} / 2**20]))
"""


def measure_sdk_start(rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Median time of each import with warm files, and the median of what the process then has in memory."""
    bare = [_once(BARE) for _ in range(rounds)]
    bare_mib = statistics.median(mib for _, mib in bare)
    figures: list[Figure] = []
    for statement in STATEMENTS:
        _once(statement)  # the first one writes the compiled files
        runs = [_once(statement) for _ in range(rounds)]
        took_ms, mib = (statistics.median(values) for values in zip(*runs, strict=True))
        say(f"  {statement}: {took_ms:.0f} ms, {mib:.1f} MiB")
        is_limited = statement in _LIMITED
        sense: Sense = "at most" if is_limited else "for comparison"
        figures += [
            Figure(
                row="sdk-start", database="", what=f"time of `{statement}`", value=took_ms, unit=" ms", sense=sense,
                limit=LIMIT_MS if is_limited else None, details={"slowest_ms": max(ms for ms, _ in runs)},
            ),
            Figure(
                row="sdk-start", database="", what=f"resident after `{statement}`", value=mib, unit=" MiB",
                sense=sense, limit=LIMIT_MIB if is_limited else None, details={"interpreter_alone_mib": bare_mib},
            ),
        ]  # fmt: skip
    return figures


def _once(statement: str) -> tuple[float, float]:
    """Milliseconds and MiB of one fresh interpreter that sees what is installed and our SDK."""
    program = _PROGRAM.format(folder=str(ROOT / "sdk"), statement=statement, page=os.sysconf("SC_PAGE_SIZE"))
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-I", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode:
        raise BenchmarkFailed(f"{statement!r} failed: {ended.stderr[-500:]}")
    took_ms, mib = json.loads(ended.stdout)
    return float(took_ms), float(mib)
