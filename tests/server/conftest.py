"""What tests of the whole ask for: one deployment inside the test, or the commands on one of their own."""

from pathlib import Path

import pytest

from tests.server.command_line import CommandLine
from tests.world_fixtures import world

__all__ = ["cli", "world"]


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> CommandLine:
    """The commands on a fresh database of each kind."""
    key = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="
    return CommandLine(
        {
            "OSTIARY_DATA_DIR": str(tmp_path / "var"),
            "OSTIARY_DATABASE_URL": database_url,
            "OSTIARY_MASTER_KEY": key,
            "OSTIARY_SECRETS_DIR": str(tmp_path / "none"),
        }
    )
