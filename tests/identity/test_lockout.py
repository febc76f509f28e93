"""Lockout: the counter that closes the door to proofs, and what it looks like from outside (S22, S23, S24)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from unittest.mock import patch

import bcrypt
import httpx2
import pytest
from sqlalchemy import select

from audit.catalogue import Severity
from identity import lockout
from identity.accounts import find_person_by_login, set_person_state
from identity.password_hashes import Verified
from identity.passwords import find_hash, set_password
from identity.tables import lockouts
from identity.values import PersonState
from tests.identity.forms import open_signin, send_signin, sign_in, words_of
from tests.world import PASSWORD, World, open_world

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("prompt_refusals")]

WRONG = "not the right words at all"
VARIANTS = ["ada", "ADA", " ada ", "Ada", "\uff41\uff44\uff41", "ada@example.com", "ADA@Example.com"]


async def _fail(world: World, times: int, username: str = "ada") -> list[httpx2.Response]:
    async with world.browser() as browser:
        hidden = await open_signin(browser)
        return [await send_signin(browser, hidden, username, WRONG) for _ in range(times)]


async def _try(world: World, username: str = "ada", password: str = PASSWORD) -> httpx2.Response:
    async with world.browser(address="192.0.2.9") as browser:
        return await sign_in(browser, username, password)


async def test_five_failures_close_the_door_for_fifteen_minutes(world: World) -> None:
    """S23; the right password in sixth place is refused and reaches no hash."""
    person = await world.person()
    await _fail(world, 5)
    made = world.services.hashes.hashes_made
    assert (await _try(world)).status_code == 403
    assert world.services.hashes.hashes_made == made
    world.clock.move(minutes=14)
    assert (await _try(world)).status_code == 403
    world.clock.move(minutes=1)
    assert (await _try(world)).status_code == 303
    [started] = await world.events("lockout.started")
    assert started["severity"] == Severity.HIGH
    assert started["subject"] == f"usr_{person.id.hex()}"
    assert started["data"]["failures"] == 5  # type: ignore[index]
    assert started["data"]["scope"] == "person"  # type: ignore[index]
    reasons = [event["data"] for event in await world.events("login.refused")]
    assert reasons == [{"reason": "locked"}] * 2


async def test_four_failures_do_not_and_a_success_forgets_them(world: World) -> None:
    await world.person()
    for _ in range(2):
        await _fail(world, 4)
        assert (await _try(world)).status_code == 303
    assert await world.events("lockout.started") == []


async def test_failures_lapse_after_the_duration(world: World) -> None:
    await world.person()
    await _fail(world, 4)
    world.clock.move(minutes=15, seconds=1)
    await _fail(world, 4)
    assert (await _try(world)).status_code == 303


async def test_all_spellings_of_a_name_share_one_counter(world: World) -> None:
    """S23: capitals, spaces, full-width letters, and the mail address."""
    await world.person()
    for spelling in VARIANTS[:5]:
        await _fail(world, 1, spelling)
    for spelling in VARIANTS:
        assert (await _try(world, spelling)).status_code == 403
    assert len(await world.events("lockout.started")) == 1


async def test_a_hundred_parallel_wrong_passwords_reach_the_hash_at_most_five_times(world: World) -> None:
    """S23: the counter is raised before anything is hashed; nobody is answered with a 500."""
    await world.person()
    made = world.services.hashes.hashes_made
    async with world.browser() as browser:
        hidden = await open_signin(browser)
        answers = await asyncio.gather(*(send_signin(browser, hidden, "ada", WRONG) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {403}
    assert world.services.hashes.hashes_made - made <= 5
    assert (await _try(world)).status_code == 403
    assert len(await world.events("lockout.started")) == 1


async def test_parallel_right_passwords_all_get_in(world: World) -> None:
    """Ten windows that open at once do not lock the door that they open."""
    await world.person()
    answers = await asyncio.gather(*(_try(world) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [303] * 10
    assert await world.events("login.refused") == []


async def test_parallel_right_passwords_all_get_in_while_an_imported_hash_is_renewed(world: World) -> None:
    """S21: the renewed hash is the same password's, so nobody is told that the page is out of date."""
    person = await world.person()
    imported = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    async with world.services.database.transaction() as db:
        await set_password(db, world.services, person.id, imported, why="import", now=world.clock(), actor="cli")
    answers = await asyncio.gather(*(_try(world) for _ in range(6)))
    assert [answer.status_code for answer in answers] == [303] * 6
    async with world.services.database.reading() as db:
        assert (await db.execute(select(lockouts))).all() == []
        assert (await find_hash(db, person.id) or "").startswith("$argon2id$")


