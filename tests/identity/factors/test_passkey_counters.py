"""Counters of passkeys: of what a passkey signed, and of answers that do not hold (S23, S24, S30).

Why each is as it is: docs/decisions/0010.
"""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from identity import lockout
from identity.factors import passkey_step
from identity.factors.registry import lock_person, remove_factor
from tests.forms_browser import FormsBrowser
from tests.identity.factors.passkey_authenticator import BE, UP, UV, Authenticator
from tests.identity.factors.passkey_ceremonies import (
    ask_options,
    begin,
    give_passkey,
    send_answer,
    stored_passkeys,
    use_passkey,
)
from tests.identity.factors.steps import to_second_step
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio


async def test_a_counter_that_went_back_is_told_and_stays(world: World) -> None:
    """S30: flagged. Which of two copies is the stolen one nobody can tell, so neither is locked out by the other."""
    key = await give_passkey(world, await world.person(), Authenticator(count=5))
    for count, told, kept in ((6, 0, 6), (6, 1, 6), (3, 2, 6), (0, 3, 6), (9, 3, 9)):
        key.count = count
        async with world.browser() as http:
            begun = await begin(http)
            assert (await send_answer(http, begun.page, key.get(begun.options))).url == f"{ISSUER}/"
        assert len(await world.events("mfa.counter_regressed")) == told, f"after {count}"
        [stored] = await stored_passkeys(world)
        assert stored["sign_count"] == kept
    [stored] = await stored_passkeys(world)
    credential = stored["id"]
    assert isinstance(credential, bytes)
    regressed = await world.events("mfa.counter_regressed")
    assert {event["severity"] for event in regressed} == {"HIGH"}
    assert regressed[0]["data"] == {"credential": f"fac_{credential.hex()}"}


async def test_a_passkey_without_a_counter_raises_no_alarm(world: World) -> None:
    """§6.1.1: most passkeys that are copied between devices always say 0."""
    key = await give_passkey(world, await world.person())
    for _ in range(2):
        async with world.browser() as http:
            begun = await begin(http)
            assert (await send_answer(http, begun.page, key.get(begun.options))).url == f"{ISSUER}/"
    assert await world.events("mfa.counter_regressed") == []


async def test_whether_it_was_backed_up_is_kept_up_to_date(world: World) -> None:
    key = await give_passkey(world, await world.person(), Authenticator(flags=UP | UV | BE))
    assert [row["backup_state"] for row in await stored_passkeys(world)] == [False]
    key.flags |= 0x10
    async with world.browser() as http:
        begun = await begin(http)
        await send_answer(http, begun.page, key.get(begun.options))
    assert [row["backup_state"] for row in await stored_passkeys(world)] == [True]


# ---------------------------------------------------------------- lockout


async def test_a_door_closed_to_passwords_stays_open_to_the_passkey(world: World) -> None:
    """S24: whoever types wrong passwords for somebody keeps nobody out who has a passkey (docs/decisions/0010)."""
    key = await give_passkey(world, await world.person())
    async with world.browser() as http:
        browser = FormsBrowser(http, ISSUER)
        for _ in range(world.services.settings.lockout_failures):
            await browser.sign_in(await browser.open("/signin"), "ada", "a wrong password")
    assert len(await world.events("lockout.started")) == 1
    async with world.browser() as http:
        begun = await begin(http)
        assert (await send_answer(http, begun.page, key.get(begun.options))).url == f"{ISSUER}/"


async def test_a_pending_second_step_dies_with_the_lockout(world: World) -> None:
    """S23: the password before it may have been guessed; the passkey alone still works."""
    key = await give_passkey(world, await world.person())
    async with world.browser() as pending, world.browser() as attacker:
        page = await to_second_step(world, pending)
        browser = FormsBrowser(attacker, ISSUER)
        for _ in range(world.services.settings.lockout_failures):
            await browser.sign_in(await browser.open("/signin"), "ada", "a wrong password")
        assert (await use_passkey(pending, page, key)).url == f"{ISSUER}/"
    assert await world.events("mfa.succeeded") == []
    [event] = await world.events("login.succeeded")
    assert isinstance(event["data"], dict)
    assert event["data"]["methods"] == ["passkey"]


