"""Every test here may ask for a `world`, and for a service that calls its API."""

from collections.abc import AsyncIterator

import pytest

from tests.server.api.service import Service, open_service
from tests.world import World
from tests.world_fixtures import world

__all__ = ["auditor", "service", "world"]


@pytest.fixture
async def auditor(world: World) -> AsyncIterator[Service]:
    """A service that may read and write everything of the log."""
    async with open_service(world, "audit:read", "audit:read_personal", "audit:write", name="auditor") as opened:
        yield opened


@pytest.fixture
async def service(world: World) -> AsyncIterator[Service]:
    """A service that may read and write the log, personal fields not among it."""
    async with open_service(world, "audit:read", "audit:write") as opened:
        yield opened
