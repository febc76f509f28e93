"""A recovery ended in this browser: the sign-in that follows there asks for no second letter, and no more is won."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from audit.record import Origin
from identity.accounts import set_person_state
from identity.mail.letter_values import Notice
from identity.passwords import set_password
from identity.person_values import Person
from identity.recovery.recovered import KIND
from identity.revocation import end_person_sessions, revoke_everyone, revoke_person
from identity.tables import single_use
from tests.forms_browser import FormsBrowser
from tests.identity.factors.steps import count_sessions, send_code
from tests.identity.factors.steps import give_app as give_working_app
from tests.identity.forms import sign_in
from tests.identity.recovery.steps import NEW_PASSWORD, ask, choose, link_path, newest, send
from tests.identity.recovery.test_not_me import tell
from tests.identity.recovery.test_resets import begin
from tests.identity.test_risk_signin import FAR_AWAY, SESSION, WINDOWS, assessment, settled
from tests.oauth.tokens_read import claims_of
from tests.world import ISSUER, Answer, CreatedClient, World, open_world

pytestmark = pytest.mark.anyio

COOKIE = "__Host-ostiary_recovered"
MAIL_CODE = "/signin/mail-code"
# Whoever signs in to such an application is asked for their mailbox, whatever the score.
STRICT = {"notice": 1, "step_up": 2, "strong": 3}


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def recover(world: World, browser: httpx2.AsyncClient, username: str = "ada") -> None:
    """Asks for a letter, and chooses the new password behind its link, in this browser."""
    await ask(browser, username)
    done = await choose(browser, await link_path(world, "recover"))
    assert done.headers["location"] == "/recover/done", done.text


async def strict_client(world: World) -> CreatedClient:
    return await world.client(name="Payments", risk_thresholds=STRICT)


async def enter(
    world: World, browser: httpx2.AsyncClient, client: CreatedClient, password: str = NEW_PASSWORD
) -> Answer:
    """Where a sign-in to this application leads after the password."""
    await world.authorize(browser, client, prompt="login")
    return Answer.of(await sign_in(browser, "ada", password))


async def test_a_strange_browser_in_which_the_password_was_recovered_is_asked_for_no_second_letter(
    world: World,
) -> None:
    """The mailbox was proven here a moment ago; tokens tell of the password alone (S28, S33)."""
    await world.person()
    client = await world.client()
    async with world.browser() as known:
        await settled(world, known)
    async with world.browser(address=FAR_AWAY) as strange:
        strange.headers.update(WINDOWS)
        await world.authorize(strange, client)
        await recover(world, strange)
        answer = Answer.of(await sign_in(strange, "ada", NEW_PASSWORD))
        assert SESSION in strange.cookies
    assert (await assessment(world)).score >= 60
    (succeeded,) = (await world.events("login.succeeded"))[-1:]
    assert dict(succeeded["data"])["methods"] == ["pwd", "recovery"]  # type: ignore[call-overload]
    claims = claims_of((await world.redeem(client, answer)).json()["access_token"])
    assert (claims["acr"], claims["amr"]) == ("urn:ostiary:aal1", ["pwd"])
    assert await world.events("mfa.code_mailed") == []


async def by_code(world: World, browser: httpx2.AsyncClient, person: Person) -> None:
    await ask(browser, "ada")
    typed = await send(browser, "/recover/code", code=(await newest(world, "recover")).code)
    await choose(browser, typed.headers["location"])


async def by_not_me(world: World, browser: httpx2.AsyncClient, person: Person) -> None:
    said = await send(browser, await tell(world, person, Notice.PASSWORD_CHANGED))
    await choose(browser, said.headers["location"])


async def by_reset(world: World, browser: httpx2.AsyncClient, person: Person) -> None:
    await choose(browser, await begin(world, person, password=True))


@pytest.mark.parametrize("way", [by_code, by_not_me, by_reset])
async def test_every_way_that_leads_through_the_mailbox_counts(
    world: World, way: Callable[[World, httpx2.AsyncClient, Person], Awaitable[None]]
) -> None:
    person, client = await world.person(), await strict_client(world)
    async with world.browser() as browser:
        await way(world, browser, person)
        assert "code" in (await enter(world, browser, client)).params


async def test_a_reset_that_no_letter_carried_or_that_set_no_password_proves_no_mailbox(world: World) -> None:
    person = await world.person()
    await give_working_app(world, person)
    async with world.browser() as browser:
        await send(browser, await begin(world, person, factors=True), password="a quiet harbour at dusk 7")
        object.__setattr__(world.services.settings, "has_mail", False)
        await choose(browser, await begin(world, person, password=True))
        assert COOKIE not in browser.cookies
    assert len(await world.events("recovery.completed")) == 2


async def test_it_counts_for_one_sign_in(world: World) -> None:
    """S17: the next sign-in in the same browser proves the mailbox anew."""
    await world.person()
    client = await strict_client(world)
    async with world.browser() as browser:
        await recover(world, browser)
        assert "code" in (await enter(world, browser, client)).params
        kept = browser.cookies[COOKIE]
        assert (await enter(world, browser, client)).location == MAIL_CODE
        browser.cookies.delete(SESSION)
        assert (await enter(world, browser, client)).location == MAIL_CODE
        assert browser.cookies[COOKIE] == kept


async def test_another_browser_gains_nothing(world: World) -> None:
    """S17"""
    await world.person()
    client = await strict_client(world)
    async with world.browser() as browser, world.browser() as other:
        await recover(world, browser)
        assert (await enter(world, other, client)).location == MAIL_CODE
        other.cookies.set(COOKIE, "olk_" + "A" * 43, domain="id.example.com")
        assert (await enter(world, other, client)).location == MAIL_CODE
        assert "code" in (await enter(world, browser, client)).params


async def test_another_person_in_the_same_browser_gains_nothing_and_takes_nothing(world: World) -> None:
    """S17"""
    await world.person()
    await world.person("grace")
    client = await strict_client(world)
    async with world.browser() as browser:
        await recover(world, browser)
        await world.authorize(browser, client)
        assert (await sign_in(browser, "grace")).headers["location"] == MAIL_CODE
        assert "code" in (await enter(world, browser, client)).params


@pytest.mark.parametrize(("minutes", "counts"), [(14, True), (16, False)])
async def test_it_counts_for_a_quarter_of_an_hour(world: World, minutes: int, counts: bool) -> None:
    await world.person()
    client = await strict_client(world)
    async with world.browser() as browser:
        await recover(world, browser)
        world.clock.move(minutes=minutes)
        assert ("code" in (await enter(world, browser, client)).params) is counts


async def change_password(world: World, person: Person) -> None:
    services = world.services
    hashed = await services.hashes.hash(NEW_PASSWORD)
    async with services.database.transaction() as db:
        await set_password(db, services, person.id, hashed, why="changed", now=world.clock(), actor="cli")


async def say_not_me(world: World, person: Person) -> None:
    async with world.browser() as elsewhere:
        said = await send(elsewhere, await tell(world, person, Notice.NEW_DEVICE))
        await choose(elsewhere, said.headers["location"])


async def disable(world: World, person: Person) -> None:
    for state in ("disabled", "active"):
        async with world.services.database.transaction() as db:
            await set_person_state(
                db, world.services, person.id, state, now=world.clock(), actor="cli", origin=Origin()
            )


async def revoke(world: World, person: Person) -> None:
    async with world.services.database.transaction() as db:
        await revoke_person(db, world.services, person.id, why="cli", now=world.clock(), actor="cli")


async def sign_out_everywhere(world: World, person: Person) -> None:
    async with world.services.database.transaction() as db:
        await end_person_sessions(db, world.services, person.id, why="ended_by_person", now=world.clock(), actor="cli")


async def revoke_all(world: World, person: Person) -> None:
    async with world.services.database.transaction() as db:
        await revoke_everyone(db, world.services, why="emergency", now=world.clock(), actor="cli")
    await world.services.catalogue.poll()


@pytest.mark.parametrize("end", [change_password, say_not_me, disable, revoke, sign_out_everywhere, revoke_all])
async def test_what_ends_everything_ends_it_too(world: World, end: Callable[[World, Person], Awaitable[None]]) -> None:
    """S18, S27"""
    person, client = await world.person(), await strict_client(world)
    async with world.browser() as browser:
        await recover(world, browser)
        await end(world, person)
        assert (await enter(world, browser, client)).location == MAIL_CODE
        assert SESSION not in browser.cookies


async def test_a_newer_recovery_elsewhere_ends_it(world: World) -> None:
    """S27: only until a newer one is issued."""
    await world.person()
    client = await strict_client(world)
    async with world.browser() as browser, world.browser() as newer:
        await recover(world, browser)
        await recover(world, newer)
        assert (await enter(world, browser, client)).location == MAIL_CODE
        assert "code" in (await enter(world, newer, client)).params


async def test_many_sign_ins_at_once_get_it_once(world: World) -> None:
    """S17, I1: copies of one browser, all with the right password at the same moment."""
    await world.person()
    client = await strict_client(world)
    async with world.browser() as browser:
        await recover(world, browser)
        kept = browser.cookies[COOKIE]

    async def one() -> bool:
        async with world.browser() as copy:
            copy.cookies.set(COOKIE, kept, domain="id.example.com")
            answer = await enter(world, copy, client)
        assert answer.location == MAIL_CODE or "code" in answer.params, answer
        return "code" in answer.params

    assert sum(await asyncio.gather(*(one() for _ in range(6)))) == 1
    assert await count_sessions(world) == 1


async def test_it_is_no_second_factor(world: World) -> None:
    """S27: a reset does not skip the second factor; the code of the app is asked for, and the mailbox not again."""
    person, client = await world.person(), await strict_client(world)
    app = await give_working_app(world, person)
    async with world.browser() as browser:
        await recover(world, browser)
        answer = await enter(world, browser, client)
        assert answer.location == "/signin/totp"
        assert SESSION not in browser.cookies
        page = await FormsBrowser(browser, ISSUER).open(answer.location)
        done = await send_code(browser, page, app.code())
        assert "code" in done.params


async def test_it_is_none_where_a_mailed_code_stands_in_for_one_either(database_url: str, tmp_path: Path) -> None:
    """S27: the mailbox that the password came from is asked for the code that stands in for a factor."""
    async with open_world(database_url, tmp_path, mfa__required="true", mfa__mail_code="true") as world:
        person = await world.person()
        async with world.browser() as browser:
            await recover(world, browser)
            assert (await sign_in(browser, "ada", NEW_PASSWORD)).headers["location"] == MAIL_CODE
        await give_working_app(world, person)
        async with world.browser() as browser:
            await recover(world, browser)
            assert (await sign_in(browser, "ada", NEW_PASSWORD)).headers["location"] == "/signin/totp"


async def test_what_is_kept_of_it_is_a_digest_that_opens_no_page(world: World) -> None:
    """S16, S31: the cookie is a secret of its own, and no link."""
    await world.person()
    async with world.browser() as browser:
        await ask(browser, "ada")
        answer = await choose(browser, await link_path(world, "recover"))
        set_cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(COOKIE))
        for flag in ("HttpOnly", "Secure", "SameSite=lax", "Max-Age=900", "Path=/"):
            assert flag in set_cookie
        kept = browser.cookies[COOKIE]
        for path in ("/recover/", "/reset/", "/not-me/", "/unlock/", "/verify/"):
            assert (await browser.get(path + kept)).status_code == 404
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(single_use).where(single_use.c.kind == KIND))).all()
    assert len(rows) == 1
    assert kept not in str(rows)
