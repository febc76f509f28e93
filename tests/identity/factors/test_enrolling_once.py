"""Where an enrolment within a sign-in leads, however long somebody takes over it, and how often one may be repeated."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import func, select

from base.tables import outbox
from identity.factors.codes_page import MOST_MADE
from identity.factors.totp import TotpParameters
from identity.mail.notices import MOST_AN_HOUR
from identity.refusal_events import MAX_RECORDED
from tests.forms_browser import FormsBrowser, Page
from tests.identity.factors.passkey_authenticator import Authenticator
from tests.identity.factors.passkey_ceremonies import ENROL, make_passkey
from tests.identity.factors.steps import (
    App,
    begin_a_step,
    codes_in,
    give_app,
    key_in,
    send_code,
    to_second_step,
)
from tests.identity.forms import words_of
from tests.world import ISSUER, PASSWORD, World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def strict(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Everybody needs a second factor, and may put it off for a week."""
    opened = open_world(database_url, tmp_path, refusal_deadline=timedelta(), mfa__required="true", mfa__grace_days="7")
    async with opened as world:
        yield begin_a_step(world)


def app_of(world: World, page: Page) -> App:
    """An app that took the key of a page."""
    key = key_in(page)
    return App(world, base64.b32decode(key + "=" * (-len(key) % 8)), TotpParameters())


async def letters(world: World) -> int:
    async with world.services.database.reading() as db:
        query = select(func.count()).select_from(outbox).where(outbox.c.kind == "factor_added")
        return (await db.execute(query)).scalar_one()


@pytest.mark.parametrize("action", ["confirm", "done"])
async def test_who_takes_long_to_save_the_codes_still_gets_to_the_application(strict: World, action: str) -> None:
    """S17: neither answer hands anything out, so an old proof is enough, and the sign-in that waits is not given up."""
    await strict.person()
    client = await strict.client()
    async with strict.browser() as http:
        browser = FormsBrowser(http, ISSUER)
        await to_second_step(strict, http, strict.authorize_url(client))
        page = await browser.open("/enrol/totp")
        shown = await send_code(http, page, app_of(strict, page).code())
        codes = codes_in(shown)
        strict.clock.move(minutes=20)
        done = await browser.submit(shown, shown.form("action", "code"), action=action, code=codes[0])
        assert "code" in done.params


async def test_new_codes_and_the_download_still_want_a_fresh_proof(world: World) -> None:
    """S29: they hand out what opens the account."""
    person = await world.person()
    await give_app(world, person)
    async with world.browser() as http:
        await world.sign_in(http, person, methods=("pwd", "totp"))
        page = await FormsBrowser(http, ISSUER).open("/enrol/backup-codes")
        token = {"form_token": page.form("action").fields["form_token"]}
        world.clock.move(minutes=11)
        for path in ("/enrol/backup-codes", "/enrol/backup-codes/download"):
            refused = await http.post(path, data={**token, "action": "make"})
            assert (refused.status_code, refused.headers["location"]) == (303, "/signin")
    assert await world.events("backup_code.generated") == []


async def enrol_after_signing_in_again(world: World, http: httpx2.AsyncClient, path: str) -> Page:
    """Somebody with an old session opens an enrolment page, signs in for it, and is offered the same by the sign-in."""
    await world.sign_in(http, await world.person())
    world.clock.move(minutes=15)
    browser = FormsBrowser(http, ISSUER)
    asked = await browser.sign_in(await browser.open(path), "ada", PASSWORD)
    assert asked.url == f"{ISSUER}/enrol"
    return await browser.open(path)


@pytest.mark.parametrize("last", ["confirm", "sign-in page"])
async def test_who_signed_in_to_add_an_app_and_did_is_not_asked_for_a_second_one(strict: World, last: str) -> None:
    async with strict.browser() as http:
        page = await enrol_after_signing_in_again(strict, http, "/enrol/totp")
        shown = await send_code(http, page, app_of(strict, page).code())
        if last == "confirm":
            done = await send_code(http, shown, codes_in(shown)[0], action="confirm")
        else:
            done = await FormsBrowser(http, ISSUER).open("/signin")
        assert done.url == f"{ISSUER}/account/security"
    assert len(await strict.events("mfa.enrolled")) == 1


