"""Every test here may ask for a `desk`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.audit.alerts.desk import Desk, open_desk


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A deployment with one webhook, on each database."""
    async with open_desk(database_url, tmp_path) as opened:
        yield opened
