"""A person's mail addresses: nobody's until a letter's link was followed, one account's afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from audit.record import Origin
from identity.accounts import find_person, set_person_state
from identity.errors import Refused
from identity.person_values import Person
from identity.recovery.emails import add_email, make_primary, remove_email, send_verification_again
from tests.identity.forms import SAME_ORIGIN, hidden_fields, words_of
from tests.identity.mail.letters_read import letters, one_letter
from tests.identity.recovery.steps import ask, link_path, path_of, post, send
from tests.world import World

pytestmark = pytest.mark.anyio

Change = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def change(world: World, what: Change, person: Person, address: str) -> None:
    """Does one of the changes of the account page."""
    named = {} if what is send_verification_again else {"origin": Origin()}
    async with world.services.database.transaction() as db:
        await what(db, world.services, person.id, address, now=world.clock(), **named)


async def shown(world: World, person: Person) -> list[tuple[str, bool, bool]]:
    """Each address, whether it is the main one, and whether it is verified."""
    async with world.services.database.reading() as db:
        found = await find_person(db, person.id)
    assert found is not None
    return [(email.address, email.is_primary, email.verified_at is not None) for email in found.emails]


async def test_an_address_is_verified_by_the_letters_link_and_then_may_become_the_main_one(world: World) -> None:
    """S29: the old address is told, with a link that undoes it."""
    person = await world.person()
    await change(world, add_email, person, "Ada.B@Example.ORG")
    letter = await one_letter(world, "verify")
    assert letter.to == "Ada.B@example.org"
    with pytest.raises(Refused, match="must be verified first"):
        await change(world, make_primary, person, "ada.b@example.org")
    path = path_of(letter.link())
    async with world.browser() as browser:
        for _ in range(2):
            page = await browser.get(path)
            assert "Is this your mail address? Ada.B@example.org" in words_of(page)
        assert await world.events("admin.email_verified") == []
        done = await send(browser, path)
        assert (done.status_code, done.headers["location"]) == (303, "/verify/done")
        assert "Your address is confirmed" in words_of(await browser.get("/verify/done"))
        assert (await browser.get(path)).status_code == 404
    await change(world, make_primary, person, "ada.b@example.org")
    assert await shown(world, person) == [("ada@example.com", False, True), ("Ada.B@example.org", True, True)]
    added, notice = await letters(world, "email_changed")
    assert [letter.to for letter in (added, notice)] == ["ada@example.com"] * 2
    assert "has one more mail address" in added.text
    assert "New address: Ada.B@example.org" in added.text
    assert "has a new mail address; letters no longer come here" in " ".join(notice.text.split())
    assert "/not-me/" in notice.link("not_me")
    for name in ("admin.email_added", "admin.email_verified", "admin.email_primary"):
        assert len(await world.events(name)) == 1, name
    assert "example" not in str([event["data"] for event in await world.events()])


async def test_an_address_belongs_to_whoever_verified_it_first(world: World) -> None:
    first, second = await world.person("first"), await world.person("second")
    for person in (first, second):
        await change(world, add_email, person, "shared@example.org")
    paths = [path_of(letter.link()) for letter in await letters(world, "verify")]
    async with world.browser() as browser:
        assert (await send(browser, paths[1])).headers["location"] == "/verify/done"
        refused = await send(browser, paths[0])
        assert refused.status_code == 409
        assert "This address belongs to another account" in words_of(refused)
        assert (await browser.get(paths[0])).status_code == 404
    assert ("shared@example.org", False, False) in await shown(world, first)
    assert ("shared@example.org", False, True) in await shown(world, second)
    refusals = [event["data"] for event in await world.events("admin.link_refused")]
    assert {"kind": "verify", "reason": "address_taken"} in refusals


async def test_a_letter_sent_again_ends_the_link_of_the_one_before(world: World) -> None:
    person = await world.person()
    await change(world, add_email, person, "a@example.org")
    other = await link_path(world, "verify")
    await change(world, add_email, person, "b@example.org")
    old = await link_path(world, "verify")
    await change(world, send_verification_again, person, "b@example.org")
    async with world.browser() as browser:
        new = await link_path(world, "verify")
        assert [(await browser.get(path)).status_code for path in (other, old, new)] == [200, 404, 200]
        world.clock.move(days=1, minutes=1)
        assert (await browser.get(new)).status_code == 404


async def test_a_removed_address_cannot_be_verified_any_more(world: World) -> None:
    person = await world.person()
    await change(world, add_email, person, "a@example.org")
    path = await link_path(world, "verify")
    async with world.browser() as browser:
        hidden = hidden_fields(await browser.get(path))
        await change(world, remove_email, person, "a@example.org")
        assert (await post(browser, path, hidden)).status_code == 404
    assert await shown(world, person) == [("ada@example.com", True, True)]
    [event] = await world.events("admin.email_removed")
    assert event["data"] == {"why": "removed"}


async def test_a_way_back_that_was_mailed_does_not_outlive_the_address(world: World) -> None:
    person = await world.person()
    await change(world, add_email, person, "new@example.org")
    async with world.browser() as browser:
        await send(browser, await link_path(world, "verify"))
        await ask(browser, "ada")
        letter = await one_letter(world, "recover")
        assert letter.to == "ada@example.com"
        await change(world, make_primary, person, "new@example.org")
        assert (await browser.get(path_of(letter.link()))).status_code == 404


async def test_what_cannot_be_done_is_refused_in_words(world: World) -> None:
    person = await world.person()
    for number in range(3):
        await change(world, add_email, person, f"a{number}@example.org")
    refusals: list[tuple[Change, str, str]] = [
        (add_email, "ADA@example.com", "is one of your addresses already"),
        (add_email, "ada@", "must look like"),
        (add_email, "a9@example.org", "remove another address first"),
        (make_primary, "else@example.org", "is none of your addresses"),
        (remove_email, "ada@example.com", "is your main address"),
        (send_verification_again, "ada@example.com", "is verified already"),
    ]
    for what, address, words in refusals:
        with pytest.raises(Refused, match=words):
            await change(world, what, person, address)
    assert len(await world.events("admin.email_added")) == 3


async def test_an_account_cannot_fill_a_strangers_mailbox(world: World) -> None:
    person = await world.person()
    for _ in range(5):
        await change(world, add_email, person, "stranger@example.org")
        await change(world, remove_email, person, "stranger@example.org")
    with pytest.raises(Refused, match="try again in an hour"):
        await change(world, add_email, person, "stranger@example.org")
    assert len(await letters(world, "verify")) == 5


async def test_the_page_says_whose_account_the_address_becomes_part_of(world: World) -> None:
    """S29: a letter that a stranger caused would make the reader's address part of the stranger's account."""
    ada, grace = await world.person(), await world.person("grace")
    await change(world, add_email, ada, "reader@example.net")
    path = await link_path(world, "verify")
    async with world.browser() as hers, world.browser() as others:
        await world.sign_in(hers, ada)
        await world.sign_in(others, grace)
        own, foreign = words_of(await hers.get(path)), words_of(await others.get(path))
    for page in (own, foreign):
        assert "Ada Byron ada" in page
    assert "Somebody else is signed in here" in foreign
    assert "Somebody else" not in own


async def test_foreign_forms_and_accounts_that_are_not_active_verify_nothing(world: World) -> None:
    person = await world.person()
    await change(world, add_email, person, "a@example.org")
    path = await link_path(world, "verify")
    async with world.browser() as browser:
        hidden = hidden_fields(await browser.get(path))
        for form, headers in (({}, SAME_ORIGIN), (hidden, {"origin": "https://evil.example"})):
            assert (await browser.post(path, data=form, headers=headers)).status_code == 404
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, person.id, "suspended", now=world.clock(), actor="cli")
        assert (await post(browser, path, hidden)).status_code == 404
    assert await world.events("admin.email_verified") == []
