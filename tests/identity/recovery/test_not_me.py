"""Saying "this was not me": everything ends, what happened is undone, and the person chooses a new password."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from sqlalchemy import select

from audit.record import Origin
from base.ids import PERSON, show_id
from identity.account.deletion import ask_deletion
from identity.accounts import find_person, set_person_state
from identity.devices import SeenDevice, remember_device
from identity.factors.backup_codes import find_set
from identity.mail.letter_values import Fact, Notice
from identity.mail.notices import notify
from identity.passwords import find_hash
from identity.person_values import Person
from identity.recovery.emails import add_email, make_primary, remove_email
from identity.recovery.resets import start_reset
from identity.tables import devices, people
from tests.identity.forms import SAME_ORIGIN, hidden_fields, sign_in, words_of
from tests.identity.mail.letters_read import letters, one_letter
from tests.identity.recovery.factors_given import factors_of, give_app, give_codes
from tests.identity.recovery.steps import NEW_PASSWORD, ask, choose, link_path, path_of, post, send
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def tell(world: World, person: Person, notice: Notice, **about: Fact | bytes) -> str:
    """Sends a notice and returns the path of its not-me link."""
    facts: Mapping[str, Fact | bytes] = about
    async with world.services.database.transaction() as db:
        await notify(db, world.services, person.id, notice, now=world.clock(), origin=Origin(), about=facts)
    return await link_path(world, notice, "not_me")


async def test_everything_ends_at_once_and_the_person_chooses_a_new_password(world: World) -> None:
    person, client = await world.person(), await world.client()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    async with world.browser() as attacker, world.browser() as mine:
        await sign_in(attacker)
        async with world.services.database.transaction() as db:
            found = (await db.execute(select(devices.c.id))).scalars().all()
            for device_id in found:
                device = SeenDevice(bytes(device_id), is_new=False)
                await remember_device(db, world.services, person.id, device, told=[], now=world.clock())
        path = await tell(world, person, Notice.PASSWORD_CHANGED)
        page = words_of(await mine.get(path))
        assert "Everybody is signed out of your account" in page
        assert "Your password stops working" in page
        sent = await send(mine, path)
        assert sent.status_code == 303
        assert sent.headers["location"].startswith("/recover/olk_")
        assert "Welcome" in words_of(await attacker.get("/"))
        assert (await sign_in(attacker)).status_code == 403, "the old password is useless"
        assert (await choose(mine, sent.headers["location"])).headers["location"] == "/recover/done"
        assert (await sign_in(mine, "ada", NEW_PASSWORD)).status_code == 303
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 400
    assert await world.introspect(client, tokens["access_token"]) == {"active": False}
    async with world.services.database.reading() as db:
        assert (await db.execute(select(devices.c.id).where(devices.c.trusted_until.is_not(None)))).first() is None
    [event] = await world.events("recovery.not_me")
    assert (event["severity"], event["data"]) == ("HIGH", {"about": "password_changed"})
    assert event["subject"] == show_id(PERSON, person.id)
    assert [entry["data"] for entry in await world.events("password.cleared")] == [{"why": "not_me"}]


async def test_a_mail_scanners_get_does_nothing_and_the_link_works_once(world: World) -> None:
    person = await world.person()
    path = await tell(world, person, Notice.NEW_DEVICE)
    async with world.browser() as scanner, world.browser() as mine:
        hidden = hidden_fields(await scanner.get(path))
        for _ in range(3):
            assert (await scanner.get(path)).status_code == 200
            assert (await scanner.head(path)).status_code == 200
        assert (await sign_in(mine)).status_code == 303
        assert await world.events("recovery.not_me") == []
        assert (await post(mine, path, hidden)).status_code == 303
        again = await post(mine, path, hidden)
        assert again.status_code == 404
        assert "This link does not work any more" in words_of(again)
    assert len(await world.events("recovery.not_me")) == 1


async def test_a_factor_that_was_added_is_removed(world: World) -> None:
    person = await world.person()
    mine = await give_app(world, person, "My phone")
    world.clock.move(minutes=1)
    theirs = await give_app(world, person, "Theirs")
    path = await tell(world, person, Notice.FACTOR_ADDED, method="totp", credential=theirs)
    async with world.browser() as browser:
        assert "added then or later, are removed: Theirs" in words_of(await browser.get(path))
        await send(browser, path)
    assert [factor.id for factor in await factors_of(world, person)] == [mine]
    [event] = await world.events("mfa.removed")
    assert isinstance(event["data"], dict)
    assert event["data"]["why"] == "not_me"


async def test_the_notice_of_an_added_factor_knows_which_one(world: World) -> None:
    """The whole way, from enrolling to undoing."""
    person = await world.person()
    await give_app(world, person, "Theirs")
    async with world.browser() as browser:
        await send(browser, await link_path(world, "factor_added", "not_me"))
    assert await factors_of(world, person) == []


async def test_a_new_browser_is_no_longer_known(world: World) -> None:
    await world.person()
    async with world.browser() as mine, world.browser() as theirs:
        await sign_in(mine)
        await sign_in(theirs)
        path = await link_path(world, "new_device", "not_me")
        await send(mine, path)
    async with world.services.database.reading() as db:
        revoked = (await db.execute(select(devices.c.revoked_at).order_by(devices.c.id))).scalars().all()
    assert [at is not None for at in revoked] == [False, True]
    assert {"why": "not_me"} in [event["data"] for event in await world.events("device.forgotten")]


async def emails_of(world: World, person: Person) -> dict[str, tuple[bool, bool]]:
    """Whether each address is the main one, and verified."""
    async with world.services.database.reading() as db:
        found = await find_person(db, person.id)
    assert found is not None
    return {email.address: (email.is_primary, email.verified_at is not None) for email in found.emails}


@pytest.mark.parametrize("removed", [False, True])
async def test_a_changed_address_is_given_back_to_its_owner(world: World, removed: bool) -> None:
    """S29: the notice goes to the old address; also where the old one was removed after it."""
    person, services = await world.person(), world.services
    now = world.clock()
    async with services.database.transaction() as db:
        await add_email(db, services, person.id, "mallory@example.net", now=now, origin=Origin())
    async with world.browser() as browser:
        await send(browser, await link_path(world, "verify"))
        async with services.database.transaction() as db:
            await make_primary(db, services, person.id, "mallory@example.net", now=now, origin=Origin())
            if removed:
                await remove_email(db, services, person.id, "ada@example.com", now=now, origin=Origin())
        notice = [letter for letter in await letters(world, "email_changed") if letter.to == "ada@example.com"][-1]
        path = path_of(notice.link("not_me"))
        assert "Your former mail address becomes the main one again." in words_of(await browser.get(path))
        done = await send(browser, path)
        assert done.headers["location"].startswith("/recover/olk_")
        await ask(browser, "mallory@example.net")
    assert await emails_of(world, person) == {"ada@example.com": (True, True)}
    assert await letters(world, "recover") == []
    assert len(await world.events("admin.email_primary")) == 2


async def test_backup_codes_that_somebody_used_die(world: World) -> None:
    person = await world.person()
    await give_app(world, person)
    await give_codes(world, person)
    world.clock.move(minutes=1)
    path = await tell(world, person, Notice.BACKUP_CODE_USED, left=9)
    async with world.browser() as browser:
        assert "Your backup codes stop working." in words_of(await browser.get(path))
        await send(browser, path)
    async with world.services.database.reading() as db:
        assert await find_set(db, person.id) is None
    assert len(await factors_of(world, person)) == 1


async def test_a_deletion_that_somebody_asked_for_is_taken_back(world: World) -> None:
    person, services = await world.person(), world.services
    async with services.database.transaction() as db:
        await ask_deletion(db, services, person.id, now=world.clock(), actor="cli", origin=Origin())
    async with world.browser() as browser:
        path = await link_path(world, "deletion_asked", "not_me")
        assert "Your account is not deleted." in words_of(await browser.get(path))
        await send(browser, path)
    async with services.database.reading() as db:
        assert (await db.execute(select(people.c.delete_at))).scalar_one() is None
    assert len(await world.events("admin.deletion_undone")) == 1


async def test_other_links_of_the_person_open_nothing_afterwards(world: World) -> None:
    person, services = await world.person(), world.services
    async with services.database.transaction() as db:
        now = world.clock()
        await start_reset(db, services, person.id, password=False, factors=True, now=now, actor="cli")
        await add_email(db, services, person.id, "other@example.net", now=now, origin=Origin())
    async with world.browser() as browser:
        await ask(browser, "ada")
        code = (await one_letter(world, "recover")).code
        dead = [await link_path(world, kind) for kind in ("recover", "reset", "verify")]
        assert [(await browser.get(path)).status_code for path in dead] == [200] * 3
        await send(browser, await tell(world, person, Notice.PASSWORD_CHANGED))
        assert [(await browser.get(path)).status_code for path in dead] == [404] * 3
        assert (await send(browser, "/recover/code", code=code)).status_code == 403


async def test_the_closed_door_stays_closed_for_whoever_closed_it(world: World) -> None:
    """It is not a way to get five more tries; the new password, once it is chosen, opens the person's own door."""
    person = await world.person()
    async with world.browser() as attacker, world.browser() as mine:
        for number in range(5):
            await sign_in(attacker, "ada", f"wrong {number} by far")
        done = await send(mine, await link_path(world, "locked", "not_me"))
        hashes = world.services.hashes.hashes_made
        assert (await sign_in(attacker)).status_code == 403
        assert world.services.hashes.hashes_made == hashes
        assert (await choose(mine, done.headers["location"])).status_code == 303
        assert (await sign_in(mine, "ada", NEW_PASSWORD)).status_code == 303
    async with world.services.database.reading() as db:
        assert await find_hash(db, person.id) is not None


async def test_foreign_forms_and_accounts_that_are_not_active_change_nothing(world: World) -> None:
    person = await world.person()
    path = await tell(world, person, Notice.PASSWORD_CHANGED)
    async with world.browser() as browser:
        hidden = hidden_fields(await browser.get(path))
        for form, headers in (({}, SAME_ORIGIN), (hidden, {"origin": "https://evil.example"})):
            assert (await browser.post(path, data=form, headers=headers)).status_code == 404
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, person.id, "disabled", now=world.clock(), actor="cli")
        assert (await post(browser, path, hidden)).status_code == 404
    assert await world.events("recovery.not_me") == []
