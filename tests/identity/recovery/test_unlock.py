"""The way past a door that somebody else's failures closed (S24)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from audit.record import Origin
from identity import lockout
from identity.accounts import set_person_state
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.tables import devices, sessions
from tests.identity.forms import hidden_fields, sign_in, words_of
from tests.identity.mail.letters_read import letters, one_letter
from tests.identity.recovery.steps import link_path, path_of, post, send
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def lock(world: World) -> None:
    """As many wrong passwords as the limit, from a browser that nobody knows."""
    async with world.browser(address="203.0.113.9") as attacker:
        for number in range(5):
            assert (await sign_in(attacker, "ada", f"wrong {number} by far")).status_code == 403


async def test_the_mailed_link_lets_the_person_in_while_the_attacker_stays_out(world: World) -> None:
    """S24: failures of this browser count apart; the counter of all others stays closed."""
    await world.person()
    await lock(world)
    async with world.browser() as mine, world.browser(address="203.0.113.9") as attacker:
        assert (await sign_in(mine)).status_code == 403
        path = path_of((await one_letter(world, "locked")).link("unlock"))
        assert "sign-ins from unknown browsers are refused" in words_of(await mine.get(path))
        passed = await send(mine, path)
        assert (passed.status_code, passed.headers["location"]) == (303, "/signin")
        async with world.services.database.reading() as db:
            assert (await db.execute(select(sessions.c.id))).first() is None, "the link signs nobody in"
        assert (await sign_in(attacker)).status_code == 403
        assert (await sign_in(mine, "ada", "still not it 77 lamps")).status_code == 403
        assert (await sign_in(mine)).status_code == 303
        assert (await sign_in(attacker)).status_code == 403
    [event] = await world.events("lockout.passed")
    assert event["severity"] == "MEDIUM"
    assert await world.events("lockout.ended") == []


async def test_the_link_opens_the_persons_own_browser_where_that_was_closed(world: World) -> None:
    await world.person()
    async with world.browser() as mine:
        assert (await sign_in(mine)).status_code == 303
        mine.cookies.delete("__Host-ostiary_session")
        for number in range(5):
            assert (await sign_in(mine, "ada", f"wrong {number} by far")).status_code == 403
        assert (await sign_in(mine)).status_code == 403
        await send(mine, await link_path(world, "locked", "unlock"))
        assert (await sign_in(mine)).status_code == 303
    async with world.services.database.reading() as db:
        assert len((await db.execute(select(devices.c.id))).all()) == 1


async def test_the_link_gives_the_persons_own_browser_fresh_tries_for_codes(world: World) -> None:
    """S24: the counters of this browser alone; those of the person as a whole stay (S23)."""
    person = await world.person()
    async with world.browser() as mine, world.browser(address="203.0.113.9") as stranger:
        assert (await sign_in(mine)).status_code == 303
        async with world.services.database.reading() as db:
            device_id = (await db.execute(select(devices.c.id))).scalar_one()
        keys = [
            lockout.code_key(world.services.emitter, method, person.id, whose)
            for method in ("totp", "backup_code", "mail_code")
            for whose in (device_id, None)
        ]
        keys.append(lockout.all_codes_key(world.services.emitter, "totp", person.id))
        for key in keys:
            await close(world, key)
        async with world.services.database.transaction() as db:
            await notify(db, world.services, person.id, Notice.LOCKED, now=world.clock(), origin=Origin())
        path = await link_path(world, "locked", "unlock")
        assert "wrong passwords or codes" in words_of(await stranger.get(path))
        await send(mine, path)
    now, database = world.clock(), world.services.database
    closed = [await lockout.is_closed(database, key, now=now) for key in keys]
    assert closed == [False, True] * 3 + [True]


async def close(world: World, key: bytes) -> None:
    """One failure too many."""
    duration = world.services.settings.lockout_duration
    assert await lockout.reserve(world.services.database, key, limit=1, duration=duration, now=world.clock())


async def test_a_browser_that_the_link_makes_known_is_told_of(world: World) -> None:
    """S29: else whoever reads the mailbox could make a browser known unheard."""
    person = await world.person()
    async with world.browser() as mine, world.browser(address="203.0.113.9") as other:
        await world.sign_in(mine, person)
        await lock(world)
        await send(other, await link_path(world, "locked", "unlock"))
        letter = await one_letter(world, "new_device")
        assert "Address: 203.0.113.9" in letter.text
        assert (await sign_in(other)).status_code == 303
        assert len(await letters(world, "new_device")) == 1
        assert (await send(mine, path_of(letter.link("not_me")))).status_code == 303
    assert len(await world.events("device.forgotten")) == 1


async def test_it_works_once_and_a_get_does_nothing(world: World) -> None:
    await world.person()
    await lock(world)
    path = await link_path(world, "locked", "unlock")
    async with world.browser() as mine, world.browser() as other:
        seen = [hidden_fields(await mine.get(path)) for _ in range(3)]
        hidden = seen[0]
        assert await world.events("lockout.passed") == []
        assert (await post(mine, path, hidden)).status_code == 303
        assert (await post(other, path, hidden)).status_code == 404
        assert (await sign_in(other)).status_code == 403
    assert len(await world.events("lockout.passed")) == 1
    refused = [event["data"] for event in await world.events("admin.link_refused")]
    assert refused == [{"kind": "unlock", "reason": "unknown_or_spent"}]


async def test_a_disabled_account_is_not_passed(world: World) -> None:
    person = await world.person()
    await lock(world)
    path = await link_path(world, "locked", "unlock")
    async with world.browser() as mine:
        hidden = hidden_fields(await mine.get(path))
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, person.id, "disabled", now=world.clock(), actor="cli")
        assert (await post(mine, path, hidden)).status_code == 404
    assert await world.events("lockout.passed") == []
