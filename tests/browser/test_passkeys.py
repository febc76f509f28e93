"""Passkeys in Chromium, with the DevTools protocol's virtual authenticator: our page, our script, a real ceremony."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from identity.person_values import Person
from tests.browser.conftest import Site
from tests.browser.test_signin_pages import LOOKS, _check_page
from tests.browser.virtual_authenticator import Device, add_device, leave, touch
from tests.browser_fixtures import NewVisit, Visit
from tests.identity.factors.passkey_ceremonies import stored_passkeys
from tests.world import PASSWORD

pytestmark = pytest.mark.anyio

PASSKEY_FAULT = "That passkey did not work here."


async def _use_button(site: Site, page: Page, device: Device) -> None:
    """Opens the sign-in page and clicks the button, once autofill waits."""
    await page.goto(site.url("/signin"))
    await expect(page.locator("html")).to_have_attribute("data-asked", "1")
    await touch(device)
    await page.get_by_role("button", name="Use a passkey").click()


async def _by_password(site: Site, page: Page) -> None:
    await page.goto(site.url("/signin"))
    await page.fill("#username", "ada")
    await page.fill("#password", PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def _enrolled(site: Site, visit: Visit) -> tuple[Person, Device]:
    """A person who made a passkey on the page for it, and signed out by losing their cookies."""
    person, device, page = await site.world.person(), await add_device(visit), visit.page
    await _by_password(site, page)
    await expect(page).to_have_url(site.url("/"))
    await page.goto(site.url("/enrol/passkey"))
    await page.fill("#label", "My laptop")
    await touch(device)
    await page.get_by_role("button", name="Make a passkey").click()
    await expect(page.get_by_role("heading", name="Save your backup codes")).to_be_visible()
    await leave(device)
    await visit.context.clear_cookies()
    return person, device


async def test_a_passkey_is_made_on_the_page(site: Site, visit: Visit) -> None:
    person, device = await _enrolled(site, visit)
    assert await device.count_credentials() == 1
    [row] = await stored_passkeys(site.world)
    assert (row["person_id"], row["label"], row["kind"]) == (person.id, "My laptop", "passkey_bound")


async def test_the_button_signs_in_without_a_username(site: Site, visit: Visit) -> None:
    _, device = await _enrolled(site, visit)
    page = visit.page
    await _use_button(site, page, device)
    await expect(page).to_have_url(site.url("/"))
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    assert (await site.world.events("login.succeeded"))[-1]["data"] == {
        "methods": ["passkey_bound"],
        "new_device": True,
    }


async def test_autofill_signs_in_by_itself(site: Site, visit: Visit) -> None:
    """Conditional mediation: the browser offers the passkey in the username field; nothing of ours is clicked."""
    _, device = await _enrolled(site, visit)
    page = visit.page
    await touch(device)
    await page.goto(site.url("/signin"))
    await expect(page).to_have_url(site.url("/"))
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()


async def test_autofill_asks_again_before_its_challenge_is_too_old(site: Site, visit: Visit) -> None:
    """A page may stay open for longer than the five minutes of a challenge; then the newest one is answered."""
    _, device = await _enrolled(site, visit)
    page = visit.page
    await page.clock.install()
    await page.goto(site.url("/signin"))
    await expect(page.locator("html")).to_have_attribute("data-asked", "1")
    site.world.clock.move(minutes=6)
    await touch(device)
    await page.clock.fast_forward(4 * 60 * 1000)
    await expect(page).to_have_url(site.url("/"))
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()


async def test_autofill_leaves_the_password_alone(site: Site, visit: Visit) -> None:
    """While it waits, name and password sign in as ever, and then the passkey is asked for."""
    _, device = await _enrolled(site, visit)
    page = visit.page
    await _by_password(site, page)
    await expect(page).to_have_url(site.url("/signin/passkey"))
    await expect(page.get_by_role("heading", name="Confirm with your passkey")).to_be_visible()
    await expect(page.get_by_text("Ada Byron")).to_be_visible()
    await touch(device)
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page).to_have_url(site.url("/"))


async def test_without_user_verification_nobody_gets_in(site: Site, visit: Visit) -> None:
    """S30"""
    _, device = await _enrolled(site, visit)
    page = visit.page
    await device.tell("setUserVerified", isUserVerified=False)
    await _use_button(site, page, device)
    await expect(page.get_by_text("No passkey was used.")).to_be_visible()
    await expect(page.get_by_role("button", name="Use a passkey")).to_be_enabled()
    assert page.url == site.url("/signin")
    assert len(await site.world.events("login.succeeded")) == 1


async def test_without_presence_nobody_gets_in(site: Site, visit: Visit) -> None:
    """S30: an authenticator that nobody touches answers nothing, and the other ways stay."""
    await _enrolled(site, visit)
    page = visit.page
    await page.goto(site.url("/signin"))
    await expect(page.locator("html")).to_have_attribute("data-asked", "1")
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.locator("html")).to_have_attribute("data-asked", "2")
    await expect(page.get_by_role("button", name="Use a passkey")).to_be_disabled()
    await expect(page.locator("#username")).to_be_editable()
    assert page.url == site.url("/signin")
    assert len(await site.world.events("login.succeeded")) == 1
    await _by_password(site, page)
    await expect(page).to_have_url(site.url("/signin/passkey"))


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"isBogusSignature": True}, "passkey_bad_signature"),
        ({"isBadUV": True}, "passkey_user_not_verified"),
        ({"isBadUP": True}, "passkey_user_not_present"),
    ],
    ids=["bogus signature", "without user verification", "without presence"],
)
async def test_an_authenticator_that_lies_is_refused(
    site: Site, visit: Visit, lie: dict[str, bool], reason: str
) -> None:
    """S30: what the browser lets through, the server does not."""
    _, device = await _enrolled(site, visit)
    page = visit.page
    await device.tell("setResponseOverrideBits", **lie)
    await _use_button(site, page, device)
    await expect(page.get_by_role("alert").filter(has_text=PASSKEY_FAULT)).to_be_visible()
    assert page.url == site.url("/signin/passkey")
    assert [event["data"] for event in await site.world.events("login.failed")] == [{"reason": reason}]
    await device.tell("setResponseOverrideBits", isBogusSignature=False, isBadUV=False, isBadUP=False)
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page).to_have_url(site.url("/"))


async def test_the_same_device_makes_no_second_passkey(site: Site, visit: Visit) -> None:
    _, device = await _enrolled(site, visit)
    page = visit.page
    await _use_button(site, page, device)
    await expect(page).to_have_url(site.url("/"))
    await page.goto(site.url("/enrol/passkey"))
    await page.get_by_role("button", name="Make a passkey").click()
    await expect(page.get_by_text("holds a passkey of this account already")).to_be_visible()
    assert await device.count_credentials() == 1


async def test_without_the_newer_functions_of_browsers_it_works_too(site: Site, visit: Visit) -> None:
    """No `toJSON`, no `parse…FromJSON`: bytes are read and shown by our own lines."""
    await visit.context.add_init_script(
        "delete PublicKeyCredential.parseCreationOptionsFromJSON;"
        "delete PublicKeyCredential.parseRequestOptionsFromJSON;"
        "delete PublicKeyCredential.prototype.toJSON;"
    )
    _, device = await _enrolled(site, visit)
    page = visit.page
    await _use_button(site, page, device)
    await expect(page).to_have_url(site.url("/"))


async def test_without_scripts_there_is_no_passkey_and_all_else_works(site: Site, new_visit: NewVisit) -> None:
    await site.world.person()
    visit = await new_visit(java_script_enabled=False)
    page = visit.page
    await page.goto(site.url("/signin"))
    await expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
    await _by_password(site, page)
    await expect(page).to_have_url(site.url("/"))
    await page.goto(site.url("/enrol/passkey"))
    await expect(page.get_by_role("button", name="Make a passkey")).to_be_hidden()
    await expect(page.get_by_text("This needs a browser that knows passkeys")).to_be_visible()
    visit.check_no_complaints()


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
async def test_the_pages_are_accessible_and_fit(site: Site, new_visit: NewVisit, look: dict[str, object]) -> None:
    """WCAG 2.2 AA by axe-core; reflow at 320 px (1.4.10)."""
    await site.world.person()
    visit = await new_visit(**look)
    page, device = visit.page, await add_device(visit)
    await page.goto(site.url("/signin"))
    await expect(page.locator("form[data-passkey] button")).to_be_visible()
    await _check_page(page, "sign-in")
    await page.goto(site.url("/signin/passkey"))
    await _check_page(page, "sign-in by passkey")
    await page.goto(site.url("/signin"))
    await page.fill("#username", "ada")
    await page.fill("#password", PASSWORD)
    await page.locator("form[action='/signin'] button").click()
    await expect(page).to_have_url(site.url("/"))
    await page.goto(site.url("/enrol/passkey"))
    await _check_page(page, "add a passkey")
    await device.tell("setUserVerified", isUserVerified=False)
    await touch(device)
    await page.locator("form[data-passkey] button").click()
    await expect(page.locator("[data-passkey-says=cancelled]")).to_be_visible()
    await _check_page(page, "add a passkey, not done")
    visit.check_no_complaints()
