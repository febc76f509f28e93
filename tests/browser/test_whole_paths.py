"""Whole ways in, without scripts and by keyboard alone: what somebody has who cannot or will not use more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Site, open_site
from tests.browser.walks.risky import AT_ONCE, report_taken_over
from tests.browser_fixtures import NewVisit
from tests.databases import Databases
from tests.identity.factors.steps import App, begin_a_step, give_app, give_codes
from tests.identity.mail.letters_read import letters
from tests.identity.recovery.steps import NEW_PASSWORD
from tests.world import PASSWORD

pytestmark = pytest.mark.anyio

FOCUSED = "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
MOST_TABS = 20


async def _go_to(page: Page, words: str) -> None:
    """Presses the tabulator until what is called `words` has the focus, and shows that it has."""
    for _ in range(MOST_TABS):
        if await page.evaluate(FOCUSED) == words:
            break
        await page.keyboard.press("Tab")
    assert await page.evaluate(FOCUSED) == words
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", words


async def _type(page: Page, **fields: str) -> None:
    """Fills in the focused field and those after it, and sends the form with the last one."""
    for number, (name, text) in enumerate(fields.items()):
        if number:
            await page.keyboard.press("Tab")
        await page.locator(f"#{name}:focus").wait_for()
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")


async def _to_second_step(site: Site, page: Page, password: str = PASSWORD, *, to: str = "/signin/totp") -> None:
    await page.goto(site.url("/"))
    await _go_to(page, "Sign in")
    await page.keyboard.press("Enter")
    await page.wait_for_url(site.url("/signin"))
    await _type(page, username="ada", password=password)
    await page.wait_for_url(site.url(to))


async def _is_in(site: Site, page: Page, *methods: str) -> None:
    await expect(page).to_have_url(site.url("/"))
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    told = (await site.world.events("login.succeeded"))[-1]["data"]
    assert isinstance(told, dict)
    assert told["methods"] == sorted(methods)


async def _person_with_app(site: Site) -> tuple[App, tuple[str, ...]]:
    person = await begin_a_step(site.world).person()
    return await give_app(site.world, person), await give_codes(site.world, person)


@pytest.fixture
async def page(new_visit: NewVisit) -> AsyncIterator[Page]:
    """A page whose scripts never run, and which broke no policy in the end."""
    visit = await new_visit(java_script_enabled=False)
    yield visit.page
    visit.check_no_complaints()


async def test_password_and_app(site: Site, page: Page) -> None:
    app, _ = await _person_with_app(site)
    await _to_second_step(site, page)
    await _type(page, code=app.code())
    await _is_in(site, page, "pwd", "totp")


async def test_password_and_backup_code(site: Site, page: Page) -> None:
    """S26"""
    _, codes = await _person_with_app(site)
    await _to_second_step(site, page)
    await _go_to(page, "Use a backup code")
    await page.keyboard.press("Enter")
    await page.wait_for_url(site.url("/signin/backup-code"))
    await _type(page, code=codes[3].lower())
    await _is_in(site, page, "pwd", "backup_code")
    assert len(await letters(site.world, "backup_code_used")) == 1


@pytest.mark.parametrize("by", ["code", "link"])
async def test_forgotten_password_its_letter_and_the_second_factor(site: Site, page: Page, by: str) -> None:
    """S27: the letter replaces the password alone; the second factor is asked for as before."""
    app, _ = await _person_with_app(site)
    await page.goto(site.url("/signin"))
    await _go_to(page, "Forgot your password?")
    await page.keyboard.press("Enter")
    await page.wait_for_url(site.url("/recover"))
    await _type(page, username="ada@example.com")
    await page.wait_for_url(site.url("/recover/code"))
    [letter] = await letters(site.world, "recover")
    if by == "code":
        await _type(page, code=letter.code)
        await page.wait_for_url("**/recover/olk_*")
    else:
        await page.goto(letter.link())
    await _type(page, password=NEW_PASSWORD, password_repeat=NEW_PASSWORD)
    await page.wait_for_url(site.url("/recover/done"))
    await _to_second_step(site, page, NEW_PASSWORD)
    await _type(page, code=app.code())
    await _is_in(site, page, "pwd", "recovery", "totp")


async def test_a_sign_in_that_is_unusual_and_its_mailed_code(databases: Databases, tmp_path: Path, page: Page) -> None:
    async with open_site(databases, tmp_path, refusal_deadline=None, **AT_ONCE) as site:
        await site.world.person()
        await _to_second_step(site, page, to="/signin/mail-code")
        await _go_to(page, "Send me a code")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("A code is on its way")).to_be_visible()
        await _type(page, code=(await letters(site.world, "mail_code"))[-1].code)
        await _is_in(site, page, "pwd", "mail_code")


async def test_a_sign_in_that_is_refused_and_the_way_out(databases: Databases, tmp_path: Path, page: Page) -> None:
    """S24: whoever is told to choose a new password by mail first gets there and back in."""
    async with open_site(databases, tmp_path, refusal_deadline=None, **AT_ONCE) as site:
        await report_taken_over(site.world, await site.world.person())
        await _to_second_step(site, page, to="/signin")
        await expect(page.get_by_role("heading", name="Access denied")).to_be_visible()
        await page.goto(site.url("/signin"))
        await _go_to(page, "Forgot your password?")
        await page.keyboard.press("Enter")
        await _type(page, username="ada")
        await page.wait_for_url(site.url("/recover/code"))
        await _type(page, code=(await letters(site.world, "recover"))[-1].code)
        await page.wait_for_url("**/recover/olk_*")
        await _type(page, password=NEW_PASSWORD, password_repeat=NEW_PASSWORD)
        await page.wait_for_url(site.url("/recover/done"))
        await _to_second_step(site, page, NEW_PASSWORD, to="/")
        await _is_in(site, page, "pwd", "recovery")