async def test_a_lockout_during_the_second_step_refuses_it(world: World) -> None:
    """S23: the door was closed after the step was asked for, and the sign-in begins anew."""
    person = await world.person()
    key = await give_passkey(world, person)
    services = world.services
    async with world.browser() as pending:
        page = await to_second_step(world, pending)
        door, limit = lockout.person_key(services.emitter, person.id), services.settings.lockout_failures
        for _ in range(limit):
            duration = services.settings.lockout_duration
            await lockout.reserve(services.database, door, limit=limit, duration=duration, now=world.clock())
        refused = await use_passkey(pending, page, key)
        assert refused.status == 403
        [event] = await world.events("mfa.refused")
        assert event["data"] == {"method": "passkey", "reason": "account_locked"}
        anew = await FormsBrowser(pending, ISSUER).open("/signin")
        assert anew.url.endswith("/signin"), "what was proven before counts no more"
        assert (await use_passkey(pending, anew, key)).url == f"{ISSUER}/"


async def test_failures_of_one_passkey_close_its_door_but_not_where_its_person_was_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S23, S24: at most 100 consecutive failures (NIST SP 800-63B-4 §3.2.2); here three."""
    monkeypatch.setattr(passkey_step, "MOST_FAILURES", 3)
    key = await give_passkey(world, await world.person())
    async with world.browser() as known, world.browser() as stranger:
        begun = await begin(known)
        assert (await send_answer(known, begun.page, key.get(begun.options))).url == f"{ISSUER}/"
        page = (await begin(stranger)).page
        for _ in range(3):
            bogus = key.get(await ask_options(stranger, page), signed_by=Authenticator())
            page = await send_answer(stranger, page, bogus)
        [locked] = await world.events("lockout.started")
        data = locked["data"]
        assert isinstance(data, dict)
        assert (data["failures"], data["scope"]) == (3, "passkey")
        refused = await use_passkey(stranger, page, key)
        assert refused.status == 403
        assert (await world.events("login.refused"))[-1]["data"] == {"reason": "passkey_locked"}
        again = await begin(known, world.authorize_url(await world.client(), prompt="login"))
        assert "code" in (await send_answer(known, again.page, key.get(again.options))).params
        world.clock.move(minutes=16)
        begun = await begin(stranger)
        assert (await send_answer(stranger, begun.page, key.get(begun.options))).url == f"{ISSUER}/"


async def test_the_limit_of_an_address_holds_for_passkeys(world: World) -> None:
    """S23: failures over many accounts end here."""
    limit = world.services.settings.address_attempts
    async with world.browser(address="203.0.113.9") as http:
        page = (await begin(http)).page
        for _ in range(limit):
            assert (await send_answer(http, page, "{}")).status == 403
        refused = await send_answer(http, page, "{}")
        assert refused.status == 429
        assert "retry-after" in refused.response.headers


async def test_a_sign_in_by_a_passkey_that_is_being_removed_waits_and_is_refused(world: World) -> None:
    """I2: both take the person's row before the passkey's; the other way round they would block each other."""
    person = await world.person()
    key = await give_passkey(world, person)
    [row] = await stored_passkeys(world)
    async with world.browser() as http:
        begun = await begin(http)
        async with world.services.database.transaction() as db:
            await lock_person(db, person.id)
            waiting = asyncio.create_task(send_answer(http, begun.page, key.get(begun.options)))
            await asyncio.sleep(0.3)
            removed = await remove_factor(
                db, world.services, person.id, cast(bytes, row["id"]), why="by_person", now=world.clock()
            )
        assert removed
        assert (await waiting).status == 403
    assert await stored_passkeys(world) == []
