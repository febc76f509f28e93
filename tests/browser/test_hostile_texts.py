"""What others chose to be called stays text in every page: nothing of it runs, loads or breaks out (S49)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.async_api import Page

from identity.apis import create_api
from tests.browser.conftest import Site
from tests.browser_fixtures import Visit
from tests.world import API, PASSWORD

pytestmark = pytest.mark.anyio

PAYLOADS = (
    "<script>window.broken = 1</script>",
    '"><img src=x onerror="window.broken = 1">',
    "'-window.broken-'",
    "</title><svg onload=window.broken=1>",
    "{{ 7 * 7 }}{% raw %}${7*7}#{7*7}",
    "<base href=//evil.example><form action=//evil.example>",
    "javascript:window.broken=1",
    "<style>@import '//evil.example/x.css'</style>",
    "&lt;b&gt; &amp;amp; %3Cscript%3E",
)

# The sign-in page has one script of our own, for passkeys.
FOREIGN = "script:not([src^='/static/passkey-'], [src^='/static/browser_facts-']), img, base, style, form[action*=evil]"


async def _check_is_text(page: Page, words: str) -> None:
    assert words in (await page.inner_text("body")).replace("\n", " ")
    assert await page.evaluate("window.broken") is None
    assert await page.locator(FOREIGN).count() == 0


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_the_names_of_applications_and_scopes_are_text(site: Site, visit: Visit, payload: str) -> None:
    """S49: a client's name at sign-in and consent, an API's name and its scopes' descriptions."""
    world, page = site.world, visit.page
    await world.person()
    async with world.services.database.transaction() as db:
        scopes = {"orders:read": payload, "orders:write": payload}
        await create_api(
            db, world.services, identifier=API, name=payload, scopes=scopes, now=world.clock(), actor="cli"
        )
    callback = site.url("/nowhere")
    client = await world.client(name=payload, first_party=False, redirect_uris=(callback,))
    await page.goto(site.url(world.authorize_url(client, redirect_uri=callback, scope="openid orders:read")))
    await _check_is_text(page, payload)
    await page.fill("#username", "ada")
    await page.fill("#password", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_url("**/consent")
    await _check_is_text(page, payload)
    assert (await page.inner_text("body")).count(payload) >= 3
    visit.check_no_complaints()


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_parameters_that_end_on_an_error_page_are_text(site: Site, visit: Visit, payload: str) -> None:
    """S49, S3"""
    for path in (
        f"/oauth/authorize?client_id={quote(payload)}&redirect_uri={quote(payload)}",
        f"/oauth/authorize?{quote(payload)}=1&{quote(payload)}=2",
        f"/oauth/logout?id_token_hint={quote(payload)}&state={quote(payload)}",
        f"/setup/{quote(payload, safe='')}",
    ):
        await visit.page.goto(site.url(path))
        assert await visit.page.evaluate("window.broken") is None, path
        assert await visit.page.locator(FOREIGN).count() == 0, path
    visit.check_no_complaints()
