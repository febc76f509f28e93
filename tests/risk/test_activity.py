"""What happens at an account, an address and a network: sums that fade, the same on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from base.database import Database
from risk.history.activity import WINDOW, activity_of, count_failure, count_successes
from risk.sighting import Activity
from risk.tables import risk_activity

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


async def fail(database: Database, account: bytes, *, at: datetime, times: int = 1) -> None:
    for _ in range(times):
        async with database.transaction() as db:
            await count_failure(db, [KEY, OTHER], account, now=at)


async def seen(database: Database, at: datetime) -> Activity:
    """What is known of KEY at the moment."""
    columns = risk_activity.c
    query = select(columns.failures, columns.successes, columns.people, columns.people_before, columns.began_at)
    async with database.reading() as db:
        row = (await db.execute(query.where(columns.key == KEY))).one()
    began_us = int(row.began_at.timestamp() * 1_000_000)
    return activity_of([row.failures, row.successes, row.people, row.people_before, began_us], at)


async def test_sums_halve_with_every_window(database: Database) -> None:
    await fail(database, b"ada" * 11, at=NOW, times=4)
    assert (await seen(database, NOW)).failures == 4.0
    assert (await seen(database, NOW + WINDOW)).failures == 2.0
    await fail(database, b"ada" * 11, at=NOW + WINDOW * 2)
    assert (await seen(database, NOW + WINDOW * 2)).failures == 2.0
    assert (await seen(database, NOW + WINDOW * 50)).failures == 0.0


async def test_a_spray_shows_as_many_people_and_a_burst_as_one(database: Database) -> None:
    await fail(database, b"ada" * 11, at=NOW, times=9)
    assert (await seen(database, NOW)).people == pytest.approx(1.0, abs=0.1)
    for number in range(30):
        await fail(database, number.to_bytes(4, "big") * 8, at=NOW)
    assert 20 < (await seen(database, NOW)).people < 50
    assert 20 < (await seen(database, NOW + WINDOW)).people < 50
    assert (await seen(database, NOW + WINDOW * 2)).people == 0.0


async def test_sign_ins_and_failures_are_counted_apart(database: Database) -> None:
    await fail(database, b"ada" * 11, at=NOW)
    async with database.transaction() as db:
        await count_successes(db, KEY, 3, now=NOW + timedelta(minutes=1))
    assert (await seen(database, NOW)).successes == 3.0
    assert (await seen(database, NOW)).failures == 1.0


async def test_a_clock_that_runs_behind_loses_nothing(database: Database) -> None:
    await fail(database, b"ada" * 11, at=NOW, times=2)
    await fail(database, b"eve" * 11, at=NOW - timedelta(days=3))
    assert (await seen(database, NOW)).failures == 3.0


@given(st.lists(st.integers(-(2**62), 2**62), min_size=5, max_size=5), st.integers(-10_000, 10_000))
def test_whatever_stands_in_a_row_gives_numbers(row: list[int], days: int) -> None:
    found = activity_of([abs(value) for value in row], NOW + timedelta(days=days))
    assert found.failures >= 0
    assert 0 <= found.people < 1000
