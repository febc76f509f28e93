"""Every test here may ask for a `world`, and for the `evidence` of its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.evidence.made_evidence import Evidence, evidence_of
from tests.world import World
from tests.world_fixtures import world

__all__ = ["world"]


@pytest.fixture
async def evidence(world: World, tmp_path: Path) -> Evidence:
    """A bundle over the middle of a log; the test runs on SQLite and on PostgreSQL."""
    return await evidence_of(world, tmp_path)
