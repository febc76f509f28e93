"""What everyone does, collected by several processes into one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from base.database import Database
from risk.browsers import parse_user_agent
from risk.history import facets
from risk.history.crowd import Crowd
from risk.history.population import Population
from risk.history.profile import Profile
from risk.sighting import Sighting
from risk.tables import risk_population

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 1, tzinfo=UTC)
LOOK = Sighting(
    at_s=NOW.timestamp(),
    address="a",
    network="n",
    user_agent="u",
    browser=parse_user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


def known(crowd: Crowd) -> float:
    """How many sign-ins from the network of LOOK everyone has together."""
    key = facets.keys_of(LOOK)[facets.NETWORK]
    assert key is not None
    return round(crowd.population.counts[facets.NETWORK].get(key, 0.0), 3)


async def test_processes_come_to_know_what_the_others_saw(database: Database) -> None:
    one, two = Crowd(database), Crowd(database)
    for crowd, times in ((one, 3), (two, 4)):
        for _ in range(times):
            crowd.note(LOOK, before=Profile.empty())
    assert known(one) == 0.0
    await one.round(NOW)
    await two.round(NOW)
    await one.round(NOW)
    assert (known(one), known(two)) == (7.0, 7.0)
    assert one.population.to_bytes() == two.population.to_bytes()
    await one.round(NOW)
    assert known(one) == 7.0


async def test_bytes_that_do_not_open_begin_anew(database: Database) -> None:
    """S35: a broken row keeps nobody out and raises nothing."""
    one = Crowd(database)
    one.note(LOOK, before=Profile.empty())
    await one.round(NOW)
    async with database.transaction() as db:
        await db.execute(update(risk_population).values(body=b"rubbish", version=9))
    two = Crowd(database)
    await two.round(NOW)
    assert two.population.to_bytes() == Population.shipped().to_bytes()


async def test_what_could_not_be_added_travels_with_the_next_round(database: Database) -> None:
    crowd = Crowd(database)
    crowd.note(LOOK, before=Profile.empty())
    broken = Crowd(database)
    broken._collected, broken._number = crowd._collected, 1
    broken._database = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        await broken.round(NOW)
    broken._database = database
    await broken.round(NOW)
    assert known(broken) == 1.0
