"""The pages behind links in Chromium: accessible, as wide as the window, in both languages, without scripts."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page
from sqlalchemy import update

from audit.record import Origin
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.person_values import Person
from identity.recovery.emails import add_email
from identity.recovery.invitations import invite
from identity.recovery.resets import start_reset
from identity.tables import people
from tests.browser.conftest import Site, site
from tests.browser.test_signin_pages import AXE_OPTIONS
from tests.browser_fixtures import NewVisit
from tests.identity.mail.letters_read import letters, one_letter
from tests.identity.recovery.steps import NEW_PASSWORD
from tests.world import World

pytestmark = pytest.mark.anyio
__all__ = ["site"]

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1100, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1100, "height": 800}},
    "360 px in Turkish": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}, "locale": "tr-TR"},
    "320 px": {"color_scheme": "dark", "viewport": {"width": 320, "height": 256}},
}
HOSTILE = '"><img src=x onerror="window.broken = 1"><script>window.broken = 1</script>'


async def _speaks(world: World, person: Person, locale: str) -> None:
    async with world.services.database.transaction() as db:
        await db.execute(
            update(people).where(people.c.id == person.id).values(profile={**person.profile, "locale": locale})
        )


async def _make_links(world: World, person: Person) -> list[str]:
    """A link of every kind that no page asks for."""
    services, now = world.services, world.clock()
    async with services.database.transaction() as db:
        reset = await start_reset(db, services, person.id, password=False, factors=True, now=now, actor="cli")
        mailed = await invite(
            db, services, email="grace@example.com", name="Grace", is_admin=True, now=now, actor="cli", via="mail"
        )
        handed = await invite(db, services, email=None, now=now, actor="cli", via="link")
        address = "a.long.address.of.somebody.who.moved@some-department-of.an-organisation.example.org"
        await add_email(db, services, person.id, address, now=now, origin=Origin())
        for notice in (Notice.LOCKED, Notice.NEW_DEVICE):
            await notify(db, services, person.id, notice, now=now, origin=Origin())
    verify = (await one_letter(world, "verify")).link()
    unlock = (await one_letter(world, "locked")).link("unlock")
    not_me = (await one_letter(world, "new_device")).link("not_me")
    return [reset, mailed, handed, verify, unlock, not_me]


async def _check(page: Page, name: str) -> None:
    results = await Axe().run(page, options=AXE_OPTIONS)
    found = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in results.response["violations"]]
    assert found == [], name
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
    assert await page.locator("h1").count() == 1, name


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
async def test_every_page_is_accessible_and_fits(site: Site, new_visit: NewVisit, look: dict[str, object]) -> None:
    """WCAG 2.2 AA by axe-core; reflow at 320 px (1.4.10)."""
    world = site.world
    person = await world.person()
    await _speaks(world, person, "tr" if "locale" in look else "en-GB")
    object.__setattr__(world.services.settings, "open_registration", True)
    visit = await new_visit(**look)
    page = visit.page
    for url in await _make_links(world, person):
        await page.goto(url)
        await _check(page, url)
        await page.eval_on_selector_all("input", "inputs => inputs.forEach(input => input.removeAttribute('required'))")
        if await page.locator("input[type=password]").count():
            await page.click("main button[type=submit]")
            assert await page.get_by_role("alert").is_visible()
            await _check(page, f"{url}, refused")
    for path in ("/recover/done", "/reset/done", "/verify/done", "/register", "/register/sent", "/recover/olk_gone"):
        await page.goto(site.url(path))
        await _check(page, path)
    await page.goto(site.url("/recover"))
    await _check(page, "/recover")
    await page.fill("#username", "nobody")
    await page.click("button[type=submit]")
    await page.fill("#code", "12345678")
    await page.click("button[type=submit]")
    await _check(page, "a code, refused")
    visit.check_no_complaints()


async def test_a_forgotten_password_is_replaced_without_scripts_and_by_keyboard(
    site: Site, new_visit: NewVisit
) -> None:
    await site.world.person()
    visit = await new_visit(java_script_enabled=False)
    page, keys = visit.page, visit.page.keyboard
    await page.goto(site.url("/signin"))
    await page.click("a[href='/recover']")
    await page.locator("#username:focus").wait_for()
    await keys.type("ada")
    await keys.press("Enter")
    await page.wait_for_url(site.url("/recover/code"))
    await page.locator("#code:focus").wait_for()
    await keys.type((await one_letter(site.world, "recover")).code)
    await keys.press("Enter")
    await page.wait_for_url("**/recover/olk_*")
    await page.locator("#password:focus").wait_for()
    await keys.type(NEW_PASSWORD)
    await keys.press("Tab")
    await keys.type(NEW_PASSWORD)
    await keys.press("Enter")
    await page.wait_for_url(site.url("/recover/done"))
    await page.click("main a.button")
    await page.fill("#username", "ada")
    await page.fill("#password", NEW_PASSWORD)
    await page.press("#password", "Enter")
    await page.wait_for_url(site.url("/"))
    assert len(await letters(site.world, "password_changed")) == 1
    visit.check_no_complaints()


async def test_names_of_others_are_text_and_no_more(site: Site, new_visit: NewVisit) -> None:
    """S49: also on the pages that somebody reaches from a letter."""
    world = site.world
    person = await world.person()
    async with world.services.database.transaction() as db:
        profile = {**person.profile, "name": HOSTILE, "locale": HOSTILE}
        await db.execute(update(people).where(people.c.id == person.id).values(profile=profile))
    visit = await new_visit()
    for url in await _make_links(world, person):
        await visit.page.goto(url)
        assert await visit.page.evaluate("window.broken") is None, url
    visit.check_no_complaints()
