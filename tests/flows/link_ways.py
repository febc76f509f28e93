"""Links that people get by mail or from an administrator: made for a person, and followed all the way in."""

from dataclasses import dataclass

from audit.record import Origin
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.person_values import Person
from identity.recovery.emails import add_email
from identity.recovery.invitations import invite
from identity.recovery.password_links import make_password_link
from identity.recovery.resets import start_reset
from tests.forms_browser import FormsBrowser
from tests.identity.mail.letters_read import letters
from tests.world import ISSUER, PASSWORD, CreatedClient, World

NEW_PASSWORD = "three lanterns over wet slate 4"


@dataclass(frozen=True, slots=True)
class LinkPaths:
    """The paths of links that nobody has opened yet."""

    recovery: str
    reset: str
    invite: str


async def make_links(world: World, person: Person) -> LinkPaths:
    """One of each; those of the person let them choose a new password."""
    services, now = world.services, world.clock()
    async with services.database.transaction() as db:
        ttl = services.settings.recovery_ttl
        recovery = await make_password_link(db, "recover", person.id, ttl=ttl, now=now)
        reset = await start_reset(db, services, person.id, password=True, factors=False, now=now, actor="cli")
        address = "grace@example.com"
        invited = await invite(db, services, email=address, name="Grace", now=now, actor="cli", via="mail")
    return LinkPaths(f"/recover/{recovery}", reset.removeprefix(ISSUER), invited.removeprefix(ISSUER))


async def make_verify_link(world: World, person: Person, address: str = "other@example.net") -> str:
    """The path of the link that verifies another address of the person."""
    async with world.services.database.transaction() as db:
        await add_email(db, world.services, person.id, address, now=world.clock(), origin=Origin())
    return (await letters(world, "verify"))[-1].link().removeprefix(ISSUER)


async def make_notice_link(world: World, person: Person, notice: Notice, name: str) -> str:
    """The path of a link in a notice to the person."""
    async with world.services.database.transaction() as db:
        await notify(db, world.services, person.id, notice, now=world.clock(), origin=Origin())
    return (await letters(world, notice))[-1].link(name).removeprefix(ISSUER)


async def choose_and_sign_in(world: World, path: str, client: CreatedClient, *, address: str) -> bool:
    """Whether a new password can be chosen behind the link, and leads to the application."""
    async with world.browser(address=address) as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open(path)
        if not page.forms:
            return False
        chosen = {"password": NEW_PASSWORD, "password_repeat": NEW_PASSWORD}
        done = await browser.submit(page, page.form("password_repeat"), **chosen)
        if not done.url.endswith("/done"):
            return False
        page = await browser.open(world.authorize_url(client, scope="openid offline_access"))
        if not page.forms:
            return False
        return "code" in (await browser.sign_in(page, "ada", NEW_PASSWORD)).params


async def join(world: World, path: str, *, address: str) -> bool:
    """Whether an account can be made behind the link, and is signed in."""
    async with world.browser(address=address) as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open(path)
        form = page.form("password_repeat")
        done = await browser.submit(page, form, username="grace", password=PASSWORD, password_repeat=PASSWORD)
        return done.status == 200 and "You are signed in" in done.text
