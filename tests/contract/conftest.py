"""A run of a certification plan: a deployment on https, two confidential clients, a person with every claim."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.run import PLANS, CertificationRun, Plan, begin_run
from tests.databases import Databases
from tests.world import open_world


@pytest.fixture(params=PLANS, ids=str)
def plan(request: pytest.FixtureRequest) -> Plan:
    """Runs the module once for each plan."""
    chosen: Plan = request.param
    return chosen


@pytest.fixture
async def run(plan: Plan, databases: Databases, tmp_path: Path) -> AsyncIterator[CertificationRun]:
    """One module's run. Plans take turns over the two databases; tests/oauth runs every rule on both."""
    with databases.of_kind(plan.database, tmp_path) as url:
        async with open_world(url, tmp_path) as world, world.browser() as http:
            yield await begin_run(world, http, plan)
