"""Events on their way to a real receiver: in order, none lost, whatever happens to the receiver."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from audit.siem.place import Lag
from audit.siem.syslog_export import CURSOR, SyslogExport
from audit.siem.syslog_target import SyslogTarget
from base.cursors import load_cursor
from tests.audit.siem.made_events import HOSTILE
from tests.audit.siem.stored_events import emit
from tests.rsyslog import Rsyslog, make_rsyslog
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Rsyslog]:
    """A receiver that runs."""
    made = make_rsyslog(tmp_path / "rsyslog")
    made.start()
    yield made
    made.kill()


def exporter(
    world: World, receiver: Rsyslog, *, host: str = "localhost", authorities: Path | None = None
) -> SyslogExport:
    """One that waits no longer than a test must."""
    return SyslogExport(
        world.services.audit,
        target=SyslogTarget(host, receiver.port),
        authorities=authorities or receiver.authorities,
        form="ocsf",
        hostname="id.example.com",
        settle_s=0.5,
        first_wait_s=0.05,
    )


async def cursor(world: World) -> int | None:
    async with world.services.database.reading() as db:
        return await load_cursor(db, CURSOR)


async def until(export: SyslogExport, met: Callable[[], bool], *, within_s: float = 30) -> None:
    """Calls rounds until the condition is met."""
    ends_at = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < ends_at, f"waited {within_s} s; the lag is {export.lag}"
        await export.round()
        await asyncio.sleep(0.02)


def numbers(receiver: Rsyslog) -> list[int]:
    """The events' numbers in the order in which they were received."""
    return [int(match[1]) - 1 for line in receiver.lines() if (match := re.search(r'meta sequenceId="(\d+)"', line))]


def document_of(line: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(line[line.index(" {") :])
    return found


async def test_every_event_arrives_once_and_in_order(world: World, receiver: Rsyslog) -> None:
    await emit(world, 1000)
    export = exporter(world, receiver)
    size = 1000 + 4
    await until(export, lambda: export.lag == Lag(0, 0.0))
    assert numbers(receiver) == list(range(size))
    assert await cursor(world) == size
    first = receiver.lines()[4]
    assert first.startswith("108 2")
    assert " id.example.com ostiary login.failed " in first
    document = document_of(first)
    assert document["message"] == "A sign-in failed."
    assert document["src_endpoint"] == {"ip": "203.0.113.9"}
    await export.stop()


async def test_a_receiver_that_is_killed_in_the_middle_loses_nothing_and_keeps_the_order(
    world: World, receiver: Rsyslog
) -> None:
    export = exporter(world, receiver)
    await emit(world, 500)
    await until(export, lambda: len(receiver.lines()) > 100)
    receiver.kill()
    await emit(world, 500)
    for _ in range(5):
        await export.round()
    assert export.lag is not None
    assert export.lag.events >= 500
    receiver.start()
    await until(export, lambda: export.lag == Lag(0, 0.0))
    received = numbers(receiver)
    # Some may have come twice; the first of each came in order, and none is missing.
    assert list(dict.fromkeys(received)) == list(range(1004))
    steps_back = [number for before, number in pairwise(received) if number <= before]
    assert len(steps_back) <= 1
    await export.stop()


async def test_hostile_values_arrive_inside_one_line_each(world: World, receiver: Rsyslog) -> None:
    """S46"""
    await emit(world, 20, HOSTILE)
    export = exporter(world, receiver)
    await until(export, lambda: export.lag == Lag(0, 0.0))
    lines = receiver.lines()
    assert len(lines) == 24
    assert all(line.isprintable() for line in lines)
    document = document_of(lines[-1])
    assert document["status_detail"] == HOSTILE
    assert document["http_request"] == {"user_agent": HOSTILE}
    await export.stop()


async def test_a_receiver_that_is_away_costs_a_lag_and_one_line_of_log(
    world: World, receiver: Rsyslog, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.kill()
    await emit(world, 3)
    export = exporter(world, receiver)
    for _ in range(4):
        await export.round()
        await asyncio.sleep(0.06)
    assert export.lag is not None
    assert (export.lag.events, await cursor(world)) == (7, 0)
    assert export.lag.seconds > 0
    told = [record.getMessage() for record in caplog.records if record.name == "ostiary.siem"]
    assert len(told) == 1
    assert told[0].startswith(f"siem:syslog: localhost:{receiver.port} does not take events: ")
    receiver.start()
    await until(export, lambda: export.lag == Lag(0, 0.0))
    assert numbers(receiver) == list(range(7))
    await export.stop()


async def test_a_certificate_of_another_name_or_authority_gets_no_event(
    world: World, receiver: Rsyslog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S48"""
    await emit(world, 1)
    stranger = make_rsyslog(tmp_path / "stranger")
    other_name = exporter(world, receiver, host="127.0.0.1")
    other_authority = exporter(world, receiver, authorities=stranger.authorities)
    for export in (other_name, other_authority):
        await export.round()
        assert export.lag is not None
        assert export.lag.events == 5
        await export.stop()
    assert receiver.lines() == []
    told = " ".join(record.getMessage() for record in caplog.records)
    assert "IP address mismatch" in told
    assert "self-signed certificate in certificate chain" in told or "unable to get local issuer" in told


async def test_one_process_sends_and_the_other_goes_on_when_it_stops(world: World, receiver: Rsyslog) -> None:
    first, second = exporter(world, receiver), exporter(world, receiver)
    await emit(world, 10)
    await until(first, lambda: first.lag == Lag(0, 0.0))
    await second.round()
    assert second.lag is None
    await first.stop()
    await emit(world, 10)
    # It had asked for its turn a moment ago, and asks anew after half a lease.
    world.clock.move(seconds=11)
    await until(second, lambda: second.lag == Lag(0, 0.0))
    assert numbers(receiver) == list(range(24))
    await second.stop()


async def test_a_process_that_lost_its_turn_moves_nothing(world: World, receiver: Rsyslog) -> None:
    first, second = exporter(world, receiver), exporter(world, receiver)
    await emit(world, 1)
    await first.round()
    world.clock.move(seconds=60)
    await until(second, lambda: second.lag == Lag(0, 0.0))
    arrived = await cursor(world)
    world.clock.move(seconds=-60)
    await asyncio.sleep(0.6)
    await first.round()
    assert first.lag is None
    assert await cursor(world) == arrived
    await second.stop()
