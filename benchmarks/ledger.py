"""A ledger of a million events on SQLite: how fast they are numbered, how long verifying and exporting them takes."""

import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from audit.catalogue import LOGIN_FAILED, LOGIN_SUCCEEDED, LOGOUT_SUCCEEDED, SESSION_STARTED, TOKEN_ISSUED
from audit.ledger.keeping import LedgerKeeping
from audit.record import Event, Origin
from base.clock import utc_now
from base.ids import PERSON, new_id, show_id
from base.statements import Unit
from benchmarks.figures import Figure
from benchmarks.processes import BenchmarkFailed, cpu_seconds, peak_mib, process_tree, start, tail
from identity.services import Services
from server.composition import open_services
from server.master_key import load_master_keys, prepare_data_dir
from server.schema import prepare_database
from server.settings import load_settings

EVENTS, QUICK_EVENTS = 1_000_000, 50_000
VERIFY_LIMIT_S, GROWTH_LIMIT_MIB, NUMBERING_LIMIT = 60.0, 32.0, 10_000.0
APPEND_LIMIT_US = 40.0
# As many requests at once as `wrk` makes of a busy server; each waits until its event is durable.
_AT_ONCE, _APPENDED = 64, 200
_SMALL_SHARE = 20
_PEOPLE = 2_000
# What is written at a time, and what lies between two checkpoints.
_BATCH, _STEP = 1_000, 10_000
_LOOK_EVERY_S = 0.02
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_KINDS = (TOKEN_ISSUED, TOKEN_ISSUED, LOGIN_SUCCEEDED, SESSION_STARTED, LOGOUT_SUCCEEDED, LOGIN_FAILED)


@dataclass
class _Clock:
    """The real time, and a minute more between two checkpoints."""

    shift: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.shift


@dataclass
class _Spent:
    """What writing and numbering took."""

    events: int = 0
    written_s: float = 0.0
    numbered_s: float = 0.0
    numbered_cpu_s: float = 0.0
    people: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ran:
    """One command: by the clock, in CPU, and the most memory that it ever had."""

    seconds: float
    cpu_s: float
    peak_mib: float


def measure_ledger(folder: Path, count: int, say: Callable[[str], None]) -> list[Figure]:
    """Both rates, and the growth of memory; `folder` gets two logs, one of them small."""
    few = count // _SMALL_SHARE
    asyncio.run(_keep(folder / "small", few, say))
    small = _verify(folder / "small", few, say), _export(folder / "small", few, say)
    spent = asyncio.run(_keep(folder / "whole", count, say))
    verified, exported = _verify(folder / "whole", count, say), _export(folder / "whole", count, say)
    # The start of the program would weigh too much in a short run.
    limit_s = VERIFY_LIMIT_S if count >= EVENTS else None
    return [
        Figure(
            row="ledger", database="sqlite", what=f"time to verify {count} events", value=verified.seconds,
            unit=" s", sense="at most", limit=limit_s,
            details={"cpu_s": verified.cpu_s, "events_per_s": count / verified.seconds},
        ),
        _growth("verify", verified, small[0], count, few),
        _growth("export", exported, small[1], count, few),
        _appending(asyncio.run(_append(folder / "appended"))),
        Figure(
            row="ledger", database="sqlite", what="events numbered a second", value=spent.events / spent.numbered_s,
            sense="at least", limit=NUMBERING_LIMIT,
            details={
                "cpu_us_an_event": spent.numbered_cpu_s / spent.events * 1e6,
                "written_per_s": spent.events / spent.written_s,
            },
        ),
    ]  # fmt: skip


def _growth(what: str, whole: _Ran, small: _Ran, count: int, few: int) -> Figure:
    return Figure(
        row="ledger", database="sqlite", what=f"memory to {what} {count} events beyond that of {few}",
        value=whole.peak_mib - small.peak_mib, unit=" MiB", sense="at most", limit=GROWTH_LIMIT_MIB,
        details={"peak_mib": whole.peak_mib, "peak_small_mib": small.peak_mib, "seconds": whole.seconds},
    )  # fmt: skip


def _appending(rounds: list[float]) -> Figure:
    return Figure(
        row="ledger", database="sqlite", what="CPU to append an event through group commit",
        value=statistics.median(rounds), unit=" µs", sense="at most", limit=APPEND_LIMIT_US,
        details={"least": min(rounds), "most": max(rounds)},
    )  # fmt: skip


async def _append(folder: Path) -> list[float]:
    """CPU microseconds an event, a figure a round: from the made event until it is durable, by many callers at once."""
    settings = load_settings(environ={"OSTIARY_DATA_DIR": str(folder)}).settings
    prepare_data_dir(settings.data_dir)
    keys = load_master_keys(settings)
    await asyncio.to_thread(prepare_database, settings)
    draw, rounds = random.Random(7), list[float]()
    async with open_services(settings, keys) as services:
        told = [[_token_event(draw) for _ in range(_APPENDED)] for _ in range(_AT_ONCE)]
        for _ in range(6):
            cpu = time.process_time()
            await asyncio.gather(*(_append_each(services, some) for some in told))
            rounds.append((time.process_time() - cpu) / (_AT_ONCE * _APPENDED) * 1e6)
    return rounds[1:]


