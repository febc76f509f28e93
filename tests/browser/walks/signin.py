"""The ways in: password, app, backup code, mailed code, passkey; what an application asks; the way out."""

from __future__ import annotations

from playwright.async_api import Route, expect

from identity.setup import make_link
from tests.browser.virtual_authenticator import Device, add_device, leave, touch
from tests.browser.walks.walk import Journey, Walk
from tests.identity.factors.steps import give_app, give_codes
from tests.identity.mail.letters_read import letters
from tests.world import CALLBACK

PASSKEY = "form[data-passkey] button[type=submit]"


async def by_app(walk: Walk) -> None:
    """Password, an app is added, password and its code; a step that asks again."""
    await walk.person()
    await walk.open("/")
    await walk.see("start")
    await walk.open("/signin")
    await expect(walk.page.locator(PASSKEY)).to_be_visible()
    await walk.see("signin")
    await walk.type_password("wrong by far 77")
    await walk.see("signin-refused")
    await walk.type_password()
    await walk.see("start-signed-in")
    await walk.open("/enrol/totp")
    await walk.see("enrol-totp")
    await walk.page.click("summary")
    await walk.type_code("000")
    await walk.page.click("summary")
    await walk.see("enrol-totp-refused")
    secret = await walk.add_app()
    await walk.see("enrol-backup-codes")
    await walk.page.fill("#code", "WRONG-WRONG")
    await walk.page.click("button[value=confirm]")
    await walk.see("enrol-backup-codes-refused")
    await walk.open("/enrol/backup-codes")
    await walk.see("enrol-backup-codes-later")
    await walk.sign_out()
    await walk.sign_in()
    await walk.see("signin-totp")
    await walk.type_code("000000")
    await walk.see("signin-totp-refused")
    await walk.type_code(walk.next_code(secret))
    await walk.page.wait_for_url(walk.site.url("/"))
    walk.world.clock.move(minutes=11)
    await walk.open("/enrol/totp")
    await walk.see("signin-again")


async def by_code(walk: Walk) -> None:
    """A backup code, and a mailed one."""
    person = await walk.person()
    await give_app(walk.world, person)
    codes = await give_codes(walk.world, person)
    await walk.sign_in()
    await walk.open("/signin/backup-code")
    await walk.see("signin-backup-code")
    await walk.type_code("AAAA-BBBB-CCCC-DDDD")
    await walk.see("signin-backup-code-refused")
    await walk.type_code(codes[0])
    await walk.page.wait_for_url(walk.site.url("/"))
    await walk.sign_out()
    await walk.sign_in()
    await walk.open("/signin/mail-code")
    await walk.see("signin-mail-code")
    await walk.page.click("button[value=send]")
    await walk.see("signin-mail-code-sent")
    await walk.page.fill("#code", (await letters(walk.world, "mail_code"))[-1].code)
    await walk.page.click("button[value=code]")
    await walk.page.wait_for_url(walk.site.url("/"))


async def by_passkey(walk: Walk) -> None:
    """A passkey is made on the way in, which is then a way in by itself and a second step."""
    await walk.person()
    device = await add_device(walk.visit)
    await walk.sign_in()
    await walk.see("enrol")
    await walk.page.click("a[href='/enrol/passkey']")
    await walk.see("enrol-passkey")
    await _cancel(walk, device)
    await walk.see("enrol-passkey-cancelled")
    await walk.page.locator(PASSKEY).click()
    await walk.page.locator("#codes").wait_for()
    await walk.see("enrol-backup-codes-in-signin")
    await walk.page.click("button[value=done]")
    await walk.page.wait_for_url(walk.site.url("/"))
    await leave(device)
    await walk.sign_out()
    await walk.open("/signin")
    await walk.open("/signin/passkey")
    await walk.see("signin-passkey")
    await _cancel(walk, device)
    await walk.see("signin-passkey-cancelled")
    await walk.page.locator(PASSKEY).click()
    await walk.page.wait_for_url(walk.site.url("/"))
    await leave(device)
    await walk.sign_out()
    await walk.sign_in()
    await walk.page.wait_for_url(walk.site.url("/signin/passkey"))
    await walk.see("signin-passkey-second")


async def _cancel(walk: Walk, device: Device) -> None:
    """The device answers, but its holder does not unlock it; the next time they do."""
    await device.tell("setUserVerified", isUserVerified=False)
    await touch(device)
    await walk.page.locator(PASSKEY).click()
    await walk.page.locator("[data-passkey-says=cancelled]").wait_for()
    await device.tell("setUserVerified", isUserVerified=True)


