"""What a person with factors does: has an app, reads codes off it, takes steps of a sign-in."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from html import unescape

import httpx2
from sqlalchemy import func, select

from audit.record import Origin
from identity.factors.backup_codes import make_codes
from identity.factors.totp import PERIOD_S, TotpParameters, code_at, step_of
from identity.factors.totp_store import confirm_pending, load_pending
from identity.person_values import Person
from identity.tables import sessions
from tests.forms_browser import FormsBrowser, Page
from tests.world import ISSUER, PASSWORD, World


@dataclass(frozen=True, slots=True)
class App:
    """An authenticator app with one secret."""

    world: World
    secret: bytes
    parameters: TotpParameters

    def code(self, ahead: int = 0) -> str:
        """The code that it shows, or one of `ahead` steps later."""
        return code_at(self.secret, self.parameters, step_of(self.world.clock(), self.parameters) + ahead)

    def wrong(self) -> str:
        """A code that it shows neither now nor one step off."""
        near = {self.code(ahead) for ahead in (-1, 0, 1)}
        width = self.parameters.digits
        return next(code for code in (f"{number:0{width}d}" for number in range(9)) if code not in near)


def begin_a_step(world: World) -> World:
    """Moves the clock to just after a step of the codes began, so that none ends within a short test."""
    now = world.clock().timestamp()
    world.clock.move(seconds=PERIOD_S - now % PERIOD_S + 0.5)
    return world


async def give_app(world: World, person: Person, *, label: str = "Phone") -> App:
    """The person has an authenticator app from now on, confirmed by the code of the step before this one."""
    services, now, binding = world.services, world.clock(), secrets.token_bytes(32)
    async with services.database.transaction() as db:
        pending = await load_pending(db, services, person.id, binding, now=now)
        code = code_at(pending.secret, pending.parameters, step_of(now, pending.parameters) - 1)
        added = await confirm_pending(db, services, person.id, pending, code, label=label, now=now, origin=Origin())
        assert added is not None
    return App(world, pending.secret, pending.parameters)


async def give_codes(world: World, person: Person) -> tuple[str, ...]:
    """A set of backup codes."""
    async with world.services.database.transaction() as db:
        return await make_codes(db, world.services, person.id, now=world.clock(), origin=Origin())


async def to_second_step(world: World, http: httpx2.AsyncClient, url: str = "/signin", username: str = "ada") -> Page:
    """The page that asks for the second factor, after the right password."""
    browser = FormsBrowser(http, ISSUER)
    return await browser.sign_in(await browser.open(url), username, PASSWORD)


async def send_code(http: httpx2.AsyncClient, page: Page, code: str, **fields: str) -> Page:
    """Sends the form of a page with a code in it; no box is ticked unless `fields` says so."""
    unticked = {"remember": ""} if "remember" in page.form("code").fields else {}
    return await FormsBrowser(http, ISSUER).submit(page, page.form("code"), code=code, **{**unticked, **fields})


async def count_sessions(world: World) -> int:
    """How many sessions there ever were."""
    async with world.services.database.reading() as db:
        return (await db.execute(select(func.count()).select_from(sessions))).scalar_one()


def codes_in(page: Page) -> list[str]:
    """The backup codes that a page shows."""
    return [unescape(code) for code in re.findall(r"<li><code>([0-9A-Z-]+)</code></li>", page.text)]


def key_in(page: Page) -> str:
    """The manual key that a page shows, without its spaces."""
    found = re.search(r'class="factor-secret">([A-Z2-7 ]+)<', page.text)
    assert found, page.text
    return found[1].replace(" ", "")
