"""Three facts that the sign-in page's script tells: taken where they look like some, and missed by nobody."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from base.forms import Form
from identity.device_looks import open_looks
from identity.signin.browser_facts import parse_browser_facts
from identity.tables import devices
from risk.sighting import BrowserFacts
from tests.identity.forms import SAME_ORIGIN, open_signin
from tests.world import PASSWORD, World

FACTS = {"screen": "1920x1080@1", "time_zone": "Europe/Istanbul", "platform": "Linux"}


def test_what_a_browser_says_is_taken() -> None:
    assert parse_browser_facts(Form(FACTS, {})) == BrowserFacts("1920x1080@1", "Europe/Istanbul", "Linux")
    assert parse_browser_facts(Form({"time_zone": "UTC"}, {})) == BrowserFacts(time_zone="UTC")
    zone = {"time_zone": "America/Argentina/Buenos_Aires"}
    assert parse_browser_facts(Form(zone, {})) == BrowserFacts(time_zone=zone["time_zone"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"screen": "huge", "time_zone": "../../etc/passwd", "platform": "<script>"},
        {"screen": "1920x1080", "time_zone": "a/b/c/d", "platform": "\u202eLinux"},
        {"screen": "0x0@0", "time_zone": "/", "platform": " "},
        {"screen": "١٩٢٠x1080@1", "time_zone": "Europe/İstanbul", "platform": "x" * 33},
        {name: value * 20_000 for name, value in FACTS.items()},
        {"screen": "1920x1080@1\n", "time_zone": "Europe/Istanbul\n", "platform": "Linux\n"},
        {"time_zone": "a-" * 32_000 + "!"},
    ],
)
def test_rubbish_says_nothing(fields: dict[str, str]) -> None:
    began = time.process_time()
    assert parse_browser_facts(Form(fields, {})) is None
    assert time.process_time() - began < 0.005


@pytest.mark.anyio
async def test_the_facts_are_kept_of_the_device_and_nobody_needs_them(world: World) -> None:
    """S33: they are evidence; without scripts, and with rubbish in their place, a person signs in all the same."""
    await world.person()
    found = []
    for facts in (FACTS, {}, dict.fromkeys(FACTS, "<>" * 3000)):
        async with world.browser() as browser:
            form = {**await open_signin(browser), "username": "ada", "password": PASSWORD, **facts}
            answer = await browser.post("/signin", data=form, headers=SAME_ORIGIN)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
        async with world.services.database.reading() as db:
            row = (await db.execute(select(devices).order_by(devices.c.id.desc()).limit(1))).one()
        looks = open_looks(world.services.sealer, bytes(row.id), bytes(row.looks))
        assert looks is not None
        found.append(looks.facts)
    assert found == [BrowserFacts("1920x1080@1", "Europe/Istanbul", "Linux"), None, None]


@pytest.mark.anyio
async def test_the_page_asks_by_a_file_of_ours_and_hidden_fields(world: World) -> None:
    """S9, S49"""
    async with world.browser() as browser:
        page = await browser.get("/signin")
        (path,) = {part.split('"')[0] for part in page.text.split('src="') if "browser_facts" in part.split('"')[0]}
        script = await browser.get(path)
    assert script.status_code == 200
    assert "canvas" not in script.text.lower()
    assert "audio" not in script.text.lower()
    for name in FACTS:
        assert f'<input type="hidden" name="{name}" value="" data-browser-fact="{name}">' in page.text
