"""What a stored report holds of people: ids alone, so that erasing a person reaches old reports too (S47)."""

import pytest
from sqlalchemy import select, text

from audit.removal.erasure import erase_person
from audit.reports.forms import Form, write_report
from audit.reports.opening import open_report
from audit.reports.store import find_report, keep_report, list_reports
from audit.reports.words import load_words
from audit.tables import reports
from base.ids import PERSON, show_id
from server.reporting import report_sections
from tests.audit.reports.small_log import DAY, MIDNIGHT, make_small_log, opened_report, report_of, table_of
from tests.world import World

pytestmark = pytest.mark.anyio
PERSONAL = ("Ada Byron", "ada@example.com", "203.0.113", "198.51.100", "Firefox")


async def test_a_stored_report_names_nobody_and_is_the_same_when_it_is_shown(world: World) -> None:
    ada, _ = await make_small_log(world)
    report, now = await report_of(world), world.clock()
    services = world.services
    async with services.database.transaction() as db:
        await keep_report(db, services.emitter, report, actor="cli", now=now, formats=("pdf",))
    async with services.database.reading() as db:
        (stored,) = (await db.execute(text("SELECT model FROM reports"))).scalars()
        found = await find_report(db, report.id)
        (listed,) = await list_reports(db)
        assert await find_report(db, "rpt_" + "0" * 32) is None
        assert await find_report(db, "rpt_none") is None
    assert found == report
    assert [word for word in PERSONAL if word in stored] == []
    assert show_id(PERSON, ada.id) in stored
    assert (listed.id, listed.kind, listed.from_at) == (report.id, "daily", MIDNIGHT)
    (event,) = await world.events("admin.report_made")
    assert (event["actor"], event["subject"]) == ("cli", report.id)
    assert event["data"] == {
        "kind": "daily", "from": "2026-11-20T00:00:00+00:00", "until": "2026-11-21T00:00:00+00:00", "formats": ["pdf"],
    }  # fmt: skip
    opened, _words = await opened_report(world)
    page = (await write_report(opened, load_words("en"), Form.HTML)).body.decode()
    assert [word for word in PERSONAL if word not in page] == []


async def test_who_was_erased_stays_an_id_in_old_reports(world: World) -> None:
    """S47"""
    ada, bob = await make_small_log(world)
    report, services = await report_of(world), world.services
    async with services.database.transaction() as db:
        await keep_report(db, services.emitter, report, actor="cli", now=world.clock())
    async with services.database.transaction() as db:
        await erase_person(db, services.audit, ada.id, now=world.clock(), actor="cli")
        await db.execute(text("UPDATE people SET profile = '{}', username = NULL"))
        await db.execute(text("DELETE FROM emails"))
    async with services.database.reading() as db:
        kept = await find_report(db, report.id)
    assert kept is not None
    opened = await open_report(services.audit, report_sections(), kept)
    (lockout,) = table_of(opened, "lockouts", "lockouts").rows
    assert lockout[1:3] == (None, show_id(PERSON, ada.id))
    assert lockout[-1] is None
    (device,) = table_of(opened, "devices", "devices").rows
    assert device[1:] == (None, show_id(PERSON, bob.id), "Firefox on Linux", "198.51.100.0/24")
    # The network itself was tried with names of nobody, too; what Ada's own event told of it is gone.
    page = (await write_report(opened, load_words("en"), Form.HTML)).body.decode()
    assert "ada@example.com" not in page
    assert DAY.isoformat()[:4] in page


async def test_the_model_column_is_json_text_in_both_databases(world: World) -> None:
    await make_small_log(world)
    report = await report_of(world)
    async with world.services.database.transaction() as db:
        await keep_report(db, world.services.emitter, report, actor="cli", now=world.clock())
    async with world.services.database.reading() as db:
        row = (await db.execute(select(reports))).one()
    assert isinstance(row.model, dict)
    assert row.model["id"] == report.id
    assert row.size == 0
