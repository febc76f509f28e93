"""The watch's own place in the log: a first one is kept, and one that cannot be is not believed."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import delete, select, update

from base.tables import cursors, leases
from tests.audit.alerts.desk import Desk, locked

pytestmark = pytest.mark.anyio


async def test_a_cursor_ahead_of_the_log_is_not_believed(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """S45: whoever sets it there would silence every alert to come."""
    person = await desk.world.person(password=None)
    await desk.round()
    async with desk.world.services.database.transaction() as db:
        await db.execute(update(cursors).where(cursors.c.name == "alerts").values(next=10**12))
    await desk.tell(locked(person))
    with caplog.at_level(logging.WARNING, "ostiary.alerts"):
        await desk.round()
    assert await desk.rules() == [("high_event", 1)]
    assert any(f"the alerts' cursor says {10**12}, and the log ends at" in each.message for each in caplog.records)
    cursor = await desk.cursor()
    assert cursor is not None
    assert cursor < 10**6


async def test_an_old_log_without_a_cursor_gets_one_and_idles_without_writing(desk: Desk) -> None:
    database = desk.world.services.database
    async with database.transaction() as db:
        await db.execute(delete(cursors).where(cursors.c.name == "alerts"))
        await db.execute(delete(leases).where(leases.c.name == "alerts"))
    desk.clock.move(minutes=10)
    watch, seen = desk.alert(), set()
    for _ in range(20):
        desk.clock.move(seconds=1)
        await desk.round(watch)
        async with database.reading() as db:
            seen.add((await db.execute(select(leases.c.until).where(leases.c.name == "alerts"))).scalar_one_or_none())
    assert await desk.cursor() is not None
    assert len(seen) == 1
