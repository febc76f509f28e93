"""Every test here may ask for a `room`: the feed over a fresh database, without the rest of a server."""

from collections.abc import AsyncIterator

import pytest

from tests.feed.room import Room, open_room
from tests.world_fixtures import world

__all__ = ["world"]


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    """One deployment's feed; the test runs on SQLite and on PostgreSQL."""
    async with open_room(database_url) as opened:
        yield opened
