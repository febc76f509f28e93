"""The sign-in page's script in Chromium: three coarse facts travel with the form, and none is exact."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from identity.device_looks import open_looks
from identity.tables import devices
from tests.browser.conftest import Site
from tests.browser_fixtures import NewVisit
from tests.world import PASSWORD

pytestmark = pytest.mark.anyio


async def test_a_sign_in_tells_the_facts_of_its_browser(site: Site, new_visit: NewVisit) -> None:
    """S33"""
    await site.world.person()
    visit = await new_visit(timezone_id="Europe/Istanbul", viewport={"width": 1111, "height": 777})
    await visit.page.goto(site.url("/signin"))
    await visit.page.fill("#username", "ada")
    await visit.page.fill("#password", PASSWORD)
    await visit.page.click("form[action='/signin'] button[type=submit]")
    await visit.page.wait_for_url(site.url("/"))
    async with site.world.services.database.reading() as db:
        row = (await db.execute(select(devices))).one()
    looks = open_looks(site.world.services.sealer, bytes(row.id), bytes(row.looks))
    assert looks is not None
    assert looks.facts is not None
    assert looks.facts.time_zone == "Europe/Istanbul"
    assert looks.facts.platform == "Linux"
    found = re.fullmatch(r"(\d+)x(\d+)@1", looks.facts.screen or "")
    assert found is not None
    assert [int(side) % 120 for side in found.groups()] == [0, 0]
    visit.check_no_complaints()
