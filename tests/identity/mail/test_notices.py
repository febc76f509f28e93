"""Notices and letters, promised with what they tell: to whom, in which language, with which links, how often."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from audit.record import Origin
from base.tables import outbox
from identity.links import Link, find_link
from identity.mail.letter_values import Fact, LetterKind, Notice
from identity.mail.notices import notify, send_letter
from identity.person_values import Person
from identity.tables import emails, people
from tests.identity.mail.letters_read import letters, one_letter
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
ORIGIN = Origin(address="198.51.100.7", user_agent=FIREFOX)
ABOUT: Mapping[Notice, Mapping[str, Fact]] = {
    Notice.NEW_COUNTRY: {"country": "TR"},
    Notice.FACTOR_ADDED: {"method": "totp"},
    Notice.FACTOR_REMOVED: {"method": "totp"},
    Notice.BACKUP_CODE_USED: {"left": 9},
    Notice.FEW_BACKUP_CODES: {"left": 3},
}


@pytest.fixture
def mail_world(world: World) -> World:
    settings = replace(world.services.settings, has_mail=True)
    return replace(world, services=replace(world.services, settings=settings))


async def tell(world: World, person: Person, notice: Notice, *, to: str | None = None, **about: Fact | bytes) -> None:
    now = world.clock()
    told: dict[str, Fact | bytes] = {**ABOUT.get(notice, {}), **about}
    if notice is Notice.DELETION_ASKED:
        told["delete_at"] = now + timedelta(days=14)
    async with world.services.database.transaction() as db:
        await notify(db, world.services, person.id, notice, now=now, origin=ORIGIN, about=told, to=to)


async def link_behind(world: World, kind: str, url: str) -> Link:
    async with world.services.database.reading() as db:
        found = await find_link(db, kind, url.rpartition("/")[2], now=world.clock())
    assert found is not None
    return found


async def test_every_notice_goes_to_the_verified_address_with_a_way_to_say_that_it_was_not_me(
    mail_world: World,
) -> None:
    person = await mail_world.person()
    for notice in Notice:
        await tell(mail_world, person, notice)
        letter = await one_letter(mail_world, notice)
        assert (letter.to, letter.language) == ("ada@example.com", "en")
        assert letter.text.startswith("Hello Ada Byron,\n")
        assert letter.link("not_me").startswith(f"{ISSUER}/not-me/olk_")
        link = await link_behind(mail_world, "not_me", letter.link("not_me"))
        assert (link.person_id, link.payload) == (person.id, {"about": notice})


async def test_a_not_me_link_knows_what_to_undo_and_stands_beside_the_others(mail_world: World) -> None:
    person = await mail_world.person()
    for credential in (b"\1" * 16, b"\2" * 16):
        await tell(mail_world, person, Notice.FACTOR_ADDED, credential=credential, label="Phone")
    payloads = [
        (await link_behind(mail_world, "not_me", letter.link("not_me"))).payload for letter in await letters(mail_world)
    ]
    expected = [{"about": "factor_added", "credential": each * 16} for each in ("01", "02")]
    assert sorted(payloads, key=str) == sorted(expected, key=str)


async def test_a_locked_out_person_gets_one_way_back_at_a_time(mail_world: World) -> None:
    """S23"""
    person = await mail_world.person()
    await tell(mail_world, person, Notice.LOCKED)
    first = await one_letter(mail_world, "locked")
    assert (await link_behind(mail_world, "unlock", first.link("unlock"))).person_id == person.id
    await tell(mail_world, person, Notice.LOCKED)
    found = [letter.link("unlock") for letter in await letters(mail_world, "locked")]
    async with mail_world.services.database.reading() as db:
        now = mail_world.clock()
        work = [await find_link(db, "unlock", url.rpartition("/")[2], now=now) is not None for url in found]
    assert sorted(work) == [False, True]


async def test_a_notice_says_when_and_from_where(mail_world: World) -> None:
    person = await mail_world.person()
    await tell(mail_world, person, Notice.NEW_DEVICE)
    letter = await one_letter(mail_world, "new_device")
    assert "Browser: Firefox on Linux" in letter.text
    assert "Address: 198.51.100.7" in letter.text
    assert "UTC" in letter.text


@pytest.mark.parametrize(
    "user_agent",
    ["evil.example/1.0 CFNetwork/808.1 Darwin/16", "Mozilla/5.0 (compatible; http://evil.example/verify-now-bot/1.0)"],
)
async def test_a_browser_puts_no_address_into_a_letter(mail_world: World, user_agent: str) -> None:
    """S46: whoever sends a request chooses what its browser is called, and a mail program makes links of names."""
    person = await mail_world.person()
    origin = Origin(user_agent=user_agent)
    async with mail_world.services.database.transaction() as db:
        await notify(db, mail_world.services, person.id, Notice.NEW_DEVICE, now=mail_world.clock(), origin=origin)
    letter = await one_letter(mail_world, "new_device")
    assert "Browser: Unknown browser" in letter.text
    assert "evil" not in letter.text + letter.html


async def test_the_old_address_hears_that_it_is_the_old_one(mail_world: World) -> None:
    """S29"""
    person = await mail_world.person()
    await tell(mail_world, person, Notice.EMAIL_CHANGED, to="old@example.com", new_email="ada@example.com")
    letter = await one_letter(mail_world, "email_changed")
    assert letter.to == "old@example.com"
    assert "New address: ada@example.com" in letter.text


async def test_nothing_is_promised_without_mail_or_without_a_proven_address(world: World, mail_world: World) -> None:
    person = await mail_world.person()
    without_mail = replace(world.services.settings, has_mail=False)
    silent = replace(world, services=replace(world.services, settings=without_mail))
    await tell(silent, person, Notice.NEW_DEVICE)
    await ask(silent, LetterKind.ALREADY_REGISTERED, link=f"{ISSUER}/signin")
    async with mail_world.services.database.transaction() as db:
        await db.execute(update(emails).values(verified_at=None))
    await tell(mail_world, person, Notice.NEW_DEVICE)
    assert await letters(mail_world) == []
    async with mail_world.services.database.reading() as db:
        assert (await db.execute(select(outbox.c.id))).all() == []


async def ask(
    world: World, kind: LetterKind, *, language: str | None = None, person_id: bytes | None = None, **facts: Fact
) -> None:
    async with world.services.database.transaction() as db:
        await send_letter(
            db,
            world.services,
            kind,
            to="grace@example.com",
            language=language,
            person_id=person_id,
            facts=facts,
            now=world.clock(),
        )


@pytest.mark.parametrize(
    ("locale", "given", "language"),
    [
        ("tr-TR", "en", "tr"),
        ("en-GB", "tr", "en"),
        (None, "tr", "tr"),
        (None, "de", "en"),
        (None, None, "en"),
        ("de", None, "en"),
    ],
)
async def test_a_letter_speaks_the_persons_language_then_the_pages(
    mail_world: World, locale: str | None, given: str | None, language: str
) -> None:
    person = await mail_world.person()
    profile = {name: value for name, value in person.profile.items() if name != "locale"}
    async with mail_world.services.database.transaction() as db:
        await db.execute(update(people).values(profile={**profile, **({"locale": locale} if locale else {})}))
    expires_at = mail_world.clock() + timedelta(minutes=30)
    link = f"{ISSUER}/recover/olk_x"
    await ask(mail_world, LetterKind.RECOVER, language=given, person_id=person.id, link=link, expires_at=expires_at)
    letter = await one_letter(mail_world, "recover")
    assert letter.language == language
    assert letter.link() == link
    assert letter.text.startswith({"en": "Hello Ada Byron,", "tr": "Merhaba Ada Byron,"}[language])


async def test_a_letter_that_was_asked_for_is_pointless_after_its_link(mail_world: World) -> None:
    now = mail_world.clock()
    await ask(mail_world, LetterKind.MAIL_CODE, code="123456", expires_at=now + timedelta(minutes=10))
    assert (await one_letter(mail_world, "mail_code")).code == "123456"
    async with mail_world.services.database.reading() as db:
        row = (await db.execute(select(outbox))).one()
    assert row.expires_at == now + timedelta(minutes=10)
    # S46: whoever reads the table reads no address, no link and no code.
    for word in (b"123456", b"grace", b"example.com"):
        assert word not in row.sealed


async def test_a_promise_goes_with_the_transaction_that_made_it(mail_world: World) -> None:
    """S44"""
    person = await mail_world.person()

    async def tell_and_fail() -> None:
        async with mail_world.services.database.transaction() as db:
            await notify(
                db, mail_world.services, person.id, Notice.PASSWORD_CHANGED, now=mail_world.clock(), origin=ORIGIN
            )
            raise RuntimeError("the change could not be made")

    with pytest.raises(RuntimeError):
        await tell_and_fail()
    assert await letters(mail_world) == []


async def test_a_flood_of_notices_ends_but_never_hides_a_change(mail_world: World) -> None:
    person, other = await mail_world.person(), await mail_world.person("grace")
    for _ in range(8):
        await tell(mail_world, person, Notice.NEW_DEVICE)
        await tell(mail_world, person, Notice.PASSWORD_CHANGED)
        await tell(mail_world, person, Notice.BACKUP_CODE_USED)
    await tell(mail_world, other, Notice.NEW_DEVICE)
    told = [(letter.to, letter.kind) for letter in await letters(mail_world)]
    assert told.count(("ada@example.com", "new_device")) == 5
    assert told.count(("ada@example.com", "password_changed")) == 8
    assert told.count(("ada@example.com", "backup_code_used")) == 8, "S26: each use"
    assert told.count(("grace@example.com", "new_device")) == 1
    mail_world.clock.move(minutes=61)
    await tell(mail_world, person, Notice.NEW_DEVICE)
    assert len(await letters(mail_world, "new_device")) == 7
