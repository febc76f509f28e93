"""Clocks that jump, and rounds in which nothing is to be done."""

from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from server.alert_desk import acknowledge
from tests.audit.alerts.desk import Desk, failed, locked, reused

pytestmark = pytest.mark.anyio


async def test_a_clock_that_ran_ahead_swallows_no_alert_afterwards(desk: Desk) -> None:
    person = await desk.world.person(password=None)
    desk.clock.move(days=1)
    await desk.tell(reused(person))
    await desk.round()
    [alert] = await desk.alerts()
    await acknowledge(desk.settings, desk.world.services, alert.id, by="cli", now=desk.clock())
    await desk.round()
    desk.clock.move(days=-1)
    desk.receiver.posts.clear()
    for hours in (1, 6):
        desk.clock.move(hours=hours)
        await desk.tell(reused(person))
        await desk.round()
    assert [kind for kind, _ in desk.told()].count("alert.opened") == 2
    assert await desk.rules() == [("token_reused", 1)] * 3


async def test_an_alert_that_grew_while_the_clock_ran_ahead_takes_in_nothing_either(desk: Desk) -> None:
    person = await desk.world.person(password=None)
    await desk.tell(reused(person))
    desk.clock.move(minutes=14)
    await desk.tell(reused(person))
    desk.clock.move(minutes=14)
    await desk.tell(reused(person))
    await desk.round()
    desk.clock.move(minutes=-27)
    await desk.tell(reused(person))
    await desk.round()
    assert await desk.rules() == [("token_reused", 3), ("token_reused", 1)]


async def test_failures_of_many_hours_do_not_add_up_after_a_clock_that_ran_ahead(desk: Desk) -> None:
    person = await desk.world.person(password=None)
    desk.clock.move(days=1)
    await desk.tell(failed(person))
    await desk.round()
    desk.clock.move(days=-1)
    for _ in range(20):
        desk.clock.move(minutes=16)
        await desk.tell(failed(person))
    await desk.round()
    assert await desk.rules() == []


async def test_a_round_with_nothing_to_do_asks_the_database_hot_questions_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection of the pool and its queries cost milliseconds, twice a second, for ever."""
    person = await desk.world.person(password=None)
    await desk.tell(locked(person))
    for _ in range(3):
        await desk.round()
    opened, reading = [], desk.world.services.database.reading

    def counted() -> AbstractAsyncContextManager[AsyncConnection]:
        opened.append(1)
        return reading()

    monkeypatch.setattr(desk.world.services.database, "reading", counted)
    # The lease is looked after every five seconds, which is no idle work.
    for _ in range(3):
        desk.clock.move(seconds=1)
        await desk.alerting.round()
    assert opened == []
    await desk.tell(locked(person))
    await desk.round()
    assert opened
    assert await desk.rules() == [("high_event", 2)]
