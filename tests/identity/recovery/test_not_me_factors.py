"""Saying "this was not me" closes every door that was opened since, not only the one that the letter tells of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit.record import Origin
from identity.accounts import load_person
from identity.factors.backup_codes import find_set
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.person_values import Person
from identity.recovery.emails import add_email, make_primary
from tests.forms_browser import FormsBrowser
from tests.identity.factors.passkey_authenticator import Authenticator
from tests.identity.factors.passkey_ceremonies import begin, make_passkey, use_passkey
from tests.identity.factors.steps import codes_in, to_second_step
from tests.identity.forms import words_of
from tests.identity.mail.letters_read import letters
from tests.identity.recovery.factors_given import factors_of, give_app, give_codes
from tests.identity.recovery.steps import choose, link_path, path_of, send
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def disowned(world: World, person: Person) -> str:
    """Something happens that was not the person; the path of the link that says so."""
    async with world.services.database.transaction() as db:
        await notify(db, world.services, person.id, Notice.NEW_DEVICE, now=world.clock(), origin=Origin())
    return await link_path(world, "new_device", "not_me")


async def has_codes(world: World, person: Person) -> bool:
    async with world.services.database.reading() as db:
        return await find_set(db, person.id) is not None


async def test_a_passkey_that_a_thief_added_opens_nothing_after_the_letter_of_their_new_browser(world: World) -> None:
    """S29: the stolen password let them in, and their own passkey must not let them in again."""
    await world.person()
    async with world.browser() as mine, world.browser() as thief:
        await to_second_step(world, mine)
        await to_second_step(world, thief)
        key = Authenticator()
        await make_passkey(thief, key)
        done = await send(mine, await link_path(world, "new_device", "not_me"))
        assert (await choose(mine, done.headers["location"])).headers["location"] == "/recover/done"
    async with world.browser() as thief:
        refused = await use_passkey(thief, (await begin(thief)).page, key)
        assert refused.status == 403
        assert "That did not work" in words_of(refused.response)


async def test_what_was_added_since_goes_and_what_was_there_before_stays(world: World) -> None:
    """S29, S44: the page names what goes before anything happens; each removal has its event and its letter."""
    person = await world.person()
    mine = await give_app(world, person, "My phone")
    await give_codes(world, person)
    world.clock.move(minutes=2)
    path = await disowned(world, person)
    world.clock.move(hours=30)
    await give_app(world, person, "Theirs")
    await give_app(world, person, "Theirs <b>too</b>")
    async with world.browser() as browser:
        page = await browser.get(path)
        words = words_of(page)
        assert "These ways to sign in, which were added then or later, are removed: Theirs Theirs <b>too</b>" in words
        assert "My phone" not in words
        assert "<b>too" not in page.text
        assert "Your backup codes stop working" not in words
        assert len(await factors_of(world, person)) == 3
        await send(browser, path)
    assert [factor.id for factor in await factors_of(world, person)] == [mine]
    assert await has_codes(world, person)
    removed = [event["data"] for event in await world.events("mfa.removed")]
    assert [data["why"] for data in removed if isinstance(data, dict)] == ["not_me"] * 2
    assert len(await letters(world, "factor_removed")) == 2


async def test_backup_codes_that_were_made_since_go_too(world: World) -> None:
    """S26, S29"""
    person = await world.person()
    mine = await give_app(world, person, "My phone")
    world.clock.move(minutes=2)
    path = await disowned(world, person)
    await give_codes(world, person)
    async with world.browser() as browser:
        words = words_of(await browser.get(path))
        assert "Your backup codes stop working. Make new ones when you are back in." in words
        assert "These ways to sign in" not in words
        await send(browser, path)
    assert [factor.id for factor in await factors_of(world, person)] == [mine]
    assert not await has_codes(world, person)
    [event] = await world.events("mfa.removed")
    assert event["data"] == {"method": "backup_code", "why": "not_me"}


async def test_with_the_last_factor_the_backup_codes_go_and_the_page_says_so(world: World) -> None:
    """S26: also a set of before, since codes are a way around a factor and nothing by themselves."""
    person = await world.person()
    await give_codes(world, person)
    world.clock.move(minutes=2)
    path = await disowned(world, person)
    await give_app(world, person, "Theirs")
    async with world.browser() as browser:
        assert "Your backup codes stop working." in words_of(await browser.get(path))
        await send(browser, path)
    assert await factors_of(world, person) == []
    assert not await has_codes(world, person)


async def test_the_letter_about_new_backup_codes_kills_them(world: World) -> None:
    """S26, S29: whoever had got in made them, and could come back by one of them."""
    person = await world.person()
    mine = await give_app(world, person)
    world.clock.move(minutes=2)
    async with world.browser() as thief, world.browser() as browser:
        await world.sign_in(thief, person, methods=("pwd", "totp"))
        page = await FormsBrowser(thief, ISSUER).open("/enrol/backup-codes")
        made = await FormsBrowser(thief, ISSUER).submit(page, page.form("action"), action="make")
        assert len(codes_in(made)) == 10
        path = await link_path(world, "factor_added", "not_me")
        assert "Your backup codes stop working." in words_of(await browser.get(path))
        await send(browser, path)
    assert not await has_codes(world, person)
    assert [factor.id for factor in await factors_of(world, person)] == [mine]


async def test_the_owner_wins_over_a_thief_who_changes_the_address_twice(world: World) -> None:
    """S29: what happened after the letter is undone with it, newest first, and the thief's own letter is dead then."""
    person = await world.person()
    first = await disowned(world, person)
    for address in ("evil1@evil.example", "evil2@evil.example"):
        async with world.services.database.transaction() as db:
            await add_email(db, world.services, person.id, address, now=world.clock(), origin=Origin())
        async with world.browser() as browser:
            await send(browser, await link_path(world, "verify"))
        async with world.services.database.transaction() as db:
            await make_primary(db, world.services, person.id, address, now=world.clock(), origin=Origin())
    found = {
        letter.to: letter for letter in await letters(world, "email_changed") if "/not-me/" in letter.link("not_me")
    }
    async with world.browser() as owner, world.browser() as thief:
        undo = path_of(found["ada@example.com"].link("not_me"))
        assert (await owner.get(first)).status_code in (200, 404)
        assert (await send(owner, undo)).status_code == 303
        assert (await thief.get(path_of(found["evil1@evil.example"].link("not_me")))).status_code == 404
    async with world.services.database.reading() as db:
        after = await load_person(db, person.id)
    assert after.primary_email is not None
    assert after.primary_email.address == "ada@example.com"
