"""Chromium through the demo: from the start page to a token, an API call and the way out, on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.browser_fixtures import NewVisit, Visit
from tests.server.process import environment, ports, run, serving
from tests.world import PASSWORD

pytestmark = pytest.mark.anyio

BUTTONS = {
    "Call the API": "The API let this application in.",
    "Ask userinfo": "The userinfo endpoint told who you are.",
    "Refresh": "New tokens are here.",
    "Revoke": "Everything that came from this sign-in is revoked.",
}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server with one person, Ada."""
    environ = environment(tmp_path_factory.mktemp("demo"), **ports())
    person = ["user", "create", "--username", "ada", "--email", "ada@example.com", "--name", "Ada Byron"]
    made = run(environ, *person, "--password-stdin", stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    with serving(environ) as (welcome, _):
        yield welcome["issuer"]


async def test_a_person_goes_through_the_demo_from_start_to_end(visit: Visit, issuer: str) -> None:
    page = visit.page
    await sign_in(page, issuer)
    for button, words in BUTTONS.items():
        await press(page, button)
        assert words in await page.get_by_role("status").inner_text()
    await press(page, "Refresh")
    assert "The server refused." in await page.get_by_role("status").inner_text()
    await press(page, "Sign out")
    assert "You are signed out of the demo" in await page.get_by_role("status").inner_text()
    await page.get_by_role("link", name="Sign in").click()
    assert await page.get_by_label("Password").count() == 1, "signing out of the demo left the session at the server"


@pytest.mark.parametrize(
    "look",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 360, "height": 740}}],
    ids=["light", "dark", "360 px"],
)
async def test_the_demo_can_be_read_by_everyone(new_visit: NewVisit, issuer: str, look: dict[str, object]) -> None:
    visit = await new_visit(**look)
    page = visit.page
    await page.goto(f"{issuer}/demo")
    await check_readable(page)
    await sign_in(page, issuer)
    await page.get_by_text("As it travels").first.click()
    for button in ("Call the API", "Revoke", "Ask userinfo"):
        await press(page, button)
        await check_readable(page)
    visit.check_no_complaints()


async def sign_in(page: Page, issuer: str) -> None:
    """From the demo's start page through the sign-in page to the tokens."""
    await page.goto(f"{issuer}/demo")
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_label("Username or mail address").fill("ada")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{issuer}/demo")
    assert await page.get_by_role("heading", level=1).inner_text() == "You are signed in at the demo"
    assert "Ada Byron" in await page.get_by_role("main").inner_text()


async def press(page: Page, button: str) -> None:
    """Presses a button of the demo and waits for the page behind it."""
    async with page.expect_navigation():
        await page.get_by_role("button", name=button, exact=True).click()


async def check_readable(page: Page) -> None:
    """No finding of axe-core, and nothing wider than the window."""
    found = (await Axe().run(page)).response["violations"]
    assert [finding["help"] for finding in found] == []
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0
