"""The export: every event once, oldest first, personal fields opened where their key exists."""

import json

import pytest
from sqlalchemy import update

from audit import export
from audit.catalogue import LOGIN_FAILED, MFA_RENAMED
from audit.export import begin_export, export_events
from audit.record import Event, Origin
from audit.tables import events, subject_keys
from base.lines import to_line
from tests.world import World

pytestmark = pytest.mark.anyio


async def exported(world: World) -> list[dict[str, object]]:
    """Everything that an export gives out."""
    services = world.services
    async with services.database.transaction() as db:
        range_ = await begin_export(db, services.emitter, now=world.clock(), actor="cli")
    found = [event async for event in export_events(services.database, services.sealer, range_)]
    assert len(found) == range_.count
    return found


async def test_every_event_comes_once_and_in_order_whatever_the_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", 3)
    for number in range(5):
        await world.person(f"person{number}", password=None)
    found = await exported(world)
    names = [event["name"] for event in found]
    assert names == ["admin.key_added"] * 4 + ["admin.person_created"] * 5
    assert [event["at"] for event in found] == sorted(str(event["at"]) for event in found)
    assert len({event["id"] for event in found}) == 9


async def test_an_export_leaves_its_own_event_before_anything_is_given_out(world: World) -> None:
    """S44"""
    services = world.services
    async with services.database.transaction() as db:
        await begin_export(db, services.emitter, now=world.clock(), actor="cli")
    (event,) = await world.events("admin.audit_exported")
    assert (event["actor"], event["data"]) == ("cli", {"count": 4})
    assert [event["name"] for event in await exported(world)][-1] == "admin.audit_exported"


async def test_personal_fields_are_opened_without_their_salt(world: World) -> None:
    await world.person("ada", password=None)
    event = (await exported(world))[-1]
    assert event["personal"] == {"username": "ada", "email": "ada@example.com", "name": "Ada Byron"}
    assert event["data"] == {"is_admin": False, "via": "cli"}


async def test_an_erased_persons_events_stay_without_their_personal_fields(world: World) -> None:
    """S47"""
    ada = await world.person("ada", password=None)
    await world.person("bob", password=None)
    async with world.services.database.transaction() as db:
        gone = update(subject_keys).where(subject_keys.c.subject_id == ada.id)
        await db.execute(gone.values(sealed=None, destroyed_at=world.clock()))
    first, second = (await exported(world))[-2:]
    assert (first["name"], first["personal"]) == ("admin.person_created", None)
    assert second["personal"] == {"username": "bob", "email": "bob@example.com", "name": "Ada Byron"}


async def test_who_is_erased_while_an_export_runs_is_not_opened_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S47"""
    monkeypatch.setattr(export, "BATCH", 3)
    services, ada = world.services, await world.person("ada", password=None)
    told = Event(type=MFA_RENAMED, actor="cli", person=ada.id, personal={"label": "her phone"})
    async with services.database.transaction() as db:
        await services.emitter.emit_all(db, [told] * 9, now=world.clock())
        range_ = await begin_export(db, services.emitter, now=world.clock(), actor="cli")
    found = []
    async for event in export_events(services.database, services.sealer, range_):
        found.append(event)
        if len(found) == 7:
            async with services.database.transaction() as db:
                gone = update(subject_keys).where(subject_keys.c.subject_id == ada.id)
                await db.execute(gone.values(sealed=None, destroyed_at=world.clock()))
    labels = [event["personal"] for event in found if event["name"] == "mfa.renamed"]
    # The batch that was read already is given out; of all others nothing is opened.
    assert labels == [{"label": "her phone"}] * 4 + [None] * 5


async def test_hostile_text_stays_inside_one_line(world: World) -> None:
    """S46"""
    agent = "curl\r\nforged\x1b[2J\u2028\u202e"
    event = Event(type=LOGIN_FAILED, actor="anonymous", outcome="failure", origin=Origin(user_agent=agent))
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit(db, event, now=world.clock())
    line = to_line((await exported(world))[-1])
    assert line.decode().isprintable()
    assert json.loads(line)["personal"] == {"user_agent": agent}


async def test_a_row_that_somebody_changed_does_not_end_the_export(world: World) -> None:
    """Verification names it; the others must still be read."""
    await world.person()
    async with world.services.database.transaction() as db:
        await db.execute(update(events).where(events.c.name == "admin.person_created").values(sealed=b"changed" * 9))
        range_ = await begin_export(db, world.services.emitter, now=world.clock(), actor="cli")
    found = [each async for each in export_events(world.services.database, world.services.sealer, range_)]
    assert [each["personal"] for each in found if each["name"] == "admin.person_created"] == [None]
    assert len(found) > 1
