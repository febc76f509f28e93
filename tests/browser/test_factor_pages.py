"""Adding an app, saving backup codes, the second step in Chromium: at any size, by day and night, without scripts."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.async_api import Page

from identity.factors.totp import TotpParameters, code_at, step_of
from tests.browser.conftest import Site
from tests.browser.test_signin_pages import LOOKS, _check_page, _fill_in
from tests.browser_fixtures import NewVisit
from tests.world import PASSWORD

pytestmark = pytest.mark.anyio

SEND = "form:has(#code) button[type=submit]"


async def _secret_of(page: Page) -> bytes:
    key = (await page.locator(".factor-secret").text_content() or "").replace(" ", "")
    return base64.b32decode(key)


def _code(site: Site, secret: bytes, ahead: int = 0) -> str:
    parameters = TotpParameters()
    return code_at(secret, parameters, step_of(site.world.clock(), parameters) + ahead)


async def _password(page: Page) -> None:
    await page.fill("#username", "ada")
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")


async def _enrol(site: Site, page: Page) -> bytes:
    """Signs in and adds an app; ends on the page with the backup codes."""
    await page.goto(site.url("/signin"))
    await _fill_in(page)
    await page.goto(site.url("/enrol/totp"))
    secret = await _secret_of(page)
    await page.fill("#code", _code(site, secret, -1))
    await page.click(SEND)
    return secret


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
async def test_every_page_is_accessible_and_fits(site: Site, new_visit: NewVisit, look: dict[str, object]) -> None:
    """WCAG 2.2 AA by axe-core; reflow at 320 px (1.4.10)."""
    await site.world.person()
    visit = await new_visit(**look)
    page = visit.page
    await page.goto(site.url("/signin"))
    await _password(page)
    await page.wait_for_url(site.url("/"))
    await page.goto(site.url("/enrol/totp"))
    await page.click("summary")
    await _check_page(page, "add an app")
    secret = await _secret_of(page)
    await page.fill("#code", "1")
    await page.click(SEND)
    await _check_page(page, "add an app, refused")
    await page.fill("#code", _code(site, secret, -1))
    await page.click(SEND)
    await _check_page(page, "backup codes")
    await page.fill("#code", "1")
    await page.click("button[value=confirm]")
    await _check_page(page, "backup codes, refused")
    await page.goto(site.url("/enrol/backup-codes"))
    await _check_page(page, "backup codes, later")
    await page.context.clear_cookies()
    await page.goto(site.url("/signin"))
    await _password(page)
    await page.wait_for_url(site.url("/signin/totp"))
    await _check_page(page, "second step")
    await page.fill("#code", "1")
    await page.click(SEND)
    assert await page.get_by_role("alert").is_visible()
    await _check_page(page, "second step, refused")
    await page.goto(site.url("/signin/backup-code"))
    await _check_page(page, "backup code")
    visit.check_no_complaints()


async def test_backup_codes_are_copied_downloaded_and_printed(site: Site, new_visit: NewVisit) -> None:
    """S26"""
    await site.world.person()
    visit = await new_visit(permissions=["clipboard-read", "clipboard-write"])
    page = visit.page
    await _enrol(site, page)
    codes = await page.locator("#codes code").all_inner_texts()
    assert len(codes) == 10
    await page.click("[data-does=copy]")
    await page.get_by_text("Copied.").wait_for()
    assert (await page.evaluate("navigator.clipboard.readText()")).split() == codes
    async with page.expect_download() as started:
        await page.click("form[action$='/download'] button")
    file = await (await started.value).path()
    assert [line for line in Path(file).read_text().splitlines() if line in codes] == codes
    await page.emulate_media(media="print")
    assert not await page.locator("button:visible").count()
    assert await page.locator("#codes").is_visible()
    visit.check_no_complaints()


async def test_everything_works_without_scripts(site: Site, new_visit: NewVisit) -> None:
    await site.world.person()
    visit = await new_visit(java_script_enabled=False)
    page = visit.page
    secret = await _enrol(site, page)
    assert not await page.locator("[data-does=copy]").is_visible()
    code = (await page.locator("#codes code").all_inner_texts())[0]
    await page.fill("#code", code.lower())
    await page.click("button[value=confirm]")
    assert page.url == site.url("/account/security")
    await page.context.clear_cookies()
    await page.goto(site.url("/signin"))
    await _fill_in(page)
    await page.fill("#code", _code(site, secret))
    await page.click(SEND)
    assert page.url == site.url("/")
    visit.check_no_complaints()
