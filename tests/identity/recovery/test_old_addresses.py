"""What was mailed to an address ends with it there, and nobody loses one unheard (S29)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit.record import Origin
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.person_values import Person
from identity.recovery.emails import add_email, make_primary, remove_email
from identity.recovery.resets import start_reset
from tests.identity.forms import sign_in
from tests.identity.mail.letters_read import ReadLetter, letters, one_letter
from tests.identity.recovery.steps import ask, link_path, newest, path_of, send
from tests.world import World

pytestmark = pytest.mark.anyio

NEW = "new@example.org"


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def verified(world: World, person: Person, address: str) -> None:
    """Adds an address and follows the letter's link."""
    async with world.services.database.transaction() as db:
        await add_email(db, world.services, person.id, address, now=world.clock(), origin=Origin())
    async with world.browser() as browser:
        assert (await send(browser, await link_path(world, "verify"))).status_code == 303


async def make_main(world: World, person: Person, address: str) -> None:
    async with world.services.database.transaction() as db:
        await make_primary(db, world.services, person.id, address, now=world.clock(), origin=Origin())


async def remove(world: World, person: Person, address: str) -> None:
    async with world.services.database.transaction() as db:
        await remove_email(db, world.services, person.id, address, now=world.clock(), origin=Origin())


async def mailed(world: World, person: Person) -> list[str]:
    """The paths of an administrator's reset, of a way past a lockout, and of a notice."""
    now = world.clock()
    async with world.services.database.transaction() as db:
        await start_reset(db, world.services, person.id, password=True, factors=False, now=now, actor="cli")
        for notice in (Notice.LOCKED, Notice.NEW_DEVICE):
            await notify(db, world.services, person.id, notice, now=now, origin=Origin())
    return [
        await link_path(world, "reset"),
        await link_path(world, "locked", "unlock"),
        await link_path(world, "new_device", "not_me"),
    ]


@pytest.mark.parametrize("change", [make_main, remove])
async def test_nothing_that_was_mailed_to_an_address_outlives_its_change(
    world: World, change: Callable[..., object]
) -> None:
    """S29, S27: neither a link, nor a code, nor an older notice."""
    person = await world.person()
    await verified(world, person, NEW)
    if change is remove:
        await make_main(world, person, NEW)
    async with world.browser() as browser:
        await ask(browser, "ada")
        letter = await newest(world, "recover")
        paths = [path_of(letter.link()), *await mailed(world, person)]
        assert [(await browser.get(path)).status_code for path in paths] == [200] * 4
        await (change(world, person, NEW) if change is make_main else remove(world, person, "ada@example.com"))
        assert [(await browser.get(path)).status_code for path in paths] == [404] * 4
        assert (await send(browser, "/recover/code", code=letter.code)).status_code == 403
        await ask(browser, "ada")
    assert (await newest(world, "recover")).to == NEW


async def test_a_second_change_does_not_take_away_what_undoes_the_first(world: World) -> None:
    """S29: a thief who changes the address twice has not hidden the first change."""
    person = await world.person()
    for address in ("evil1@evil.example", "evil2@evil.example"):
        await verified(world, person, address)
        await make_main(world, person, address)
    await remove(world, person, "ada@example.com")
    undo = [letter for letter in await letters(world, "email_changed") if letter.to == "ada@example.com"]
    async with world.browser() as browser:
        for letter in undo:
            assert (await browser.get(path_of(letter.link("not_me")))).status_code == 200
    assert len(undo) == 2


async def test_a_removed_address_and_the_main_one_are_told(world: World) -> None:
    """S29: the letter to the removed one opens nothing."""
    person = await world.person()
    await verified(world, person, NEW)
    before = len(await letters(world))
    await remove(world, person, NEW)
    gone: ReadLetter = await one_letter(world, "email_removed")
    told = await newest(world, "email_changed")
    assert len(await letters(world)) == before + 2
    assert (told.to, gone.to) == ("ada@example.com", NEW)
    assert f"Removed address: {NEW}" in told.text
    assert "/not-me/" in told.link("not_me")
    assert "was removed from your account" in gone.text
    assert "://" not in gone.text
    async with world.browser() as browser:
        assert (await sign_in(browser)).status_code == 303


async def test_an_address_that_nobody_proved_goes_without_a_word(world: World) -> None:
    person = await world.person()
    async with world.services.database.transaction() as db:
        await add_email(db, world.services, person.id, NEW, now=world.clock(), origin=Origin())
    await remove(world, person, NEW)
    assert {letter.kind for letter in await letters(world)} == {"verify"}
