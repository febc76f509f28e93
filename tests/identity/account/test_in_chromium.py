"""The pages in Chromium: accessible, as wide as the window, by day and night, in both languages, by keyboard alone."""

from __future__ import annotations

import httpx2
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page
from sqlalchemy import select, update

from base.cookies import cookie_name
from identity.person_values import Person
from identity.tables import devices, people
from tests.browser.conftest import Site, site
from tests.browser.test_signin_pages import AXE_OPTIONS
from tests.browser_fixtures import NewVisit, Visit
from tests.identity.account.furnished import furnish

pytestmark = pytest.mark.anyio
__all__ = ["site"]

PATHS = ("", "/profile", "/security", "/devices", "/sessions", "/activity", "/apps", "/data", "/delete")
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1100, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1100, "height": 800}},
    "360 px in Turkish": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}, "locale": "tr-TR"},
    "320 px": {"color_scheme": "dark", "viewport": {"width": 320, "height": 256}},
}
HOSTILE = '"><img src=x onerror="window.broken = 1"><script>window.broken = 1</script>'


async def _sign_in(site: Site, visit: Visit, person: Person) -> None:
    async with httpx2.AsyncClient() as cookies:
        await site.world.sign_in(cookies, person, methods=("pwd", "totp"))
        name = cookie_name(site.world.services.settings, "session")
        value = cookies.cookies[name]
    await visit.context.add_cookies([{"name": name, "value": value, "url": site.address}])


async def _in_language(site: Site, person: Person, locale: str) -> None:
    async with site.world.services.database.transaction() as db:
        profile = {**person.profile, "locale": locale}
        later = site.world.clock() + site.world.services.settings.delete_grace
        await db.execute(update(people).where(people.c.id == person.id).values(profile=profile, delete_at=later))


async def _check(page: Page, name: str) -> None:
    results = await Axe().run(page, options=AXE_OPTIONS)
    found = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in results.response["violations"]]
    assert found == [], name
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
    assert await page.locator("h1").count() == 1, name


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
async def test_every_page_is_accessible_and_fits(site: Site, new_visit: NewVisit, look: dict[str, object]) -> None:
    """WCAG 2.2 AA by axe-core; reflow at 320 px (1.4.10)."""
    person = await site.world.person()
    await furnish(site.world, person)
    await _in_language(site, person, "tr" if "locale" in look else "en-GB")
    visit = await new_visit(**look)
    await _sign_in(site, visit, person)
    for path in PATHS:
        await visit.page.goto(site.url(f"/account{path}"))
        await _check(visit.page, path)
        for details in await visit.page.locator("details > summary").all():
            await details.click()
        await _check(visit.page, f"{path}, everything opened")
    await visit.page.goto(site.url("/account/security"))
    await visit.page.eval_on_selector_all("input", "all => all.forEach(input => input.removeAttribute('required'))")
    await visit.page.locator("form[action$=password] button").click()
    await _check(visit.page, "a refused password")
    visit.check_no_complaints()


async def test_a_session_is_ended_with_the_keyboard_alone(site: Site, visit: Visit) -> None:
    person = await site.world.person()
    await furnish(site.world, person)
    await _sign_in(site, visit, person)
    page = visit.page
    await page.goto(site.url("/account"))
    for _ in range(5):
        await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Sessions"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/account/sessions")
    before = await page.locator(".row").count()
    for _ in range(10):
        await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "End"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/account/sessions?done=ended")
    assert await page.get_by_role("status").inner_text() == "The session is ended."
    assert await page.locator(".row").count() == before - 1


async def test_the_data_file_is_saved_under_its_name(site: Site, visit: Visit) -> None:
    person = await site.world.person()
    await _sign_in(site, visit, person)
    await visit.page.goto(site.url("/account/data"))
    async with visit.page.expect_download() as begun:
        await visit.page.get_by_role("button", name="Download my data").click()
    file = await begun.value
    assert file.suggested_filename.startswith("account-")
    assert file.suggested_filename.endswith(".json")


async def test_whatever_others_wrote_stays_text(site: Site, visit: Visit) -> None:
    """S49"""
    world = site.world
    person = await world.person()
    await furnish(world, person)
    await world.client(name=HOSTILE)
    await _sign_in(site, visit, person)
    async with world.services.database.transaction() as db:
        await db.execute(update(devices).values(label=f"{HOSTILE} on {HOSTILE}"[:128]))
        profile = {**person.profile, "name": HOSTILE}
        await db.execute(update(people).where(people.c.id == person.id).values(profile=profile))
        assert (await db.execute(select(people.c.profile))).scalar_one()["name"] == HOSTILE
    for path in PATHS:
        await visit.page.goto(site.url(f"/account{path}"))
        assert await visit.page.evaluate("window.broken") is None, path
        assert await visit.page.locator("script, img").count() == 0, path
