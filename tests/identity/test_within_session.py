"""Changes by somebody who is thrown out while their form is under way (I2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from starlette.requests import Request
from starlette.responses import Response

from audit.record import Origin
from base.forms import Form
from base.ids import DEVICE, SESSION, show_id
from identity import revocation
from identity.account.deletion import ask_deletion
from identity.account.shell import Sent, Shell
from identity.enrolling import Enrolling
from identity.factors.codes_page import CodesPage
from identity.factors.registry import FACTOR
from identity.passwords import clear_password
from identity.person_values import Person
from identity.tables import devices, people
from tests.forms_browser import FormsBrowser
from tests.identity.account.furnished import furnish
from tests.identity.account.own_pages import Own, at_own_pages, give_factor, said
from tests.identity.factors.steps import codes_in
from tests.identity.forms import SAME_ORIGIN
from tests.world import ISSUER, PASSWORD, World

pytestmark = pytest.mark.anyio

NEW = "seven green ladders 4 the moon"
# page, where its form goes, and what is in it; words in braces are filled in.
CHANGES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("", "", {}),
    ("/profile", "/profile", {"name": "Mallory"}),
    ("/profile", "/profile/emails", {"action": "add", "email": "mallory@example.com"}),
    ("/profile", "/profile/emails", {"action": "remove", "email": "ada.byron@new.example.com"}),
    ("/security", "/security", {"action": "rename", "factor": "{factor}", "label": "Mine"}),
    ("/security", "/security", {"action": "remove", "factor": "{factor}"}),
    ("/security", "/security", {"action": "forget", "device": "{device}"}),
    ("/security", "/security", {"action": "forget_all"}),
    ("/security", "/security/password", {"current": PASSWORD, "password": NEW, "password_repeat": NEW}),
    ("/sessions", "/sessions", {"action": "end_others"}),
    ("/apps", "/apps", {"client": "{client}"}),
    ("/data", "/data", {}),
    ("/delete", "/delete", {"sure": "yes"}),
)


async def revoke(world: World, person: Person) -> None:
    """Everything of the person ends, as by "this was not me"."""
    async with world.services.database.transaction() as db:
        now = world.clock()
        await revocation.revoke_person(db, world.services, person.id, why="not_me", now=now, actor="cli")


def revoked_on_the_way(world: World, person: Person, monkeypatch: pytest.MonkeyPatch) -> list[list[object]]:
    """Revokes everything just after a form of an account page was let in; what the events were then is put in here."""
    before: list[list[object]] = []
    let_in = Shell.receive

    async def receive(self: Shell, request: Request, *, fresh: bool = False) -> Sent | Response:
        sent = await let_in(self, request, fresh=fresh)
        assert isinstance(sent, Sent)
        await revoke(world, person)
        before.append(list(await world.events()))
        return sent

    monkeypatch.setattr(Shell, "receive", receive)
    return before


async def _fill(own: Own, fields: dict[str, str], factor: bytes, client: str) -> dict[str, str]:
    async with own.world.services.database.transaction() as db:
        later = own.world.clock() + timedelta(days=1)
        await db.execute(update(devices).values(trusted_until=later))
        device = (await db.execute(select(devices.c.id).where(devices.c.person_id == own.person.id))).scalars().first()
        now = own.world.clock()
        if not fields:
            actor = "cli"
            await ask_deletion(db, own.world.services, own.person.id, now=now, actor=actor, origin=Origin())
    known = {"factor": show_id(FACTOR, factor), "device": show_id(DEVICE, device or b""), "client": client}
    return {name: value.format(**known) for name, value in fields.items()}


@pytest.mark.parametrize(("page", "to", "fields"), CHANGES, ids=[to + "".join(f) for _, to, f in CHANGES])
async def test_an_account_form_that_waited_for_a_revocation_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, page: str, to: str, fields: dict[str, str]
) -> None:
    """S18, I2, S44: whoever was thrown out is asked to sign in, and not one event tells of a change."""
    person = await world.person()
    await world.person("bob")
    await furnish(world, person)
    factor = await give_factor(world, person)
    client = (await world.client()).client.client_id
    async with at_own_pages(world, person, methods=("pwd", "totp")) as own:
        filled = await _fill(own, fields, factor, client)
        token = await own.token(page)
        before = revoked_on_the_way(world, person, monkeypatch)
        form = {**filled, "form_token": token}
        answer = await own.browser.post(f"/account{to}", data=form, headers=SAME_ORIGIN)
        assert said(answer) == "/signin"
        assert len(before) == 1, "the form was let in"
        assert list(await world.events()) == before[0]


async def test_ending_one_session_after_a_revocation_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S18, I2"""
    person = await world.person()
    async with at_own_pages(world, person) as own, at_own_pages(world, person) as other:
        token = await own.token("/sessions")
        before = revoked_on_the_way(world, person, monkeypatch)
        form = {"action": "end", "session": show_id(SESSION, other.session_id), "form_token": token}
        answer = await own.browser.post("/account/sessions", data=form, headers=SAME_ORIGIN)
        assert said(answer) == "/signin"
        assert list(await world.events()) == before[0]


@pytest.mark.parametrize("action", ["make", "confirm", "done"])
async def test_backup_codes_are_neither_made_nor_confirmed_after_a_revocation(
    world: World, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """S18, S26, I2: whoever was thrown out would keep a way back."""
    person = await world.person()
    await give_factor(world, person)
    async with world.browser() as http:
        await world.sign_in(http, person, methods=("pwd", "totp"))
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open("/enrol/backup-codes")
        if action != "make":
            page = await browser.submit(page, page.form("action"), action="make")
        code = (codes_in(page) or [""])[0]
        let_in: Callable[..., Awaitable[Enrolling | Response]] = CodesPage._enrolling
        told = len(await world.events("backup_code.generated"))

        async def enrolling(self: CodesPage, request: Request, form: Form, *, is_fresh: bool) -> Enrolling | Response:
            found = await let_in(self, request, form, is_fresh=is_fresh)
            assert isinstance(found, Enrolling)
            await revoke(world, person)
            return found

        monkeypatch.setattr(CodesPage, "_enrolling", enrolling)
        done = await browser.submit(page, page.form("action"), action=action, code=code)
        assert done.url == f"{ISSUER}/signin"
        assert codes_in(done) == []
    assert len(await world.events("backup_code.generated")) == told
    assert await world.events("backup_code.confirmed") == []


async def test_a_password_change_and_a_revocation_do_not_block_each_other(world: World) -> None:
    """I2, S32: both take the person's row before the session's, so neither is answered 503."""
    person = await world.person()
    async with at_own_pages(world, person) as own:
        token = await own.token("/security")
        form = {"current": PASSWORD, "password": NEW, "password_repeat": NEW, "form_token": token}
        async with world.services.database.transaction() as db:
            locked = select(people.c.id).where(people.c.id == person.id).with_for_update(key_share=True)
            await db.execute(locked)
            send = own.browser.post("/account/security/password", data=form, headers=SAME_ORIGIN)
            waiting = asyncio.create_task(send)
            await asyncio.sleep(0.3)
            now = world.clock()
            await clear_password(db, world.services, person.id, why="not_me", now=now, actor="cli")
            await revocation.revoke_person(db, world.services, person.id, why="not_me", now=now, actor="cli")
        assert said(await waiting) == "/signin"
    assert [event["data"] for event in await world.events("password.set")] == [{"why": "created"}]
