"""People: made once under one name, moved between states, and what follows from that."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from audit.tables import events as events_table
from identity.accounts import create_person, find_person, find_person_by_login, list_people, set_person_state
from identity.errors import Refused
from identity.person_values import NewPerson, Person
from identity.profiles import check_profile
from identity.values import PersonState
from tests.identity.forms import sign_in, words_of
from tests.world import World

pytestmark = pytest.mark.anyio


async def _create(world: World, **parts: object) -> bytes:
    async with world.services.database.transaction() as db:
        new = NewPerson(**parts)  # type: ignore[arg-type]
        return await create_person(db, world.services, new, now=world.clock(), actor="cli", via="cli")


async def _find(world: World, login: str) -> Person | None:
    async with world.services.database.reading() as db:
        return await find_person_by_login(db, login)


async def _set_state(world: World, person_id: bytes, state: PersonState) -> None:
    async with world.services.database.transaction() as db:
        await set_person_state(db, world.services, person_id, state, now=world.clock(), actor="cli")


async def test_a_person_is_found_by_username_and_by_verified_mail_address(world: World) -> None:
    person_id = await _create(world, username="Ada", email="Ada@Example.com", name="Ada Byron", is_admin=True)
    by_mail = await _find(world, "ada@example.com")
    assert by_mail is not None
    assert by_mail.id == person_id
    person = await _find(world, "ada")
    assert person == by_mail
    assert (person.username, person.state, person.is_admin, person.version) == ("Ada", "active", True, 1)
    assert person.profile == {"name": "Ada Byron"}
    assert person.primary_email is not None
    assert person.primary_email.address == "Ada@example.com"
    [created] = await world.events("admin.person_created")
    assert created["data"] == {"is_admin": True, "via": "cli"}


async def test_personal_fields_of_an_account_are_sealed_in_its_event(world: World) -> None:
    """S47: what is personal stands in the event only under the person's own key."""
    await _create(world, username="zaphod", email="zaphod@heart-of-gold.example", name="Zaphod B.")
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(events_table.c.body, events_table.c.sealed))).all()
    everything = b"".join(row.body.encode() + row.sealed for row in rows)
    for word in (b"zaphod", b"Zaphod", b"heart-of-gold"):
        assert word not in everything


async def test_an_unverified_address_signs_nobody_in_and_may_be_claimed_by_others(world: World) -> None:
    await _create(world, username="ada", email="shared@example.com", email_verified=False)
    assert await _find(world, "shared@example.com") is None
    owner = await _create(world, username="eve", email="shared@example.com")
    found = await _find(world, "shared@example.com")
    assert found is not None
    assert found.id == owner


@pytest.mark.parametrize(
    ("parts", "field", "words"),
    [
        ({}, "username", "a username or a mail address is needed"),
        ({"username": "a b"}, "username", "may contain letters"),
        ({"username": "ADA"}, "username", "belongs to another account"),
        ({"username": "\uff41da"}, "username", "belongs to another account"),
        ({"email": "ADA@example.COM"}, "email", "belongs to another account"),
        ({"email": "nowhere"}, "email", "must look like name@example.com"),
        ({"username": "eve", "profile": {"role": "admin"}}, "role", "is not a standard profile claim"),
        ({"username": "eve", "profile": {"website": "javascript:alert(1)"}}, "website", "begins with https://"),
        ({"username": "eve", "profile": {"birthdate": "yesterday"}}, "birthdate", "1990-12-31"),
        ({"username": "eve", "name": "x" * 513}, "name", "at most 512 characters"),
    ],
)
async def test_what_cannot_be_taken_is_named_and_leaves_nothing(
    world: World, parts: dict[str, object], field: str, words: str
) -> None:
    await _create(world, username="ada", email="ada@example.com")
    with pytest.raises(Refused) as refused:
        await _create(world, **parts)
    assert refused.value.field == field
    assert words in refused.value.message
    async with world.services.database.reading() as db:
        assert len(await list_people(db, 10)) == 1
    assert len(await world.events("admin.person_created")) == 1


