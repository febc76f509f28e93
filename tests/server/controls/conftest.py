"""Every test here may ask for a `world`."""

from tests.world_fixtures import world

__all__ = ["world"]
