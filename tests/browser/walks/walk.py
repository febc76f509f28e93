"""A person's walk through the pages, in one language: what it needs, and the small steps that every walk takes."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser, Page
from sqlalchemy import update

from audit.record import Origin
from identity.factors.totp import PERIOD_S, TotpParameters, code_at, step_of
from identity.person_values import Person
from identity.tables import people
from tests.browser.conftest import Site, open_site
from tests.browser_fixtures import Visit, watch
from tests.databases import Databases
from tests.world import PASSWORD, World

LANGUAGES: Mapping[str, str] = {"en": "English", "tr": "Turkish"}
THEMES = ("light", "dark")
WIDTHS: Mapping[int, int] = {360: 740, 1200: 800}
LOCALES: Mapping[str, tuple[str, str]] = {"en": ("en-GB", "Europe/London"), "tr": ("tr-TR", "Europe/Istanbul")}
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
ORIGIN = Origin("203.0.113.5", CHROME)
SEND = "main form:has(#code) button[type=submit]"


@dataclass
class Walk:
    """One walk: the deployment, the browser, the language, and what is done at each page (`look`)."""

    site: Site
    visit: Visit
    language: str
    look: Callable[[Page, str], Awaitable[None]]
    seen: list[str] = field(default_factory=list)

    @property
    def page(self) -> Page:
        """The browser's one page."""
        return self.visit.page

    @property
    def world(self) -> World:
        """The deployment."""
        return self.site.world

    async def see(self, name: str) -> None:
        """Stops at the page that is open now, which is called `name`."""
        self.seen.append(name)
        await self.look(self.page, name)

    async def open(self, path: str) -> None:
        """Opens a page of the deployment, by its path or its whole address."""
        await self.page.goto(path if path.startswith("http") else self.site.url(path))

    async def person(self, username: str = "ada") -> Person:
        """A person who speaks the language of the walk."""
        person = await self.world.person(username)
        locale, zone = LOCALES[self.language]
        profile = {**person.profile, "locale": locale, "zoneinfo": zone}
        async with self.world.services.database.transaction() as db:
            await db.execute(update(people).where(people.c.id == person.id).values(profile=profile))
        return replace(person, profile=profile)

    async def type_password(self, password: str = PASSWORD) -> None:
        """Fills in the sign-in form that is open, and sends it."""
        await self.page.fill("#username", "ada")
        await self.page.fill("#password", password)
        await self.page.locator("form[action='/signin'] button[type=submit]").click()

    async def sign_in(self) -> None:
        """Opens the sign-in page and gives the password there."""
        await self.open("/signin")
        await self.type_password()

    async def sign_out(self) -> None:
        """Loses the browser's cookies."""
        await self.visit.context.clear_cookies()

    async def type_code(self, code: str) -> None:
        """Fills in the field for a code, and sends its form."""
        await self.page.fill("#code", code)
        await self.page.locator(SEND).first.click()

    async def send_empty(self) -> None:
        """Sends the form with nothing in it, as a browser without our hints could."""
        await self.page.eval_on_selector_all("input", "all => all.forEach(each => each.removeAttribute('required'))")
        await self.page.locator("main form button[type=submit]").last.click()

    async def add_app(self) -> bytes:
        """Reads the key off the page that adds an app, and confirms it; returns the secret."""
        secret = await self.read_key()
        await self.type_code(self.code(secret, -1))
        await self.page.locator("#codes").wait_for()
        return secret

    async def read_key(self) -> bytes:
        """The secret that the page shows for typing."""
        shown = await self.page.locator(".factor-secret").text_content()
        return base64.b32decode((shown or "").replace(" ", ""))

    def code(self, secret: bytes, ahead: int = 0) -> str:
        """What an app with this secret shows, `ahead` steps from now."""
        parameters = TotpParameters()
        return code_at(secret, parameters, step_of(self.world.clock(), parameters) + ahead)

    def next_code(self, secret: bytes) -> str:
        """What the app shows after the next step of time began, which is now."""
        now = self.world.clock().timestamp()
        self.world.clock.move(seconds=PERIOD_S - now % PERIOD_S + 0.5)
        return self.code(secret)


@dataclass(frozen=True, slots=True)
class Journey:
    """A walk with a name, the pages that it stops at with what each shows, and the settings that it needs.

    Pages that differ from others by their sentences alone are walked and checked, and not `is_pictured` in the docs.
    """

    name: str
    steps: Callable[[Walk], Awaitable[None]]
    pages: Mapping[str, str]
    settings: Mapping[str, str | None] = field(default_factory=dict)
    is_pictured: bool = True


# As a company would set it, with everything shown that can be; the demo keeps the letters.
USUAL: Mapping[str, str | None] = {
    "smtp_url": None,
    "mail__sender": None,
    "mfa__mail_code": "true",
    "session__keep_s": "2592000",
    "registration__open": "true",
}


@asynccontextmanager
async def begun(
    journey: Journey,
    browser: Browser,
    databases: Databases,
    folder: Path,
    *,
    language: str,
    look: Callable[[Page, str], Awaitable[None]],
) -> AsyncIterator[Walk]:
    """The walk of a journey at its beginning: a fresh deployment in `folder`, and a browser of its own."""
    settings = {**USUAL, **journey.settings}
    locale = LOCALES[language][0]
    async with open_site(databases, folder, refusal_deadline=timedelta(), **settings) as site:
        context = await browser.new_context(locale=locale, user_agent=CHROME, reduced_motion="reduce")
        try:
            yield Walk(site, await watch(context), language, look)
        finally:
            await context.close()
