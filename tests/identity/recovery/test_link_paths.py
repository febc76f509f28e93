"""Pages behind links: their tokens are hidden in logs, only the exact link opens them, and they speak Turkish."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from starlette.routing import Route

from identity.recovery.views import routes
from identity.tables import people
from server.logs import shown_path
from tests.identity.forms import words_of
from tests.identity.recovery.steps import path_of
from tests.identity.recovery.test_resets import begin
from tests.world import World

pytestmark = pytest.mark.anyio


def paths_with_links(world: World) -> list[str]:
    """The paths of this room that carry a secret."""
    found = {route.path for route in routes(world.services) if isinstance(route, Route)}
    return sorted(path for path in found if "{token}" in path)


async def test_no_log_line_carries_a_link(world: World) -> None:
    """S46: whatever stands in the token's place."""
    paths = paths_with_links(world)
    assert len(paths) == 6
    for path in paths:
        assert shown_path(path.replace("{token}", "a-secret-of-some-kind")) == path.replace("{token}", "***")


async def test_links_of_one_kind_and_made_up_ones_open_nothing_elsewhere(world: World) -> None:
    """S5, S16: every kind in every other's place."""
    token = (await begin(world, await world.person(), password=True)).rpartition("/")[2]
    async with world.browser() as browser:
        assert (await browser.get(f"/reset/{token}")).status_code == 200
        for variant in (token[:-1], token + "A", token + "%20", token.swapcase(), "olk_" + "A" * 43, "%00", "x" * 4000):
            page = await browser.get(f"/reset/{variant}")
            assert page.status_code == 404, variant
        for path in paths_with_links(world):
            if not path.startswith("/reset/"):
                page = await browser.get(path.replace("{token}", token))
                assert page.status_code == 404, path
                assert "This link does not work any more" in words_of(page)
                assert (await browser.post(path.replace("{token}", token))).status_code == 404
    kinds = {str(event["data"]) for event in await world.events("admin.link_refused")}
    for kind in ("recover", "unlock", "invite", "verify", "not_me"):
        assert str({"kind": kind, "reason": "unknown_or_spent"}) in kinds


async def test_hostile_hosts_are_not_in_the_page(world: World) -> None:
    """S27"""
    path = await begin(world, await world.person(), password=True)
    hostile = {"host": "evil.example", "forwarded": "host=evil.example", "x-forwarded-host": "evil.example"}
    async with world.browser() as browser:
        page = await browser.get(path, headers=hostile)
    assert page.status_code == 200
    assert "evil.example" not in page.text
    assert path_of(f"https://id.example.com{path}") in page.text


async def test_pages_speak_the_persons_language_and_before_it_is_known_the_browsers(world: World) -> None:
    person = await world.person()
    path = await begin(world, person, password=True, factors=True)
    async with world.services.database.transaction() as db:
        await db.execute(update(people).values(profile={**person.profile, "locale": "tr-TR"}))
    async with world.browser() as browser:
        page = await browser.get(path)
        assert '<html lang="tr">' in page.text
        assert "Hesabınızı sıfırlayın" in words_of(page)
        assert "Forgotten your password?" in words_of(await browser.get("/recover"))
        browser.headers["accept-language"] = "tr"
        assert "Parolanızı mı unuttunuz?" in words_of(await browser.get("/recover"))


async def test_asking_speaks_the_language_that_the_application_asked_for(world: World) -> None:
    client = await world.client()
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client, ui_locales="tr"))
        assert "Parolanızı mı unuttunuz?" in words_of(await browser.get("/recover"))
