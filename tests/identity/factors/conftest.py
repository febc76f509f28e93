"""A deployment whose refusals are answered at once: hundreds of them are part of these tests."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from identity.services import Services
from tests.identity.factors.steps import begin_a_step
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment on SQLite, and one on PostgreSQL, that takes mailed codes."""
    async with open_world(database_url, tmp_path, refusal_deadline=timedelta(), mfa__mail_code="true") as opened:
        yield begin_a_step(opened)


@pytest.fixture
def services(world: World) -> Services:
    """The deployment's parts."""
    return world.services
