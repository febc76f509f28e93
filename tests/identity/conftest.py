"""A deployment for each test of the identity rooms, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from identity.services import Services
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """The whole application over a fresh database, with a clock that can be moved."""
    async with open_world(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def services(world: World) -> Services:
    """The deployment's parts."""
    return world.services