async def _append_each(services: Services, told: list[Event]) -> None:
    for event in told:
        await services.database.write(Unit(rows=(await services.emitter.row(event, now=services.clock()),)))


def _token_event(draw: random.Random) -> Event:
    """What a client credentials request leaves."""
    client = f"cli_{draw.randrange(30):030d}"
    data: dict[str, object] = {
        "grant_type": "client_credentials",
        "jti": draw.randbytes(16).hex(),
        "scope": "orders:read",
    }
    origin = Origin(f"198.18.{draw.randrange(40)}.{draw.randrange(250)}", None, draw.randbytes(8).hex())
    return Event(type=TOKEN_ISSUED, actor=client, client_id=client, origin=origin, data=data)


async def _keep(folder: Path, count: int, say: Callable[[str], None]) -> _Spent:
    """Writes a log as a server does: rows by the emitter, numbers by the sequencer, a checkpoint now and then."""
    settings = load_settings(environ={"OSTIARY_DATA_DIR": str(folder)}).settings
    prepare_data_dir(settings.data_dir)
    keys = load_master_keys(settings)
    await asyncio.to_thread(prepare_database, settings)
    clock, spent, draw = _Clock(), _Spent(), random.Random(7)
    async with open_services(settings, keys, clock=clock) as services:
        keeping = LedgerKeeping(services.audit)
        await _add_people(services, spent)
        while spent.events < count:
            await _write_some(services, spent, draw, min(_STEP, count - spent.events))
            began, cpu = time.perf_counter(), time.process_time()
            await keeping.number()
            spent.numbered_s += time.perf_counter() - began
            spent.numbered_cpu_s += time.process_time() - cpu
            clock.shift += timedelta(seconds=61)
            await keeping.number()
            await keeping.sign()
        await keeping.stop()
    say(f"  {count} events: written in {spent.written_s:.0f} s, numbered in {spent.numbered_s:.0f} s")
    return spent


async def _add_people(services: Services, spent: _Spent) -> None:
    now = services.clock()
    spent.people = [new_id(now) for _ in range(_PEOPLE)]
    async with services.database.transaction() as db:
        await services.emitter.begin_subjects(db, spent.people, now=now)


async def _write_some(services: Services, spent: _Spent, draw: random.Random, count: int) -> None:
    began = time.perf_counter()
    for done in range(0, count, _BATCH):
        told = [_event(draw, draw.choice(spent.people)) for _ in range(min(_BATCH, count - done))]
        async with services.database.transaction() as db:
            await services.emitter.emit_all(db, told, now=services.clock())
    spent.written_s += time.perf_counter() - began
    spent.events += count


def _event(draw: random.Random, person: bytes) -> Event:
    kind, who = draw.choice(_KINDS), show_id(PERSON, person)
    address = f"198.{draw.randrange(18, 20)}.{draw.randrange(40)}.{draw.randrange(250)}"
    return Event(
        type=kind,
        actor=who,
        subject=who,
        person=person,
        outcome="failure" if kind is LOGIN_FAILED else "success",
        client_id=f"cli_{draw.randrange(30):030d}",
        session_id=draw.randbytes(16),
        origin=Origin(address, _AGENT, draw.randbytes(8).hex()),
        data={"reason": "password"} if kind is LOGIN_FAILED else {},
    )


def _verify(folder: Path, count: int, say: Callable[[str], None]) -> _Ran:
    ran, told = _run(folder, "audit verify --json 2>/dev/null")
    verdict = json.loads(told)
    if not verdict["ok"] or verdict["size"] < count:
        raise BenchmarkFailed(f"the log did not verify: {told[:500]}")
    say(f"  {count} events verified in {ran.seconds:.1f} s, {ran.peak_mib:.1f} MiB at most")
    return ran


def _export(folder: Path, count: int, say: Callable[[str], None]) -> _Ran:
    ran, told = _run(folder, "audit export 2>&1 >/dev/null | tail -n 1")
    if int(told.split()[0]) < count:
        raise BenchmarkFailed(f"the export gave too little: {told[:500]}")
    say(f"  {count} events exported in {ran.seconds:.1f} s, {ran.peak_mib:.1f} MiB at most")
    return ran


def _run(folder: Path, command: str) -> tuple[_Ran, str]:
    """Runs a command on the deployment in `folder`, on one core; also returns the last line that it printed."""
    shell = ["sh", "-c", f'"{sys.executable}" -m server.cli {command}']
    program = start("the command", shell, log=folder / "run.log", environment={"OSTIARY_DATA_DIR": str(folder)})
    began, peak, cpu = time.perf_counter(), 0.0, 0.0
    try:
        while program.process.poll() is None:
            pids = process_tree(program.pid)
            peak, cpu = max([peak, *map(peak_mib, pids)]), max(cpu, cpu_seconds(pids))
            time.sleep(_LOOK_EVERY_S)
    finally:
        program.stop()
    seconds = time.perf_counter() - began
    lines = program.log.read_text().splitlines()
    if program.process.returncode or not lines:
        raise BenchmarkFailed(f"{command} failed; the end of {program.log}: {tail(program.log)}")
    return _Ran(seconds, cpu, peak), lines[-1]
