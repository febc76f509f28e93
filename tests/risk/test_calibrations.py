"""What makes points is taken into use by servers that run, and a broken one never is."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from risk.calibration import Calibration
from risk.calibrations import activate, list_calibrations, next_id
from risk.tables import risk_calibrations
from tests.world import World
from tests.world_fixtures import world

__all__ = ["world"]

pytestmark = pytest.mark.anyio
MILD = ((0.0, 0), (50.0, 100))


async def use(world: World, calibration: Calibration, *, at: datetime) -> None:
    """Activates it, as the command does."""
    before = world.services.risk.scoring.scorer.calibration.id
    async with world.services.database.transaction() as db:
        await activate(db, world.services.emitter, calibration, before=before, actor="cli", now=at)


async def test_a_server_that_runs_takes_what_was_activated_and_what_was_taken_back(world: World) -> None:
    scoring, now = world.services.risk.scoring, world.clock()
    first, second = Calibration("site-a", MILD, 1_000), Calibration("site-b", ((0.0, 0), (9.0, 100)), 2_000)
    for minutes, each in enumerate((first, second)):
        await use(world, each, at=now + timedelta(minutes=minutes))
        await scoring.refresh()
        assert scoring.scorer.calibration == each
    async with world.services.database.reading() as db:
        kept = await list_calibrations(db)
    assert [(each.id, each.learned_from, each.active_since is None) for each in kept] == [
        ("site-a", 1_000, True), ("site-b", 2_000, False),
    ]  # fmt: skip
    await use(world, Calibration.shipped(), at=now + timedelta(minutes=3))
    await scoring.refresh()
    assert scoring.scorer.calibration == Calibration.shipped()
    told = [each["data"] for each in await world.events("risk.calibrated")]
    assert told == [
        {"before": "shipped-1", "calibration": "site-a", "learned_from": 1_000},
        {"before": "site-a", "calibration": "site-b", "learned_from": 2_000},
        {"before": "site-b", "calibration": "shipped-1", "learned_from": 0},
    ]


async def test_a_broken_calibration_leaves_the_one_in_use(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await use(world, Calibration("site-a", MILD, 1_000), at=world.clock())
    async with world.services.database.transaction() as db:
        await db.execute(update(risk_calibrations).values(body='{"anchors": [[1.0, 5]], "learned_from": 3}'))
    with caplog.at_level(logging.WARNING, "ostiary.risk"):
        await world.services.risk.scoring.refresh()
    assert world.services.risk.scoring.scorer.calibration == Calibration.shipped()
    assert "the calibration site-a cannot be used, and the one in use stays" in caplog.text


async def test_ids_count_up_within_a_day(world: World) -> None:
    day = datetime.fromisoformat("2026-11-23T23:59:00+00:00")
    for number in (1, 2):
        async with world.services.database.transaction() as db:
            name = await next_id(db, day)
            assert name == f"site-2026-11-23-{number}"
            await activate(db, world.services.emitter, Calibration(name, MILD), before="", actor="cli", now=day)
    async with world.services.database.reading() as db:
        assert await next_id(db, day + timedelta(minutes=2)) == "site-2026-11-24-1"
