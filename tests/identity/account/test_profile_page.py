"""The profile and its mail addresses: what can be kept, what is told of a change, and who may make it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from base.tables import outbox
from identity.accounts import load_person
from identity.person_values import Person
from identity.tables import emails
from tests.identity.account.own_pages import Own, at_own_pages, said
from tests.identity.forms import words_of
from tests.world import PROFILE, World

pytestmark = pytest.mark.anyio

KEPT = {name: str(PROFILE[name]) for name in (
    "name", "given_name", "family_name", "nickname", "birthdate", "phone_number", "website", "locale", "zoneinfo"
)}  # fmt: skip


async def _person(own: Own) -> Person:
    async with own.world.services.database.reading() as db:
        return await load_person(db, own.person.id)


async def test_what_is_typed_is_kept_and_the_rest_stays(world: World) -> None:
    async with at_own_pages(world) as own:
        asked = {**KEPT, "name": " Augusta Ada King ", "nickname": "", "locale": "tr", "zoneinfo": "Europe/Istanbul"}
        assert said(await own.send("/profile", **asked)) == "/account/profile?done=profile"
        person = await _person(own)
        assert person.profile["name"] == "Augusta Ada King"
        assert "nickname" not in person.profile
        assert person.profile["address"] == PROFILE["address"]
        assert person.profile["phone_number_verified"] is True
        assert person.version > own.person.version
    (event,) = await world.events("admin.person_changed")
    assert event["data"] == {"fields": ["name", "nickname", "locale", "zoneinfo"]}
    assert "Augusta" not in str(event)


async def test_saving_without_a_change_leaves_no_trace(world: World) -> None:
    async with at_own_pages(world) as own:
        assert said(await own.send("/profile", **KEPT)) == "/account/profile?done=profile"
        assert (await _person(own)).version == own.person.version
    assert await world.events("admin.person_changed") == []


async def test_another_telephone_number_is_not_a_verified_one(world: World) -> None:
    async with at_own_pages(world) as own:
        await own.send("/profile", **{**KEPT, "phone_number": "+90 212 000 00 00"})
        assert "phone_number_verified" not in (await _person(own)).profile


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("name", "x" * 513, "Name: must be printable text of at most 512 characters"),
        ("name", "a\u202eb", "must be printable text"),
        ("website", "javascript:alert(1)", "Website: must be an address that begins with https://"),
        ("birthdate", "31.12.1990", "Date of birth: must look like 1990-12-31, or 1990"),
        ("zoneinfo", "../../etc/passwd", "Time zone: Choose one of the list."),
        ("zoneinfo", "Mars/Olympus", "Choose one of the list."),
        ("locale", "tlh", "Language: Choose one of the list."),
    ],
)
async def test_what_cannot_be_kept_is_named_and_nothing_changes(
    world: World, name: str, value: str, words: str
) -> None:
    async with at_own_pages(world) as own:
        page = await own.send("/profile", **{**KEPT, name: value, "family_name": "Lovelace"})
        assert page.status_code == 400
        assert words in words_of(page)
        assert 'role="alert"' in page.text
        # What was typed is there again.
        assert "Lovelace" in page.text
        assert (await _person(own)).profile == own.person.profile
    assert await world.events("admin.person_changed") == []


async def test_claims_that_are_not_on_the_form_cannot_be_set_by_it(world: World) -> None:
    async with at_own_pages(world) as own:
        forged = {"preferred_username": "root", "email": "root@example.com", "phone_number_verified": "true"}
        await own.send("/profile", **{**KEPT, "name": "Ada", **forged})
        profile = (await _person(own)).profile
    assert "preferred_username" not in profile
    assert "email" not in profile


@pytest.mark.parametrize("payload", ['"><script>alert(1)</script>', "</select><img src=x>", "%(name)s {{ 7*7 }}"])
async def test_a_name_is_text_and_no_more(world: World, payload: str) -> None:
    """S49"""
    async with at_own_pages(world) as own:
        await own.send("/profile", **{**KEPT, "name": payload})
        page = await own.get("/profile")
        assert payload in words_of(await own.get(""))
        assert "<script>alert" not in page.text
        assert "<img src" not in page.text


async def _send(own: Own, action: str, email: str) -> tuple[int, str]:
    answer = await own.send("/profile", to="/profile/emails", action=action, email=email)
    return answer.status_code, answer.headers.get("location", words_of(answer))


async def test_an_address_is_added_confirmed_made_the_main_one_and_removed(mailing: World) -> None:
    world = mailing
    async with at_own_pages(world) as own:
        new = "ada@elsewhere.example"
        assert await _send(own, "add", new) == (303, "/account/profile?done=email")
        assert "Not confirmed" in words_of(await own.get("/profile"))
        status, words = await _send(own, "primary", new)
        assert (status, "must be verified first" in words) == (400, True)
        assert await _send(own, "again", new) == (303, "/account/profile?done=again")
        async with world.services.database.transaction() as db:
            kinds = (await db.execute(select(outbox.c.kind))).scalars().all()
            await db.execute(update(emails).where(emails.c.address == new).values(verified_at=world.clock()))
        assert list(kinds) == ["verify", "verify"]
        assert await _send(own, "primary", new) == (303, "/account/profile?done=primary")
        status, words = await _send(own, "remove", new)
        assert (status, "is your main address" in words) == (400, True)
        assert await _send(own, "remove", "ada@example.com") == (303, "/account/profile?done=unmailed")
        assert [email.address for email in (await _person(own)).emails] == [new]
    for name in ("admin.email_added", "admin.email_primary", "admin.email_removed"):
        assert len(await world.events(name)) == 1, name


async def test_faults_of_an_address_are_told_and_change_nothing(mailing: World) -> None:
    async with at_own_pages(mailing) as own:
        for action, email, words in (
            ("add", "no address", "Mail address:"),
            ("add", "ada@example.com", "is one of your addresses already"),
            ("add", "", "must be filled in"),
            ("remove", "bob@example.com", "is none of your addresses"),
        ):
            status, shown = await _send(own, action, email)
            assert (status, words in shown) == (400, True), (action, shown)
        assert (await _send(own, "steal", "x"))[0] == 404
        assert len((await _person(own)).emails) == 1


async def test_nobody_changes_the_address_of_another_person(mailing: World) -> None:
    bob = await mailing.person("bob")
    async with at_own_pages(mailing) as own:
        for action in ("remove", "primary", "again"):
            assert (await _send(own, action, "bob@example.com"))[0] == 400
    async with mailing.services.database.reading() as db:
        assert (await load_person(db, bob.id)).emails == bob.emails


async def test_changing_an_address_wants_a_fresh_proof(mailing: World) -> None:
    """S29"""
    async with at_own_pages(mailing) as own:
        mailing.clock.move(minutes=11)
        for action in ("add", "primary", "remove"):
            assert await _send(own, action, "ada@example.com") == (303, "/signin")


async def test_without_letters_no_address_is_asked_for(world: World) -> None:
    async with at_own_pages(world) as own:
        object.__setattr__(world.services.settings, "has_mail", False)
        words = words_of(await own.get("/profile"))
    assert "No letters leave this service" in words
    assert "Add the address" not in words
