"""A deployment whose letters leave, for the tests that need one."""

import pytest

from tests.world import World


@pytest.fixture
def mailing(world: World) -> World:
    """The deployment of the test, with letters."""
    # By a setting it would want a mail server's address.
    object.__setattr__(world.services.settings, "has_mail", True)
    return world