async def must_add(walk: Walk) -> None:
    """An application is asked for, and a second factor must be there first."""
    await walk.person()
    client = await walk.world.client()
    await walk.open(walk.world.authorize_url(client))
    await walk.see("signin-for-application")
    await walk.type_password()
    await walk.see("enrol-must")


async def for_application(walk: Walk) -> None:
    """What an application of others asks, the hop back to it, and the way out."""
    await walk.person()
    client = await walk.world.client(first_party=False)
    scope = "openid profile email address phone offline_access orders:read orders:write"
    await walk.open(walk.world.authorize_url(client, scope=scope))
    await walk.type_password()
    await walk.see("consent")
    # Nobody is there to answer; the page that sends the form stays.
    await walk.visit.context.route(f"{CALLBACK}**", _answer_nothing)
    own = await walk.world.client(name="Holidays")
    async with walk.page.expect_request(CALLBACK):
        await walk.page.goto(
            walk.site.url(walk.world.authorize_url(own, response_mode="form_post")), wait_until="commit"
        )
    await walk.see("back-to-application")
    await walk.open("/oauth/logout")
    await walk.see("signout")
    await walk.page.locator("main button[type=submit]").click()
    await walk.see("signed-out")


async def _answer_nothing(route: Route) -> None:
    await route.fulfill(status=204)


async def first_administrator(walk: Walk) -> None:
    """The link that a new deployment prints."""
    async with walk.world.services.database.transaction() as db:
        link = await make_link(db, walk.world.services, now=walk.world.clock(), actor="cli")
    await walk.open(link)
    await walk.see("setup")
    await walk.send_empty()
    await walk.see("setup-refused")


async def shut_out(walk: Walk) -> None:
    """What goes wrong: too many attempts, a page of another time, an address that is none."""
    await walk.open("/signin")
    await walk.type_password("wrong by far 77")
    await walk.type_password("wrong by far 78")
    await walk.see("wait")
    await walk.open("/signin")
    await walk.sign_out()
    await walk.type_password()
    await walk.see("out-of-date")
    await walk.open("/oauth/authorize")
    await walk.see("bad-request")
    await walk.open("/nothing-here")
    await walk.see("not-found")


JOURNEYS = (
    Journey(
        "password and app",
        by_app,
        {
            "start": "the start page",
            "signin": "sign-in",
            "signin-refused": "sign-in, refused",
            "start-signed-in": "the start page, signed in",
            "enrol-totp": "adding an authenticator app",
            "enrol-totp-refused": "adding an authenticator app: its key for typing, and a wrong code",
            "enrol-backup-codes": "the new backup codes",
            "enrol-backup-codes-refused": "one typed back wrongly",
            "enrol-backup-codes-later": "backup codes, later",
            "signin-totp": "the second step by an app",
            "signin-totp-refused": "the second step by an app, refused",
            "signin-again": "a step that asks to sign in again",
        },
    ),
    Journey(
        "backup code and mailed code",
        by_code,
        {
            "signin-backup-code": "the second step by a backup code",
            "signin-backup-code-refused": "the second step by a backup code, refused",
            "signin-mail-code": "the second step by mail",
            "signin-mail-code-sent": "the second step by mail, after the letter went",
        },
    ),
    Journey(
        "passkey",
        by_passkey,
        {
            "enrol": "the choice of a second factor, which may wait",
            "enrol-passkey": "adding a passkey",
            "enrol-passkey-cancelled": "adding a passkey, not done",
            "enrol-backup-codes-in-signin": "the new backup codes, within a sign-in",
            "signin-passkey": "sign-in by passkey",
            "signin-passkey-cancelled": "sign-in by passkey, not done",
            "signin-passkey-second": "the second step by passkey",
        },
        {"mfa__required": "true", "mfa__mail_code": "false"},
    ),
    Journey(
        "a factor that cannot wait",
        must_add,
        {
            "signin-for-application": "sign-in for an application",
            "enrol-must": "the choice of a second factor, which cannot wait",
        },
        {"mfa__required": "true", "mfa__mail_code": "false", "mfa__grace_days": "0"},
    ),
    Journey(
        "application",
        for_application,
        {
            "consent": "what an application asks for",
            "back-to-application": "the hop back by `form_post`",
            "signout": "the question before signing out",
            "signed-out": "signed out",
        },
    ),
    Journey(
        "first administrator",
        first_administrator,
        {"setup": "the first administrator", "setup-refused": "the first administrator, refused"},
    ),
    Journey(
        "shut out",
        shut_out,
        {
            "wait": "too many attempts from one network",
            "out-of-date": "a page of another time",
            "bad-request": "an application's request that cannot be answered",
            "not-found": "an address that is none",
        },
        {"rate__per_address": "1"},
    ),
)
