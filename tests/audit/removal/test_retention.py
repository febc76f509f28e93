"""Retention: what goes, what stays, what holds it back, and that the log verifies afterwards."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, text, update

from audit.removal import limits, retention
from audit.removal.retention import Retention
from audit.tables import checkpoint_places, checkpoints, events
from base.cursors import move_cursor
from tests.audit.removal.old_events import clean, fill, nearly_a_day, numbers, pruned, removed, sign, verdict
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

Opened = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def opened(database_url: str, tmp_path: Path) -> Opened:
    """Opens the deployment with the limits that the test is about."""

    @asynccontextmanager
    async def open_with(*, max_events: int = 0, retention_days: int = 400) -> AsyncIterator[World]:
        limits = {"audit__max_events": str(max_events), "audit__retention_days": str(retention_days)}
        async with open_world(database_url, tmp_path, **limits) as world:  # type: ignore[arg-type]
            yield world

    return open_with


async def test_events_go_by_whole_rows_of_the_ledger_once_they_are_old_and_the_log_verifies(opened: Opened) -> None:
    """S45, S47"""
    async with opened(retention_days=10) as world:
        world.clock.move(days=-11)
        await fill(world, 600)
        world.clock.move(days=11)
        await nearly_a_day(world)
        await fill(world, 1000)
        await clean(world, rounds=3)
        # Of the third row, half of the events are young.
        assert await numbers(world) == list(range(512, 1000))
        assert await removed(world) == [(0, 511, None)]
        assert await pruned(world) == [{"first": 0, "last": last, "archived": None} for last in (255, 511)]
        found = await verdict(world)
        assert (found.ok, found.findings) == (True, ())
        assert (found.size, found.pruned, found.present) == (1002, 512, 490)


async def test_by_count_no_more_than_the_limit_stay(opened: Opened) -> None:
    async with opened(max_events=300, retention_days=0) as world:
        await fill(world, 1000)
        await clean(world)
        assert await numbers(world) == list(range(768, 1000))
        assert (await verdict(world)).findings == ()
        # The limit is kept again a while later, and what is remembered stays one row.
        await fill(world, 600)
        await clean(world)
        assert await removed(world) == [(0, 1279, None)]
        # What told of the first one is gone itself; the last one tells of everything.
        assert await pruned(world) == [{"first": 0, "last": 1279, "archived": None}]
        assert (await verdict(world)).findings == ()


async def test_of_age_and_count_the_stricter_one_counts(opened: Opened) -> None:
    async with opened(max_events=900, retention_days=10) as world:
        world.clock.move(days=-11)
        await fill(world, 800)
        world.clock.move(days=11)
        await nearly_a_day(world)
        await fill(world, 1000)
        await clean(world)
        assert (await numbers(world))[0] == 256
        await clean(world, rounds=3)
        assert (await numbers(world))[0] == 768


async def test_without_limits_everything_stays(opened: Opened) -> None:
    async with opened(retention_days=0) as world:
        world.clock.move(days=-4000)
        await fill(world, 600)
        world.clock.move(days=4000)
        await nearly_a_day(world)
        await clean(world)
        assert (len(await numbers(world)), await pruned(world)) == (600, [])


async def test_what_no_checkpoint_outside_covers_stays(opened: Opened) -> None:
    async with opened(max_events=1) as world:
        await fill(world, 600)
        async with world.services.database.transaction() as db:
            await db.execute(update(checkpoints).values(published_at=None))
            await db.execute(delete(checkpoint_places))
        await clean(world)
        assert len(await numbers(world)) == 600
        await sign(world)
        await clean(world)
        assert (await numbers(world))[0] == 512


async def test_what_a_reader_has_not_read_stays_unless_it_was_switched_off_long_ago(opened: Opened) -> None:
    async with opened(max_events=1) as world:
        await fill(world, 1000)
        async with world.services.database.transaction() as db:
            await move_cursor(db, "slow", 300, now=world.clock())
            await move_cursor(db, "quick", 900, now=world.clock())
        await clean(world)
        assert (await numbers(world))[0] == 256
        world.clock.move(days=31)
        await nearly_a_day(world)
        # A clock that leapt switches nobody off.
        assert (await numbers(world))[0] == 256
        async with world.services.database.transaction() as db:
            await move_cursor(db, "quick", 900, now=world.clock())
        await clean(world)
        assert (await numbers(world))[0] == 768


async def test_a_reader_that_has_read_everything_is_not_switched_off(opened: Opened) -> None:
    async with opened(max_events=1) as world:
        await fill(world, 600)
        async with world.services.database.transaction() as db:
            await move_cursor(db, "waiting", 600, now=world.clock())
        world.clock.move(days=31)
        await clean(world)
        assert (await numbers(world))[0] == 512


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE events SET body = replace(body, 'usr', 'USR') WHERE seq = 300", "event 300: its body does not give"),
        ("DELETE FROM events WHERE seq = 300", "event 300 is missing"),
    ],
)
async def test_events_that_were_tampered_with_are_not_swept_away(
    opened: Opened, damage: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(max_events=1) as world:
        await fill(world, 600)
        async with world.services.database.transaction() as db:
            await db.execute(text(damage))
        rounds = Retention(world.services.audit)
        with caplog.at_level(logging.WARNING):
            await rounds.round()
            await rounds.round()
        (said,) = [record.getMessage() for record in caplog.records if record.name == "ostiary.retention"]
        assert said.startswith(f"old events stay in the database: {told}")
        assert (await removed(world), await pruned(world)) == ([], [])


async def test_a_removal_that_was_interrupted_is_finished_by_the_next_round(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(max_events=1) as world:
        await fill(world, 600)
        rounds = Retention(world.services.audit)
        delete_rows, calls = rounds._remove_rows, list[None]()

        async def fail_the_second_time(end: int) -> None:
            calls.append(None)
            if len(calls) == 2:
                raise ZeroDivisionError
            await delete_rows(end)

        monkeypatch.setattr(rounds, "_remove_rows", fail_the_second_time)
        with pytest.raises(ZeroDivisionError):
            await rounds.round()
        # It is remembered and told first; a verification in between finds nothing wrong.
        assert len(await numbers(world)) == 600
        assert await removed(world) == [(0, 511, None)]
        assert (await verdict(world)).findings == ()
        await rounds.round()
        assert (await numbers(world))[0] == 512
        assert len(await pruned(world)) == 1


async def test_long_pasts_go_in_runs_each_with_its_event(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RUN", 512)
    monkeypatch.setattr(retention, "RUNS_A_ROUND", 2)
    async with opened(max_events=1) as world:
        await fill(world, 1600)
        await clean(world)
        assert (await numbers(world))[0] == 1024
        await clean(world)
        assert (await numbers(world))[0] == 1536
        assert [data["last"] for data in await pruned(world)] == [511, 1023, 1535]  # type: ignore[index]
        assert (await verdict(world)).findings == ()


async def test_of_two_processes_one_removes(opened: Opened) -> None:
    async with opened(max_events=1) as here, opened(max_events=1) as there:
        await fill(here, 600)
        first, second = Retention(here.services.audit), Retention(there.services.audit)
        assert await second._lease.take(there.clock())
        await first.round()
        assert len(await numbers(here)) == 600
        await second.stop()
        here.clock.move(minutes=2)
        await first.round()
        assert (await numbers(here))[0] == 512


async def test_who_lost_the_lease_removes_nothing(opened: Opened) -> None:
    """A frozen process that wakes."""
    async with opened(max_events=1) as world:
        await fill(world, 600)
        frozen = Retention(world.services.audit)
        assert await frozen._lease.take(world.clock())
        async with world.services.database.transaction() as db:
            await db.execute(text("UPDATE leases SET fence = fence + 1 WHERE name = 'retention'"))
        await frozen.round()
        assert (len(await numbers(world)), await removed(world)) == (600, [])


async def test_rows_that_vanish_without_a_clean_up_are_still_found(opened: Opened) -> None:
    """S45: a clean-up is no cover for others."""
    async with opened(max_events=600) as world:
        await fill(world, 1000)
        await clean(world)
        async with world.services.database.transaction() as db:
            first = (await db.execute(select(func.min(events.c.seq)))).scalar_one()
            await db.execute(delete(events).where(events.c.seq == first))
        found = await verdict(world)
        assert not found.ok
        assert f"event {first} is missing" in found.findings[0].words
