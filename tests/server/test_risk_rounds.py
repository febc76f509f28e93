"""What the risk room does beside requests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from risk.places.geography import Geography
from server.risk import RiskRounds
from tests.identity.forms import sign_in
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_file_that_cannot_be_asked_is_told_once_an_hour_and_only_where_it_mattered(
    world: World, tmp_path: Path
) -> None:
    """S35: a broken file of places lowers nothing, keeps nobody out, and is told."""
    (tmp_path / "city.mmdb").write_bytes(b"half a file")
    geography = Geography([tmp_path / "city.mmdb"])
    geography.look_now()
    services = replace(world.services, geography=geography)
    rounds = RiskRounds(services)
    await rounds.round()
    assert await world.events("risk.signals_missing") == []
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
    await rounds.round()
    (told,) = await world.events("risk.signals_missing")
    assert told["data"] == {"signals": ["city"], "count": 1}
    async with world.browser() as browser:
        await sign_in(browser)
    await rounds.round()
    assert len(await world.events("risk.signals_missing")) == 1
    world.clock.move(hours=1)
    await rounds.round()
    assert [each["data"]["count"] for each in await world.events("risk.signals_missing")] == [1, 1]  # type: ignore[index]


async def test_what_was_seen_reaches_everyone(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
    before = sum(world.services.risk.crowd.population.totals)
    await RiskRounds(world.services).round()
    assert sum(world.services.risk.crowd.population.totals) > before
