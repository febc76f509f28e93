"""Adding an authenticator app, within a sign-in and on the account's pages, and the backup codes that come with it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from base.tables import outbox
from identity.factors.registry import list_factors
from identity.factors.totp import TotpParameters
from identity.person_values import Person
from policy.values import Decision, SigninFacts, SigninRules
from tests.forms_browser import FormsBrowser, Page
from tests.identity.factors.steps import (
    App,
    begin_a_step,
    codes_in,
    count_sessions,
    give_app,
    key_in,
    send_code,
    to_second_step,
)
from tests.identity.forms import words_of
from tests.oauth.tokens_read import claims_of
from tests.signin_policy import decide
from tests.world import ISSUER, Answer, World, open_world

pytestmark = pytest.mark.anyio


def demanding(facts: SigninFacts) -> Decision:
    """Everybody needs a second factor."""
    return decide(facts, SigninRules(mfa_required=True))


@pytest.fixture
async def strict(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment where a second factor cannot be put off."""
    opened = open_world(database_url, tmp_path, policy=demanding, refusal_deadline=timedelta(), mfa__grace_days="0")
    async with opened as world:
        yield begin_a_step(world)


def app_of(world: World, page: Page) -> App:
    """An app that took the key of a page."""
    key = key_in(page)
    return App(world, base64.b32decode(key + "=" * (-len(key) % 8)), TotpParameters())


async def signed_in(world: World, http: httpx2.AsyncClient) -> Person:
    person = await world.person()
    await world.sign_in(http, person)
    return person


async def enrol(world: World, http: httpx2.AsyncClient, label: str = "Phone") -> tuple[App, Page]:
    """Adds an app on the account's pages; the app, and the page that came then."""
    page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
    app = app_of(world, page)
    return app, await send_code(http, page, app.code(), label=label)


async def letters(world: World, kind: str) -> int:
    async with world.services.database.reading() as db:
        return len((await db.execute(select(outbox.c.id).where(outbox.c.kind == kind))).all())


async def test_an_app_is_added_on_the_accounts_pages_and_backup_codes_come_with_it(world: World) -> None:
    """S26, S29"""
    async with world.browser() as http:
        person = await signed_in(world, http)
        cookie = http.cookies["__Host-ostiary_session"]
        app, page = await enrol(world, http, "My phone")
        assert len(codes_in(page)) == 10
        assert page.response.headers["cache-control"] == "no-store"
        assert http.cookies["__Host-ostiary_session"] != cookie, "S17: the session goes on under a new cookie"
        # What was proven just now is not asked for again at once.
        assert (await http.get("/enrol/backup-codes")).status_code == 200
    async with world.services.database.reading() as db:
        [factor] = await list_factors(db, person.id)
    assert (factor.kind, factor.label) == ("totp", "My phone")
    [enrolled] = await world.events("mfa.enrolled")
    assert enrolled["data"] == {"method": "totp", "credential": f"fac_{factor.id.hex()}"}
    assert [event["data"] for event in await world.events("backup_code.generated")] == [{"count": 10}]
    assert await letters(world, "factor_added") == 1
    world.clock.move(seconds=30)
    async with world.browser() as http:
        assert (await send_code(http, await to_second_step(world, http), app.code())).url == f"{ISSUER}/"


async def test_a_sign_in_that_demands_a_factor_goes_on_after_one_was_added(strict: World) -> None:
    """No session before it; the codes are shown in between; then the application gets its answer (S17, S28)."""
    await strict.person()
    client = await strict.client()
    async with strict.browser() as http:
        browser = FormsBrowser(http, ISSUER)
        page = await to_second_step(strict, http, strict.authorize_url(client))
        assert page.url == f"{ISSUER}/enrol"
        assert await count_sessions(strict) == 0
        page = await browser.open("/enrol/totp")
        shown = await send_code(http, page, app_of(strict, page).code())
        assert len(codes_in(shown)) == 10
        assert "form-action" not in shown.response.headers["content-security-policy"]
        assert await count_sessions(strict) == 1
        done = await browser.submit(shown, shown.form("action"), action="done")
        assert "code" in done.params
    tokens = (await strict.redeem(client, Answer(done.response, done.url, done.params))).json()
    assert claims_of(tokens["id_token"])["amr"] == ["mfa", "otp", "pwd"]
    assert len(await strict.events("login.succeeded")) == 1


async def test_typing_a_code_back_within_a_sign_in_leads_on_too(strict: World) -> None:
    await strict.person()
    client = await strict.client()
    async with strict.browser() as http:
        await to_second_step(strict, http, strict.authorize_url(client))
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        shown = await send_code(http, page, app_of(strict, page).code())
        wrong = await send_code(http, shown, "0000-0000-0000-0000", action="confirm")
        assert wrong.status == 400
        done = await send_code(http, wrong, codes_in(shown)[4], action="confirm")
        assert "code" in done.params
    assert len(await strict.events("backup_code.confirmed")) == 1