async def test_one_of_many_who_take_a_name_at_once_gets_it(world: World) -> None:
    results = await asyncio.gather(*(_create(world, username="ada") for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, bytes) for result in results) == 1
    assert all(isinstance(result, bytes | Refused) for result in results), results


async def test_people_are_listed_in_pages(world: World) -> None:
    made = []
    for name in ("ada", "bob", "eve"):
        made.append(await _create(world, username=name))
        world.clock.move(seconds=1)
    async with world.services.database.reading() as db:
        first = await list_people(db, 2)
        rest = await list_people(db, 2, after=first[-1].id)
    assert [person.id for person in (*first, *rest)] == made


@pytest.mark.parametrize("state", ["suspended", "disabled", "deleted"])
async def test_leaving_active_ends_everything_at_once(world: World, state: PersonState) -> None:
    """S18: sessions, refresh tokens and access tokens, in the moment of the change."""
    person = await world.person()
    client = await world.client()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    async with world.browser() as browser:
        await sign_in(browser)
        await _set_state(world, person.id, state)
        assert "Welcome" in words_of(await browser.get("/"))
        assert (await sign_in(browser)).status_code == 403
    refreshed = await world.refresh(client, tokens["refresh_token"])
    assert refreshed.json()["error"] == "invalid_grant"
    assert await world.introspect(client, tokens["access_token"]) == {"active": False}
    [changed] = await world.events("admin.person_state_changed")
    assert changed["data"] == {"before": "active", "after": state}


async def test_a_person_who_is_active_again_signs_in_and_old_sessions_stay_dead(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        await _set_state(world, person.id, "suspended")
        await _set_state(world, person.id, "active")
        assert "Welcome" in words_of(await browser.get("/"))
        assert (await sign_in(browser)).status_code == 303


async def test_a_deleted_account_stays_deleted(world: World) -> None:
    person = await world.person()
    await _set_state(world, person.id, "deleted")
    with pytest.raises(Refused, match="a deleted account stays deleted"):
        await _set_state(world, person.id, "active")


async def test_the_last_active_administrator_cannot_be_locked_out(world: World) -> None:
    """S43"""
    first, second = await world.person("ada", admin=True), await world.person("eve", admin=True)
    await _set_state(world, second.id, "disabled")
    with pytest.raises(Refused, match="this is the last active administrator"):
        await _set_state(world, first.id, "suspended")
    await _set_state(world, second.id, "active")
    await _set_state(world, first.id, "suspended")


async def test_two_administrators_cannot_disable_each_other_at_once(world: World) -> None:
    """S43: one of the two changes waits for the other and is then refused."""
    people = [await world.person(name, admin=True) for name in ("ada", "eve")]
    results = await asyncio.gather(*(_set_state(world, one.id, "disabled") for one in people), return_exceptions=True)
    async with world.services.database.reading() as db:
        states = [found.state for one in people if (found := await find_person(db, one.id))]
    assert sorted(states) == ["active", "disabled"], results


def test_a_profile_keeps_standard_claims_and_drops_empty_ones() -> None:
    profile = {"name": " Ada ", "nickname": "", "address": {"locality": "London", "region": ""}, "birthdate": "1815"}
    assert check_profile(profile) == {"name": "Ada", "address": {"locality": "London"}, "birthdate": "1815"}


@pytest.mark.parametrize(
    ("profile", "field"),
    [
        ({"phone_number_verified": "yes"}, "phone_number_verified"),
        ({"address": {"planet": "Earth"}}, "address"),
        ({"address": "London"}, "address"),
        ({"name": "Ada\u202e"}, "name"),
        ({"name": "Ada\x00"}, "name"),
        ({"name": 7}, "name"),
    ],
)
def test_a_profile_with_something_else_in_it_is_refused(profile: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as refused:
        check_profile(profile)
    assert refused.value.field == field


async def test_a_username_of_many_combining_marks_is_refused_in_words(world: World) -> None:
    """I4: the column has an end on one database and none on the other."""
    with pytest.raises(Refused, match="username: "):
        await world.person("e\u0301\u0302\u0323" * 40)
