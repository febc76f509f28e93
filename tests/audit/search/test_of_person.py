"""Events about one person: theirs alone, in order, by batches, with personal fields that only their key opens."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from audit.catalogue import LOGIN_FAILED, MFA_RENAMED
from audit.record import Event
from audit.search.of_person import Cursor, FoundEvent, list_person_events, parse_cursor
from audit.tables import subject_keys
from base.clock import from_micros
from identity.person_values import Person
from tests.world import World


async def _found(world: World, person: Person, *, limit: int = 100, after: Cursor | None = None) -> list[FoundEvent]:
    services = world.services
    async with services.database.reading() as db:
        return await list_person_events(
            db, services.emitter, services.sealer, person.id, limit=limit, after=after
        )  # fmt: skip


@pytest.mark.anyio
async def test_events_of_the_same_instant_are_paged_without_a_gap(world: World) -> None:
    person = await world.person(password=None)
    now = world.clock()
    told = [
        Event(type=MFA_RENAMED, actor="cli", person=person.id, personal={"label": str(number)}) for number in range(7)
    ]
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit_all(db, told, now=now)
    whole = await _found(world, person)
    paged: list[FoundEvent] = []
    after = None
    while batch := await _found(world, person, limit=3, after=after):
        paged += batch
        after = parse_cursor(str(Cursor(batch[-1].at, batch[-1].id)))
    assert paged == whole
    assert sorted(str(event.personal["label"]) for event in whole if event.name == "mfa.renamed") == list("0123456")


@pytest.mark.anyio
async def test_only_events_about_the_person_are_found_and_only_their_fields_opened(world: World) -> None:
    ada, bob = await world.person(password=None), await world.person("bob", password=None)
    assert [event.personal["username"] for event in await _found(world, ada)] == ["ada"]
    assert [event.personal["username"] for event in await _found(world, bob)] == ["bob"]
    assert all("salt" not in event.personal for event in await _found(world, ada))


@pytest.mark.anyio
async def test_names_and_instants_narrow_the_search(world: World) -> None:
    person = await world.person(password=None)
    services, now = world.services, world.clock()
    async with services.database.transaction() as db:
        for minutes in range(3):
            event = Event(type=LOGIN_FAILED, actor="anonymous", outcome="failure", person=person.id)
            await services.emitter.emit(db, event, now=now + timedelta(minutes=minutes))
    async with services.database.reading() as db:
        reading = (db, services.emitter, services.sealer, person.id)
        only = await list_person_events(*reading, limit=9, only=("login.failed",))
        but = await list_person_events(*reading, limit=9, but=("login.failed",))
        at = await list_person_events(*reading, limit=9, at=(now + timedelta(minutes=1),))
    assert [event.at for event in only] == [now + timedelta(minutes=minutes) for minutes in (2, 1, 0)]
    assert [event.name for event in but] == ["admin.person_created"]
    assert [event.at for event in at] == [now + timedelta(minutes=1)]


@pytest.mark.anyio
async def test_without_the_key_the_event_stays_and_its_fields_are_gone(world: World) -> None:
    """S47"""
    person = await world.person(password=None)
    async with world.services.database.transaction() as db:
        gone = update(subject_keys).where(subject_keys.c.subject_id == person.id)
        await db.execute(gone.values(sealed=None, destroyed_at=world.clock()))
    (event,) = await _found(world, person)
    assert (event.name, event.personal) == ("admin.person_created", {})


@given(st.integers(0, 10**15), st.binary(min_size=16, max_size=16))
def test_a_cursor_comes_back_as_it_was(micros: int, event_id: bytes) -> None:
    at = from_micros(micros)
    assert parse_cursor(str(Cursor(at, event_id))) == Cursor(at, event_id)


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_any_text_is_a_cursor_or_none(text: str) -> None:
    """S50"""
    found = parse_cursor(text)
    assert found is None or isinstance(found.at, datetime)
