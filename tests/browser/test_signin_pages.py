"""Sign-in, consent, sign-out and set-up in Chromium: by keyboard, without scripts, at any size, by day and night."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from identity.setup import make_link
from tests.browser.conftest import Site
from tests.browser_fixtures import NewVisit, Visit
from tests.world import PASSWORD, World

pytestmark = pytest.mark.anyio

AXE_OPTIONS = {"preload": False, "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1100, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1100, "height": 800}},
    "360 px in Turkish": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}, "locale": "tr-TR"},
    "enlarged fourfold": {"color_scheme": "dark", "viewport": {"width": 320, "height": 256}},
}


async def _check_page(page: Page, name: str) -> None:
    """axe finds nothing, nothing is wider than the window, and one heading of the first level names the page."""
    results = await Axe().run(page, options=AXE_OPTIONS)
    found = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in results.response["violations"]]
    assert found == [], name
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
    assert await page.locator("h1").count() == 1, name


async def _link(world: World) -> str:
    async with world.services.database.transaction() as db:
        return await make_link(db, world.services, now=world.clock(), actor="cli")


async def _fill_in(page: Page, username: str = "ada", password: str = PASSWORD) -> None:
    await page.fill("#username", username)
    await page.fill("#password", password)
    await page.click("button[type=submit]")


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
async def test_every_page_is_accessible_and_fits(site: Site, new_visit: NewVisit, look: dict[str, object]) -> None:
    """WCAG 2.2 AA by axe-core; reflow at 320 px (1.4.10)."""
    world = site.world
    await world.person()
    client = await world.client(first_party=False)
    visit = await new_visit(**look)
    page = visit.page
    await page.goto(site.url("/"))
    await _check_page(page, "start page")
    scope = "openid profile email address phone offline_access orders:read orders:write"
    await page.goto(site.url(world.authorize_url(client, scope=scope)))
    await _check_page(page, "sign-in")
    await _fill_in(page, password="wrong wrong wrong")
    assert await page.get_by_role("alert").is_visible()
    await _check_page(page, "sign-in, refused")
    await _fill_in(page)
    assert page.url == site.url("/consent")
    await _check_page(page, "consent")
    await page.goto(site.url("/"))
    await _check_page(page, "start page, signed in")
    await page.goto(site.url("/oauth/logout"))
    await _check_page(page, "sign out?")
    await page.click("button[type=submit]")
    await _check_page(page, "signed out")
    await page.goto(site.url("/oauth/authorize"))
    await _check_page(page, "error")
    await page.goto(await _link(world))
    await _check_page(page, "set-up")
    await page.eval_on_selector_all("input", "inputs => inputs.forEach(input => input.removeAttribute('required'))")
    await page.click("button[type=submit]")
    await _check_page(page, "set-up, refused")
    visit.check_no_complaints()


async def test_everything_works_with_the_keyboard_alone(site: Site, visit: Visit) -> None:
    await site.world.person()
    page, keys = visit.page, visit.page.keyboard
    await page.goto(site.url("/"))
    await keys.press("Tab")
    await keys.press("Enter")
    await page.wait_for_url(site.url("/signin"))
    assert await page.evaluate("document.activeElement.id") == "username"
    await keys.type("ada")
    await keys.press("Tab")
    await keys.type(PASSWORD)
    await keys.press("Enter")
    await page.wait_for_url(site.url("/"))
    assert await page.get_by_role("heading", name="You are signed in").is_visible()
    for button in ("Your account", "Sign out"):
        await keys.press("Tab")
        assert await page.evaluate("document.activeElement.textContent.trim()") == button
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


async def test_forms_work_without_scripts(site: Site, new_visit: NewVisit) -> None:
    await site.world.person()
    client = await site.world.client(first_party=False, redirect_uris=(site.url("/nowhere"),))
    visit = await new_visit(java_script_enabled=False)
    page = visit.page
    await page.goto(site.url(site.world.authorize_url(client, redirect_uri=site.url("/nowhere"))))
    await _fill_in(page)
    assert page.url == site.url("/consent")
    await page.get_by_role("button", name="Allow").click()
    assert page.url.startswith(site.url("/nowhere?code=oac_"))


async def test_deny_is_as_large_as_allow_and_comes_first(site: Site, visit: Visit) -> None:
    await site.world.person()
    client = await site.world.client(first_party=False)
    page = visit.page
    await page.goto(site.url(site.world.authorize_url(client)))
    await _fill_in(page)
    deny = await page.get_by_role("button", name="Deny").bounding_box()
    allow = await page.get_by_role("button", name="Allow").bounding_box()
    assert deny is not None
    assert allow is not None
    assert (round(deny["width"]), round(deny["height"])) == (round(allow["width"]), round(allow["height"]))
    assert deny["height"] >= 44


async def test_password_managers_know_the_fields(site: Site, visit: Visit) -> None:
    """WCAG 1.3.5: what each field is for."""
    page = visit.page
    await page.goto(site.url("/signin"))
    fields = "inputs => inputs.map(input => [input.name, input.type, input.autocomplete])"
    visible = "input:not([type=hidden])"
    assert await page.eval_on_selector_all(visible, fields) == [
        ["username", "text", "username webauthn"],
        ["password", "password", "current-password"],
    ]
    await page.goto(await _link(site.world))
    assert await page.eval_on_selector_all(visible, fields) == [
        ["username", "text", "username"],
        ["email", "email", "email"],
        ["name", "text", "name"],
        ["password", "password", "new-password"],
        ["password_repeat", "password", "new-password"],
    ]


async def test_the_way_back_survives_a_second_hop_after_the_form(site: Site, visit: Visit) -> None:
    """S9: a policy for form targets would block the redirect chain after the sign-in form in Chromium."""
    import asyncio

    async def hop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readline()).split()[1].decode()
        answer = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 7\r\nconnection: close\r\n\r\narrived"
        if request.startswith("/callback"):
            answer = "HTTP/1.1 302 Found\r\nlocation: /done\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        writer.write(answer.encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(hop, "127.0.0.1", 0) as application:
        port = application.sockets[0].getsockname()[1]
        callback = f"http://127.0.0.1:{port}/callback"
        await site.world.person()
        client = await site.world.client(redirect_uris=(callback,))
        await visit.page.goto(site.url(site.world.authorize_url(client, redirect_uri=callback)))
        await _fill_in(visit.page)
        assert visit.page.url == f"http://127.0.0.1:{port}/done"
        assert await visit.page.text_content("body") == "arrived"


@pytest.mark.parametrize("scripts", [True, False], ids=["by itself", "by its button"])
async def test_form_post_reaches_the_application(site: Site, new_visit: NewVisit, scripts: bool) -> None:
    """OAuth 2.0 Form Post Response Mode: our own script sends the form; without scripts the button does."""
    await site.world.person()
    callback = site.url("/nowhere")
    client = await site.world.client(redirect_uris=(callback,))
    visit = await new_visit(java_script_enabled=scripts)
    page = visit.page
    await page.goto(site.url(site.world.authorize_url(client, redirect_uri=callback, response_mode="form_post")))
    async with page.expect_request(lambda request: request.url == callback) as sent:
        await _fill_in(page)
        if not scripts:
            await page.get_by_role("button", name="Continue").click()
    request = await sent.value
    assert request.method == "POST"
    assert "code=oac_" in (request.post_data or "")
    visit.check_no_complaints()