async def test_who_signed_in_to_add_a_passkey_and_did_is_not_asked_for_a_second_one(strict: World) -> None:
    async with strict.browser() as http:
        await enrol_after_signing_in_again(strict, http, ENROL)
        shown = await make_passkey(http, Authenticator())
        done = await FormsBrowser(http, ISSUER).submit(shown, shown.form("action"), action="done")
        assert done.url == f"{ISSUER}/account/security"


async def test_who_adds_another_kind_than_they_came_for_gets_to_the_page_that_they_asked_for(strict: World) -> None:
    async with strict.browser() as http:
        await enrol_after_signing_in_again(strict, http, ENROL)
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        shown = await send_code(http, page, app_of(strict, page).code())
        done = await FormsBrowser(http, ISSUER).submit(shown, shown.form("action"), action="done")
        assert done.url == f"{ISSUER}{ENROL}"


async def test_wrong_codes_while_enrolling_do_not_fill_the_log(world: World) -> None:
    """I3: each is answered, and an address's share of a minute is kept."""
    person = await world.person()
    await give_app(world, person)
    async with world.browser() as http:
        await world.sign_in(http, person, methods=("pwd", "totp"))
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        token = page.form("code").fields["form_token"]
        wrong = app_of(world, page).wrong()
        for _ in range(MAX_RECORDED + 5):
            assert (await http.post("/enrol/totp", data={"form_token": token, "code": wrong})).status_code == 400
    assert len(await world.events("mfa.failed")) == MAX_RECORDED


async def test_a_code_that_is_none_of_the_set_leaves_its_event(world: World) -> None:
    person = await world.person()
    await give_app(world, person)
    async with world.browser() as http:
        await world.sign_in(http, person, methods=("pwd", "totp"))
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open("/enrol/backup-codes")
        made = await browser.submit(page, page.form("action"), action="make")
        wrong = await send_code(http, made, "0000-0000-0000-0000", action="confirm")
        assert wrong.status == 400
        assert "That is none of your unused backup codes." in words_of(wrong.response)
    [event] = await world.events("mfa.failed")
    assert (event["data"], event["outcome"]) == ({"method": "backup_code", "reason": "not_confirmed"}, "failure")


async def test_new_backup_codes_again_and_again_fill_no_mailbox_and_end_in_a_wait(world: World) -> None:
    """S26"""
    person = await world.person()
    await give_app(world, person)
    told = await letters(world)
    async with world.browser() as http:
        await world.sign_in(http, person, methods=("pwd", "totp"))
        page = await FormsBrowser(http, ISSUER).open("/enrol/backup-codes")
        form = {"form_token": page.form("action").fields["form_token"], "action": "make"}
        answers = [await http.post("/enrol/backup-codes", data=form) for _ in range(MOST_MADE + 2)]
    assert [answer.status_code for answer in answers] == [200] * MOST_MADE + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "Too many new backup codes" in words_of(answers[-1])
    assert len(await world.events("backup_code.generated")) == MOST_MADE
    assert await letters(world) == MOST_AN_HOUR, "the app's, and those of the first sets"
    assert told == 1


async def test_a_new_factor_is_told_however_many_sets_of_codes_were_made_before_it(world: World) -> None:
    """S29: whoever has got in cannot hide it behind other letters."""
    person = await world.person()
    await give_app(world, person)
    async with world.browser() as http:
        await world.sign_in(http, person, methods=("pwd", "totp"))
        page = await FormsBrowser(http, ISSUER).open("/enrol/backup-codes")
        form = {"form_token": page.form("action").fields["form_token"], "action": "make"}
        for _ in range(MOST_MADE):
            await http.post("/enrol/backup-codes", data=form)
        before = await letters(world)
        await make_passkey(http, Authenticator())
    assert await letters(world) == before + 1


async def test_a_form_from_before_a_new_sign_in_enrols_nothing(world: World) -> None:
    """S17: the session goes on, but what was opened under its old cookie is worth nothing."""
    client, _ = await world.client(), await world.person()
    async with world.browser() as http:
        await to_second_step(world, http)
        browser = FormsBrowser(http, ISSUER)
        stale = await browser.open("/enrol/totp")
        app = app_of(world, stale)
        again = await browser.open(world.authorize_url(client, prompt="login"))
        assert "code" in (await browser.sign_in(again, "ada", PASSWORD)).params
        assert (await send_code(http, stale, app.code())).status == 400
        assert key_in(await browser.open("/enrol/totp")) != key_in(stale)
    assert await world.events("mfa.enrolled") == []
