"""A row that somebody changed silences nothing: every exit of the log goes on, and says where it was damaged."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update

from audit.catalogue import LOCKOUT_STARTED, LOGIN_FAILED
from audit.export import begin_export, export_events
from audit.reading import EventReader, parse_data, read_from
from audit.record import Event
from audit.reports.compose import compose_daily
from audit.search.of_person import list_person_events
from audit.siem.file_export import FileExport
from audit.tables import events
from base.ids import PERSON, show_id
from identity.person_values import Person
from server.reporting import report_sections
from tests.audit.reports.small_log import number_and_sign, table_of
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

BODIES = ["x", "[]", "", "null", '{"data": 1}', '{"data": {"until": 1' + "0" * 30 + ', "reason": {}}}', "[" * 100_000]


async def damaged_log(world: World, body: str) -> Person:
    """A lockout and six failures of one person; the body of the lockout and of one failure are something else."""
    person, services = await world.person(), world.services
    about = {"subject": show_id(PERSON, person.id), "person": person.id, "actor": "anonymous"}
    told = Event(type=LOGIN_FAILED, outcome="failure", data={"reason": "wrong_password"}, **about)  # type: ignore[arg-type]
    locked = Event(type=LOCKOUT_STARTED, outcome="denied", data={"failures": 5, "until": 1, "scope": "person"}, **about)  # type: ignore[arg-type]
    async with services.database.transaction() as db:
        await services.emitter.emit_all(db, [told, locked], now=world.clock())
        await db.execute(update(events).where(events.c.person_index.is_not(None)).values(body=body))
        await services.emitter.emit_all(db, [told] * 5, now=world.clock())
    await number_and_sign(world)
    return person


@pytest.mark.parametrize("body", BODIES)
async def test_the_export_and_the_list_of_a_person_go_on(world: World, body: str) -> None:
    person, services = await damaged_log(world, body), world.services
    async with services.database.transaction() as db:
        range_ = await begin_export(db, services.emitter, now=world.clock(), actor="cli")
    found = [each async for each in export_events(services.database, services.sealer, range_)]
    assert len(found) == range_.count
    (locked,) = (each for each in found if each["name"] == "lockout.started")
    # What was sealed under another body does not open.
    assert (locked["data"], locked["personal"]) == (parse_data(body), None)
    async with services.database.reading() as db:
        own = await list_person_events(db, services.emitter, services.sealer, person.id, limit=100)
    assert [each.data for each in own if each.name == "lockout.started"] == [parse_data(body)]
    assert [each.data for each in own if each.name == "login.failed"].count({"reason": "wrong_password"}) == 5


def test_what_is_no_body_is_told_as_damaged() -> None:
    assert [parse_data(body) for body in BODIES if "until" not in body] == [{"damaged": True}] * 6
    assert parse_data(b'{"data": {"a": "\xff"}}') == {"damaged": True}
    assert parse_data('{"data": {}}') == {}


@pytest.mark.parametrize("body", BODIES)
async def test_the_days_report_is_made(world: World, body: str) -> None:
    await damaged_log(world, body)
    now = world.clock() + timedelta(minutes=1)
    report = await compose_daily(
        world.services.audit, report_sections(), world.clock().date(), language="en", made_by="cli", now=now
    )  # fmt: skip
    ((_, account, *rest),) = table_of(report, "lockouts", "lockouts").rows
    assert account is not None
    assert rest[0] is rest[2] is None
    reasons = table_of(report, "signins", "reasons").rows
    assert ("A sign-in failed.", "the password was wrong", 5) in reasons
    assert sum(int(str(times)) for _, _, times in reasons) == 6


@pytest.mark.parametrize("body", ["x", "[]"])
async def test_collectors_get_the_events_before_and_after_it(world: World, body: str, tmp_path: Path) -> None:
    await damaged_log(world, body)
    async with world.services.database.reading() as db:
        whole = await read_from(db, EventReader(world.services.sealer), 0)
    exporting = FileExport(world.services.audit, path=tmp_path / "events", form="ocsf")
    await exporting.round()
    lines = [json.loads(line) for line in (tmp_path / "events").read_bytes().splitlines()]
    assert len(lines) == len(whole) > 7
    names = [event.name for event in whole if event.data == {"damaged": True}]
    assert names.count("lockout.started") == names.count("login.failed") == 1
    assert sum(line["unmapped"].get("data") == {"damaged": True} for line in lines) == len(names)


async def test_values_of_another_kind_end_nothing(sqlite_url: Callable[[Path], str], tmp_path: Path) -> None:
    """SQLite keeps any kind of value in any column."""
    async with open_world(sqlite_url(tmp_path), tmp_path) as world:
        await world.person()
        async with world.services.database.transaction() as db:
            broken = "UPDATE events SET body = x'ff', sealed = 'text' WHERE name = 'admin.person_created'"
            await db.execute(text(broken))
            range_ = await begin_export(db, world.services.emitter, now=world.clock(), actor="cli")
        found = [each async for each in export_events(world.services.database, world.services.sealer, range_)]
    (changed,) = (each for each in found if each["name"] == "admin.person_created")
    assert (changed["data"], changed["personal"]) == ({"damaged": True}, None)