async def test_a_password_that_was_changed_meanwhile_lets_nobody_in(world: World) -> None:
    """S32"""
    person = await world.person()
    async with world.browser() as browser:
        hidden = await open_signin(browser)
        verify = world.services.hashes.verify

        async def slow(stored: str, password: str) -> Verified:
            verified = await verify(stored, password)
            new = await world.services.hashes.hash("another quiet harbour 8")
            async with world.services.database.transaction() as db:
                await set_password(db, world.services, person.id, new, why="reset", now=world.clock(), actor="cli")
            return verified

        with patch.object(world.services.hashes, "verify", slow):
            answer = await send_signin(browser, hidden, "ada")
    assert answer.status_code == 400
    assert await world.events("login.succeeded") == []


async def test_every_refusal_looks_the_same(world: World) -> None:
    """S22: unknown, wrong, locked, suspended and disabled: text, status, headers, length."""
    for name in ("ada", "bob", "eve", "joe"):
        await world.person(name)
    await _fail(world, 5, "bob")
    await _set_state(world, "eve", "disabled")
    await _set_state(world, "joe", "suspended")
    seen = []
    for name, password in [("xyz", PASSWORD), ("ada", WRONG), ("bob", PASSWORD), ("eve", PASSWORD), ("joe", PASSWORD)]:
        async with world.browser() as browser:
            hidden = await open_signin(browser)
            page = await send_signin(browser, hidden, name, password)
        headers = {key: value for key, value in page.headers.items() if key != "x-request-id"}
        seen.append((page.status_code, headers, page.text.replace(hidden["form_token"], ""), len(page.content)))
    assert all(refusal == seen[0] for refusal in seen)
    assert seen[0][0] == 403
    assert "That did not work." in seen[0][2]
    reasons = [event["data"]["reason"] for event in await world.events("login.failed")]  # type: ignore[index]
    assert reasons[5:] == ["unknown_account", "wrong_password", "account_not_active", "account_not_active"]


async def test_an_unknown_name_costs_one_hash_and_locks_as_any_other_does(world: World) -> None:
    """S21, S22; what nobody is called is kept as a keyed hash only (S46)."""
    canary = "my-secret-password-typed-into-the-wrong-field"
    made = world.services.hashes.hashes_made
    await _fail(world, 1, canary)
    assert world.services.hashes.hashes_made == made + 1
    await _fail(world, 6, canary.upper())
    assert world.services.hashes.hashes_made == made + 5
    failed = await world.events("login.failed")
    assert len(failed) == 5
    assert {event["data"]["typed_digest"] for event in failed} == {  # type: ignore[index]
        world.services.emitter.index("typed", canary).hex()
    }
    assert canary not in str(await world.events()).lower()


async def test_refusals_are_answered_at_a_common_deadline(
    world: World, prompt_refusals: Callable[[float], None]
) -> None:
    """S22: a locked account makes no hash and is answered no sooner."""
    await world.person()
    await _fail(world, 5)
    prompt_refusals(0.4)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await _try(world)).status_code == 403
    assert loop.time() - began >= 0.4


