"""Every test of the identity rooms may ask for a deployment, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from identity.services import Services
from tests.world import World
from tests.world_fixtures import world

__all__ = ["services", "world"]


@pytest.fixture
def services(world: World) -> Services:
    """The deployment's parts."""
    return world.services


@pytest.fixture
def prompt_refusals(world: World) -> Callable[[float], None]:
    """Sets, in seconds, how late refusals are answered: not at all until it is called with another number."""

    def answer_after(seconds: float) -> None:
        # The server has no setting for it, since nobody should turn it off; hundreds of refusals a test can.
        object.__setattr__(world.services.settings, "refusal_deadline", timedelta(seconds=seconds))

    answer_after(0)
    return answer_after
