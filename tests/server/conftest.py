"""What tests of the whole ask for: one deployment inside the test."""

from tests.world_fixtures import world

__all__ = ["world"]
