"""The deployment that most tests of the protocol ask for; a package's `conftest.py` imports it by name."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """One deployment over a fresh database; the test runs on SQLite and on PostgreSQL."""
    async with open_world(database_url, tmp_path) as opened:
        yield opened