async def test_a_known_device_keeps_its_own_counter(world: World) -> None:
    """S24: whoever fails elsewhere cannot shut a person out of a browser that they used before."""
    await world.person()
    async with world.browser() as known:
        await sign_in(known)
        known.cookies.delete("__Host-ostiary_session")
        await _fail(world, 5)
        assert (await _try(world)).status_code == 403
        assert (await sign_in(known)).status_code == 303
        known.cookies.delete("__Host-ostiary_session")
        hidden = await open_signin(known)
        for _ in range(5):
            await send_signin(known, hidden, "ada", WRONG)
        assert (await send_signin(known, hidden, "ada")).status_code == 403
    scopes = [event["data"]["scope"] for event in await world.events("lockout.started")]  # type: ignore[index]
    assert scopes == ["person", "device"]


async def test_a_device_of_one_person_is_no_device_of_another(world: World) -> None:
    """S33: the cookie counts for the person who signed in with it and for nobody else."""
    await world.person("ada")
    await world.person("eve")
    async with world.browser() as browser:
        await sign_in(browser, "eve")
        browser.cookies.delete("__Host-ostiary_session")
        hidden = await open_signin(browser)
        for _ in range(5):
            await send_signin(browser, hidden, "ada", WRONG)
    assert (await _try(world, "ada")).status_code == 403
    [started] = await world.events("lockout.started")
    assert started["data"]["scope"] == "person"  # type: ignore[index]


async def test_a_lockout_ends_no_running_session(world: World) -> None:
    """S18: it gates proofs and is no state of the account."""
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        await _fail(world, 5)
        assert "You are signed in" in words_of(await browser.get("/"))


@pytest.fixture
async def sprayed(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment that takes three sign-ins from an address and five from a network."""
    async with open_world(database_url, tmp_path, rate__per_address="3", rate__per_network="5") as opened:
        yield opened


async def test_a_spray_ends_at_the_address_and_locks_nobody(sprayed: World) -> None:
    """S23: addresses and networks have their own limits; what is over them is not looked at."""
    await sprayed.person()
    answers, made = [], sprayed.services.hashes.hashes_made
    for number, address in enumerate(["203.0.113.1"] * 5 + ["203.0.113.2"] * 2):
        async with sprayed.browser(address=address) as browser:
            answers.append(await sign_in(browser, f"nobody-{number}", WRONG))
    assert [answer.status_code for answer in answers] == [403, 403, 403, 429, 429, 429, 429]
    assert sprayed.services.hashes.hashes_made == made + 3
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "too many sign-ins from your network" in words_of(answers[-1])
    async with sprayed.browser(address="198.51.100.1") as browser:
        assert (await sign_in(browser)).status_code == 303


async def test_a_full_hash_pool_answers_503_and_counts_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.person()
    monkeypatch.setattr(world.services.hashes, "_max_waiting", -world.services.hashes.threads)
    for _ in range(6):
        answer = await _try(world)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
    monkeypatch.undo()
    assert (await _try(world)).status_code == 303
    assert await world.events("login.failed") == []


async def _set_state(world: World, username: str, state: PersonState) -> None:
    async with world.services.database.transaction() as db:
        person = await find_person_by_login(db, username)
        assert person is not None
        await set_person_state(db, world.services, person.id, state, now=world.clock(), actor="cli")


async def test_reservations_are_counted_by_one_statement(world: World) -> None:
    """S23: twenty at once, five places, in order; giving one back makes room for one."""
    services, key = world.services, b"k" * 32
    settings = services.settings

    async def reserve() -> lockout.Reservation | None:
        return await lockout.reserve(
            services.database, key, limit=5, duration=settings.lockout_duration, now=world.clock()
        )

    places = [place for place in await asyncio.gather(*(reserve() for _ in range(20))) if place]
    assert sorted(place.failures for place in places) == [1, 2, 3, 4, 5]
    assert [place.locks_until is not None for place in sorted(places, key=lambda one: one.failures)] == [False] * 4 + [
        True
    ]
    async with services.database.transaction() as db:
        await lockout.give_back(db, places[0], limit=5)
    assert [await reserve() is not None for _ in range(2)] == [True, False]
