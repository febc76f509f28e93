"""Time as retention believes it: a clock that leaps, or that others contradict, removes nothing."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.catalogue import CLIENT_CREATED
from audit.record import Event
from audit.removal import limits
from audit.removal.steady_clock import Look, steady_after
from tests.audit.removal.old_events import clean, fill, nearly_a_day, numbers, sign, verdict
from tests.world import World, open_world

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "ostiary.retention"]


@pytest.mark.parametrize(
    ("steady", "passed", "now_steady"),
    [
        (0, timedelta(minutes=1), 60),
        (3600, timedelta(), 3600),
        # Two looks, nearly a day apart, are no day of looks.
        (0, timedelta(hours=23), 3600),
        (23 * 3600, HOUR, 24 * 3600),
        (24 * 3600, HOUR, 24 * 3600),
        (24 * 3600, timedelta(days=1), 24 * 3600),
        (24 * 3600, timedelta(days=-1), 24 * 3600),
        (24 * 3600, timedelta(days=1, seconds=1), None),
        (24 * 3600, timedelta(days=-1, seconds=-1), None),
        (24 * 3600, timedelta(days=401), None),
    ],
)
def test_a_clock_is_steady_for_as_long_as_it_was_looked_at_and_no_longer_once_it_leaps(
    steady: int, passed: timedelta, now_steady: int | None
) -> None:
    found = steady_after(Look(NOON, timedelta(seconds=steady), 7), NOON + passed)
    assert found == (None if now_steady is None else timedelta(seconds=now_steady))


@pytest.mark.anyio
async def test_a_clock_that_leaps_a_year_ahead_removes_nothing_and_is_told_of_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(world, 600)
    await nearly_a_day(world)
    await clean(world)
    right = world.clock()
    world.clock.move(days=401)
    with caplog.at_level(logging.WARNING):
        await clean(world)
        (said,) = _told(caplog)
    assert said.startswith("no event is removed for its age until the clock has gone on steadily for a day: it says 20")
    assert f"at the last look it said {right:%Y-%m-%d %H:}" in said
    assert "set it right within that day; if the server was off in between, nothing needs doing" in said
    await nearly_a_day(world)
    assert len(await numbers(world)) == 600
    # Set right again, it is looked at for a day anew.
    world.clock.move(days=-401)
    await nearly_a_day(world)
    await clean(world)
    assert len(await numbers(world)) == 600


@pytest.mark.anyio
async def test_a_server_that_was_off_for_long_removes_what_is_old_after_a_day(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(database_url, tmp_path, audit__retention_days="10") as world:
        await fill(world, 600)
        await nearly_a_day(world)
        await clean(world)
        world.clock.move(days=31)
        await nearly_a_day(world)
        assert len(await numbers(world)) == 600
        await clean(world, rounds=2)
        assert (await numbers(world))[0] == 512
        assert (await verdict(world)).findings == ()


@pytest.mark.anyio
async def test_the_hold_is_told_of_once_and_so_is_its_end(world: World, caplog: pytest.LogCaptureFixture) -> None:
    from audit.removal.retention import Retention

    rounds = Retention(world.services.audit)
    await rounds.round()
    world.clock.move(days=40)
    with caplog.at_level(logging.WARNING):
        await rounds.round()
        world.clock.move(days=-40)
        for _ in range(30):
            await rounds.round()
            world.clock.move(hours=1)
    assert [said[:42] for said in _told(caplog)] == [
        "no event is removed for its age until the clock has gone on"[:42],
        "the clock has gone on steadily for a day: old events"[:42],
    ]


@pytest.mark.anyio
async def test_of_several_processes_a_wrong_one_removes_nothing(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url, tmp_path) as right, open_world(database_url, tmp_path) as wrong:
        await fill(right, 600)
        await nearly_a_day(right)
        await clean(right)
        wrong.clock.move(days=402)
        for _ in range(30):
            for world in (right, wrong):
                await clean(world)
                world.clock.move(hours=1)
        assert len(await numbers(right)) == 600


@pytest.mark.anyio
async def test_a_wrong_process_that_alone_cleans_up_sees_it_by_the_events_of_others(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(database_url, tmp_path) as right, open_world(database_url, tmp_path) as wrong:
        await fill(right, 600)
        wrong.clock.move(days=402)
        await clean(wrong)
        for _ in range(30):
            for world in (right, wrong):
                world.clock.move(hours=1)
            async with right.services.database.transaction() as db:
                await right.services.emitter.emit(db, Event(type=CLIENT_CREATED, actor="cli"), now=right.clock())
            await sign(right)
            with caplog.at_level(logging.WARNING):
                await clean(wrong)
        assert len(await numbers(right)) == 630
        assert "and event 600, which came since the last look, is stamped more than a day apart" in _told(caplog)[0]
        # Once nobody contradicts it for a day, the events are as old as it says.
        await nearly_a_day(wrong)
        await clean(wrong, rounds=2)
        assert (await numbers(right))[0] == 512


@pytest.mark.anyio
async def test_a_clock_that_is_set_back_removes_nothing(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url, tmp_path, audit__retention_days="10") as world:
        await fill(world, 600)
        await nearly_a_day(world)
        await clean(world)
        world.clock.move(days=-500)
        await nearly_a_day(world)
        await clean(world)
        assert len(await numbers(world)) == 600


@pytest.mark.anyio
@pytest.mark.parametrize("run", [limits.RUN, 256])
async def test_events_from_the_future_are_as_old_as_those_after_them(
    database_url: str, tmp_path: Path, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RUN", run)
    async with open_world(database_url, tmp_path, audit__retention_days="10") as world:
        await fill(world, 200)
        await fill(world, 530, age=timedelta(days=-4000))
        await fill(world, 800)
        world.clock.move(days=20)
        await nearly_a_day(world)
        await fill(world, 900)
        # Behind the last old one nothing says how old they are.
        await fill(world, 1100, age=timedelta(days=-4000))
        await clean(world, rounds=2)
        # The latest ones contradict the clock, for a day.
        assert len(await numbers(world)) == 1100
        await nearly_a_day(world)
        await clean(world, rounds=5)
        assert (await numbers(world))[0] == 768
        assert (await verdict(world)).findings == ()


@pytest.mark.anyio
async def test_by_age_a_round_removes_a_small_part(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url, tmp_path, audit__retention_days="10") as world:
        await fill(world, 800)
        world.clock.move(days=20)
        await nearly_a_day(world)
        firsts = []
        for _ in range(4):
            await clean(world)
            firsts.append((await numbers(world))[0])
        assert firsts == [256, 512, 768, 768]