async def test_the_secret_is_on_the_enrolment_page_alone_and_in_no_field(world: World) -> None:
    """S25"""
    async with world.browser() as http:
        await signed_in(world, http)
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        key, again = key_in(page), key_in(await FormsBrowser(http, ISSUER).open("/enrol/totp"))
        assert key == again, "a reload shows the same code"
        assert len(key) * 5 >= 160
        assert all(key not in value for form in page.forms for value in form.fields.values())
        assert f"otpauth://totp/Ostiary:ada?secret={key}&amp;issuer=Ostiary" in page.text
        assert "style=" not in page.text
        assert "<script" not in page.text
        done = await send_code(http, page, app_of(world, page).code())
        after = [done, await FormsBrowser(http, ISSUER).open("/enrol/backup-codes")]
        after.append(await FormsBrowser(http, ISSUER).open("/enrol/totp"))
    assert all(key not in page.text for page in after)
    assert key not in repr(await world.events())


async def test_a_wrong_code_adds_nothing_and_may_be_tried_again(world: World) -> None:
    async with world.browser() as http:
        person = await signed_in(world, http)
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        app = app_of(world, page)
        wrong = await send_code(http, page, app.wrong(), label="My phone")
        assert wrong.status == 400
        assert "not the code of this app" in words_of(wrong.response)
        assert key_in(wrong) == key_in(page)
        assert wrong.form("code").fields["label"] == "My phone"
        async with world.services.database.reading() as db:
            assert await list_factors(db, person.id) == []
        assert [event["data"] for event in await world.events("mfa.failed")] == [
            {"method": "totp", "reason": "not_confirmed"}
        ]
        assert len(codes_in(await send_code(http, wrong, app.code()))) == 10


async def test_a_late_code_gets_a_new_secret(world: World) -> None:
    async with world.browser() as http:
        await signed_in(world, http)
        object.__setattr__(world.services.settings, "fresh_for", timedelta(hours=1))
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        app = app_of(world, page)
        world.clock.move(minutes=16)
        late = await send_code(http, page, app.code())
        assert late.status == 400
        assert "This took too long." in words_of(late.response)
        assert key_in(late) != key_in(page)


@pytest.mark.parametrize("label", ["x" * 65, "a\u202eb", "tab\u0007"])
async def test_a_name_that_cannot_be_shown_is_refused(world: World, label: str) -> None:
    async with world.browser() as http:
        await signed_in(world, http)
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        refused = await send_code(http, page, app_of(world, page).code(), label=label)
        assert refused.status == 400
        assert "must be printable text of at most 64 characters" in words_of(refused.response)
    assert await world.events("mfa.enrolled") == []


async def test_the_pages_speak_the_persons_language_before_the_browsers(world: World) -> None:
    """The person's profile says en-GB."""
    async with world.browser() as http:
        await signed_in(world, http)
        http.headers["accept-language"] = "tr"
        assert (await http.get("/enrol/totp")).headers["content-language"] == "en"


async def test_a_second_app_brings_no_new_backup_codes(world: World) -> None:
    async with world.browser() as http:
        await signed_in(world, http)
        await enrol(world, http)
        world.clock.move(seconds=30)
        _, page = await enrol(world, http, "Tablet")
        assert page.url == f"{ISSUER}/account/security"
        assert codes_in(page) == []
    assert len(await world.events("backup_code.generated")) == 1


