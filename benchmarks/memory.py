"""Resident memory after a start, and after ten thousand sign-ins."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

from benchmarks.deployment import Deployment
from benchmarks.figures import Figure
from benchmarks.processes import resident_mib
from benchmarks.signins import sign_in_many

START_LIMIT_MIB, GROWTH_LIMIT_MIB = 150.0, 30.0
STEPS = (0.02, 0.1, 0.25, 0.5, 0.75, 1.0)
BROWSERS = 8


def measure_memory(ours: Deployment, signins: int, say: Callable[[str], None]) -> list[Figure]:
    """Both figures of a server that nobody has used yet; every sign-in costs a real hash."""
    after_start = resident_mib(ours.program.pid)
    curve, done = {0: after_start}, 0
    for before, step in pairwise((0.0, *STEPS)):
        part = round(signins * step) - round(signins * before)
        done += asyncio.run(sign_in_many(ours.port, part, browsers=BROWSERS))
        curve[done] = resident_mib(ours.program.pid)
        say(f"  memory on {ours.kind}: {curve[done]:.1f} MiB after {done} sign-ins")
    start = Figure(
        row="memory",
        database=ours.kind,
        what="resident after start",
        value=after_start,
        unit=" MiB",
        sense="at most",
        limit=START_LIMIT_MIB,
    )
    growth = Figure(
        row="memory",
        database=ours.kind,
        what=f"growth over {done} sign-ins",
        value=curve[done] - after_start,
        unit=" MiB",
        sense="at most",
        limit=GROWTH_LIMIT_MIB,
        fault=None if done == signins else f"{signins - done} sign-ins were refused",
        details={"curve": {str(number): round(mib, 1) for number, mib in curve.items()}},
    )
    return [start, growth]
