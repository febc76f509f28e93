"""Leases: one holder at a time, and one that slept through its turn writes nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from base.database import Database
from base.leases import Lease, LeaseLost
from base.tables import leases

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


def lease(database: Database) -> Lease:
    return Lease(database, "work", ttl=10 * SECOND)


async def confirm(database: Database, held: Lease, now: datetime) -> None:
    async with database.transaction() as db:
        await held.confirm(db, now)


async def test_one_process_holds_it_until_its_time_is_over(database: Database) -> None:
    one, other = lease(database), lease(database)
    assert await one.take(NOW)
    assert not await other.take(NOW)
    assert await one.take(NOW + 9 * SECOND), "it is renewed by whoever has it"
    assert not await other.take(NOW + 12 * SECOND)
    assert await other.take(NOW + 20 * SECOND)
    assert not await one.take(NOW + 21 * SECOND)


async def test_a_holder_that_slept_through_its_time_cannot_write(database: Database) -> None:
    """The first believes in its lease by its own clock; the fencing number says otherwise."""
    one, other = lease(database), lease(database)
    assert await one.take(NOW)
    assert await other.take(NOW + 11 * SECOND)
    with pytest.raises(LeaseLost):
        await confirm(database, one, NOW + 2 * SECOND)
    await confirm(database, other, NOW + 12 * SECOND)


async def test_a_fence_grows_with_each_new_holder_and_not_with_renewals(database: Database) -> None:
    one, other = lease(database), lease(database)
    await one.take(NOW)
    await one.take(NOW + 6 * SECOND)
    assert await fence(database) == 1
    await other.take(NOW + 30 * SECOND)
    assert await fence(database) == 2
    await one.take(NOW + 60 * SECOND)
    assert await fence(database) == 3
    with pytest.raises(LeaseLost):
        await confirm(database, other, NOW + 31 * SECOND)


async def test_what_confirms_first_is_undone_with_its_transaction(database: Database) -> None:
    """A write beside a lost lease must leave nothing."""
    one, other = lease(database), lease(database)
    await one.take(NOW)
    await other.take(NOW + 11 * SECOND)

    async def leave_a_trace() -> None:
        async with database.transaction() as db:
            await db.execute(leases.insert().values(name="trace", holder=bytes(16), fence=1, until=NOW))
            await one.confirm(db, NOW)

    with pytest.raises(LeaseLost):
        await leave_a_trace()
    async with database.reading() as db:
        assert (await db.execute(select(leases.c.name))).scalars().all() == ["work"]


async def test_one_that_is_given_back_is_free_at_once(database: Database) -> None:
    one, other = lease(database), lease(database)
    await one.take(NOW)
    await one.give_back(NOW)
    assert await other.take(NOW)
    await one.give_back(NOW)
    await confirm(database, other, NOW)


async def test_a_clock_that_was_set_back_keeps_nobody_from_asking(database: Database) -> None:
    one = lease(database)
    await one.take(NOW + timedelta(days=1))
    assert await one.take(NOW)
    await confirm(database, one, NOW)


async def test_a_lease_of_a_clock_that_ran_ahead_is_taken_over_at_once(database: Database) -> None:
    """F6: its holder may be gone, and nobody would do the work until that day."""
    ahead, right = lease(database), lease(database)
    assert await ahead.take(NOW + timedelta(days=1))
    assert await right.take(NOW)
    with pytest.raises(LeaseLost):
        await confirm(database, ahead, NOW + timedelta(days=1))
    await confirm(database, right, NOW)


async def test_two_that_ask_at_the_same_moment_get_one_lease(database: Database) -> None:
    many = [lease(database) for _ in range(8)]
    assert sum(await asyncio.gather(*(each.take(NOW) for each in many))) == 1


async def fence(database: Database) -> object:
    async with database.reading() as db:
        return (await db.execute(select(leases.c.fence).where(leases.c.name == "work"))).scalar_one()
