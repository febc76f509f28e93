"""The sign-in's rows: how much of a core's raw Argon2id rate is left, and what others feel while it is used up."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median as middle

from benchmarks.compare import CLIENT_CREDENTIALS, Effort
from benchmarks.deployment import PEOPLE, Deployment
from benchmarks.figures import Figure
from benchmarks.load import FORM, Measured, measure, median
from benchmarks.processes import ROOT, SERVER_CORE, BenchmarkFailed, cpu_seconds, process_tree
from benchmarks.signins import SIGNED_IN, post_all, prepare_many, sign_in_many

SIGNIN_LIMITS = {"sqlite": 0.8, "postgresql": 0.75}
BROWSERS = 8
P99_LIMIT_MS = 50.0
# Enough to keep the queue before the hash pool full of work without reaching its end.
SATURATING_BROWSERS = 32
# Two of each person may wait at a time; 64 places and one a thread is what the pool has.
FLOOD = 2 * PEOPLE


@dataclass(frozen=True, slots=True)
class Rate:
    """A second's worth of password checks or sign-ins, and the CPU of one."""

    per_s: float
    cpu_us: float


def compare_signin(ours: Deployment, effort: Effort, say: Callable[[str], None]) -> Figure:
    """`POST /signin` by the raw Argon2id rate of the same core, in turns."""
    number = max(30, effort.seconds * 40)
    _post(ours, min(number, effort.warm_up_s * 30))
    raw, signins = [], []
    for turn in range(effort.pairs):
        raw.append(_raw_rate(effort.seconds))
        signins.append(_post(ours, number))
        say(
            f"  signin on {ours.kind}, round {turn + 1} of {effort.pairs}: raw {raw[-1].per_s:.1f}/s at"
            f" {raw[-1].cpu_us:.0f} µs, sign-ins {signins[-1].per_s:.1f}/s at {signins[-1].cpu_us:.0f} µs"
        )
    return Figure(
        row="signin",
        database=ours.kind,
        what="POST /signin a second by raw Argon2id",
        value=middle(mine.per_s / bare.per_s for mine, bare in zip(signins, raw, strict=True)),
        unit="×",
        sense="at least",
        limit=SIGNIN_LIMITS[ours.kind],
        details={
            "sign-ins/s": middle(rate.per_s for rate in signins),
            "raw/s": middle(rate.per_s for rate in raw),
            "sign-in µs": middle(rate.cpu_us for rate in signins),
            "raw µs": middle(rate.cpu_us for rate in raw),
            "by CPU": middle(bare.cpu_us / mine.cpu_us for mine, bare in zip(signins, raw, strict=True)),
            "runs": {"raw": [asdict(rate) for rate in raw], "signins": [asdict(rate) for rate in signins]},
        },
    )


def _raw_rate(seconds: int) -> Rate:
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "benchmarks.argon2_rate", str(seconds)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60, check=True)
    told = json.loads(ended.stdout)
    return Rate(told["checks"] / told["seconds"], told["cpu_s"] / told["checks"] * 1e6)


def _post(ours: Deployment, number: int) -> Rate:
    async def work() -> Rate:
        attempts = await prepare_many(ours.port, number)
        pids = process_tree(ours.program.pid)
        before = cpu_seconds(pids)
        posted = await post_all(ours.port, attempts, browsers=BROWSERS)
        spent = cpu_seconds(pids) - before
        if posted.statuses != {SIGNED_IN: number}:
            raise BenchmarkFailed(f"of {number} sign-ins on {ours.kind} the answers were {dict(posted.statuses)}")
        return Rate(number / posted.seconds, spent / number * 1e6)

    return asyncio.run(work())


def measure_latency(ours: Deployment, effort: Effort, say: Callable[[str], None]) -> Figure:
    """p99 of token requests on 4 connections while sign-ins keep every hash thread busy."""
    runs, rates = [], []
    for turn in range(min(3, effort.pairs)):
        measured, rate = asyncio.run(_under_signins(ours, max(effort.seconds * 2, 5)))
        runs.append(measured)
        rates.append(rate)
        say(f"  latency on {ours.kind}, run {turn + 1}: p99 {measured.p99_ms:.1f} ms beside {rate:.0f} sign-ins/s")
    middles = median(runs)
    return Figure(
        row="latency",
        database=ours.kind,
        what="p99 of token requests during sign-ins",
        value=middles.p99_ms,
        unit=" ms",
        sense="at most",
        limit=P99_LIMIT_MS,
        fault=f"{middles.bad} token requests failed" if middles.bad else None,
        details={
            "p50 ms": middles.p50_ms,
            "req/s": middles.req_s,
            "sign-ins/s": middle(rates),
            "runs": [asdict(run) for run in runs],
        },
    )


async def _under_signins(ours: Deployment, seconds: int) -> tuple[Measured, float]:
    began = time.monotonic()
    ends_at = began + seconds + 2
    signins = asyncio.create_task(sign_in_many(ours.port, 100_000, browsers=SATURATING_BROWSERS, ends_at=ends_at))
    await asyncio.sleep(1)
    environment = {"BASIC": ours.service.basic, "BODY": CLIENT_CREDENTIALS}
    measured = await asyncio.to_thread(
        measure,
        f"{ours.url}/oauth/token",
        ours.program.pid,
        seconds=seconds,
        connections=4,
        script=FORM,
        environment=environment,
    )
    done = await signins
    return measured, done / (time.monotonic() - began)


def measure_overload(ours: Deployment) -> Figure:
    """How sign-ins beyond the queue are answered: all with 503 and Retry-After, the others signed in."""

    async def work() -> Figure:
        attempts = await prepare_many(ours.port, FLOOD)
        posted = await post_all(ours.port, attempts, browsers=FLOOD)
        refused = [reply for reply in posted.replies if reply.status == 503]
        told = [int(reply.header("retry-after") or 0) for reply in refused]
        others = {status: number for status, number in posted.statuses.items() if status not in (SIGNED_IN, 503)}
        fault = f"other answers: {others}" if others else None if refused else "nobody was refused"
        return Figure(
            row="overload",
            database=ours.kind,
            what="503 without Retry-After beyond the queue",
            value=sum(seconds < 1 for seconds in told),
            sense="at most",
            limit=0,
            fault=fault,
            details={
                "at once": FLOOD,
                "signed in": posted.statuses[SIGNED_IN],
                "503": len(refused),
                "longest Retry-After s": max(told, default=0),
            },
        )

    return asyncio.run(work())