async def test_copies_of_the_confirming_step_add_one_app(world: World) -> None:
    """I1, S17"""
    async with world.browser() as http:
        person = await signed_in(world, http)
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        form = {**page.form("code").fields, "code": app_of(world, page).code()}
        answers = await asyncio.gather(*(http.post("/enrol/totp", data=form) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers)[:1] == [200]
    assert [answer.status_code for answer in answers].count(200) == 1
    async with world.services.database.reading() as db:
        assert len(await list_factors(db, person.id)) == 1
    assert len(await world.events("backup_code.generated")) == 1


@pytest.mark.parametrize("path", ["/enrol/totp", "/enrol/backup-codes", "/enrol/backup-codes/download"])
async def test_what_guards_the_account_needs_fresh_proof(world: World, path: str) -> None:
    """S29: by GET and by POST, and nobody without a session gets there at all."""
    async with world.browser() as stranger:
        assert (await stranger.post(path, data={})).headers["location"] == "/signin"
    async with world.browser() as http:
        await signed_in(world, http)
        app, page = await enrol(world, http)
        old = page.form("action").fields
        world.clock.move(minutes=11)
        refused = await http.post(path, data={**old, "action": "make", "code": app.code()})
        assert (refused.status_code, refused.headers["location"]) == (303, "/signin")
        if path != "/enrol/backup-codes/download":
            asked = await http.get(path)
            assert (asked.status_code, asked.headers["location"]) == (303, "/signin")
            again = await to_second_step(world, http)
            assert again.url == f"{ISSUER}/signin/totp", "S29: with the second factor"
            assert (await send_code(http, again, app.code())).url == f"{ISSUER}{path}"
    assert len(await world.events("backup_code.generated")) == 1


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {}], ids=str)
async def test_forms_of_others_change_nothing(world: World, headers: dict[str, str]) -> None:
    async with world.browser() as http, world.browser() as other:
        person = await signed_in(world, http)
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        app = app_of(world, page)
        form = {**page.form("code").fields, "code": app.code()}
        # Another browser of the same person has another session, and so another form and another secret.
        await world.sign_in(other, person)
        sender = http if headers else other
        assert (await sender.post("/enrol/totp", data=form, headers=headers)).status_code == 400
        await give_app(world, person)
        for path in ("/enrol/backup-codes", "/enrol/backup-codes/download"):
            answer = await sender.post(path, data={**form, "action": "make"}, headers=headers)
            assert answer.status_code in (303, 400)
    assert await world.events("backup_code.generated") == []
    assert len(await world.events("mfa.enrolled")) == 1


async def test_codes_are_shown_once_downloaded_while_they_are_new_and_wiped_when_proven(world: World) -> None:
    """S26"""
    async with world.browser() as http:
        await signed_in(world, http)
        _, page = await enrol(world, http)
        codes = codes_in(page)
        browser = FormsBrowser(http, ISSUER)
        download = next(form for form in page.forms if form.action.endswith("/download"))
        for _ in range(2):
            file = (await browser.submit(page, download)).response
            assert file.headers["content-type"] == "text/plain; charset=utf-8"
            assert file.headers["content-disposition"] == 'attachment; filename="backup-codes.txt"'
            assert file.headers["cache-control"] == "no-store"
            assert [line for line in file.text.splitlines() if line in codes] == codes
        seen = await browser.open("/enrol/backup-codes")
        assert "10 backup codes are left." in words_of(seen.response)
        assert all(code not in seen.text for code in codes)
        proven = await send_code(http, seen, codes[9].lower(), action="confirm")
        assert proven.url == f"{ISSUER}/account/security"
        assert (await browser.submit(page, download)).url == f"{ISSUER}/enrol/backup-codes"
        seen = await browser.open("/enrol/backup-codes")
        assert "You proved that you saved them." in words_of(seen.response)


async def test_a_new_set_is_shown_in_the_answer_and_the_old_one_is_dead(world: World) -> None:
    """S26"""
    async with world.browser() as http:
        await signed_in(world, http)
        _, page = await enrol(world, http)
        old = codes_in(page)
        browser = FormsBrowser(http, ISSUER)
        seen = await browser.open("/enrol/backup-codes")
        form = next(form for form in seen.forms if ("action", "make") in form.buttons)
        made = await browser.submit(seen, form, action="make")
        new = codes_in(made)
        assert len(new) == 10
        assert not set(new) & set(old)
        assert await letters(world, "factor_added") == 2, "S29: the app, and the new codes"
    world.clock.move(seconds=30)
    async with world.browser() as http:
        await to_second_step(world, http)
        page = await FormsBrowser(http, ISSUER).open("/signin/backup-code")
        assert (await send_code(http, page, old[0])).status == 403
        assert (await send_code(http, page, new[0])).url == f"{ISSUER}/"


async def test_without_a_factor_there_are_no_backup_codes_to_make(world: World) -> None:
    async with world.browser() as http:
        await signed_in(world, http)
        assert (await http.get("/enrol/backup-codes")).headers["location"] == "/account/security"


async def test_an_account_that_ends_meanwhile_keeps_nothing(strict: World) -> None:
    """S18, S44: what the step had written is undone with it."""
    from identity.accounts import set_person_state

    person = await strict.person()
    async with strict.browser() as http:
        await to_second_step(strict, http)
        page = await FormsBrowser(http, ISSUER).open("/enrol/totp")
        async with strict.services.database.transaction() as db:
            await set_person_state(db, strict.services, person.id, "disabled", now=strict.clock(), actor="cli")
        assert (await send_code(http, page, app_of(strict, page).code())).url == f"{ISSUER}/signin"
    async with strict.services.database.reading() as db:
        assert await list_factors(db, person.id) == []
    assert await strict.events("mfa.enrolled") == []
    assert await count_sessions(strict) == 0
