"""The daily round: once a day, by one process, also after a time without any server."""

import re
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reports.daily import DailyReport, DailySettings, tell_nobody
from audit.reports.model import Report
from audit.reports.store import KeptReport, find_report, list_reports
from base.errors import NotReady
from base.tables import outbox
from identity.mail.outbox import open_letter
from server.reporting import make_daily_report, report_sections
from server.setting_groups import Report as ReportSettings
from server.settings import load_settings
from tests.audit.reports.small_log import MIDNIGHT, make_small_log
from tests.world import World

pytestmark = pytest.mark.anyio
SIX = DailySettings(is_on=True, at=time(6), language="en", keep=timedelta(days=400))


def set_clock(world: World, at: datetime) -> None:
    """Moves the deployment's time to a moment."""
    world.clock.shift += at - world.clock()


async def kept(world: World) -> list[KeptReport]:
    """The stored reports, newest first."""
    async with world.services.database.reading() as db:
        return await list_reports(db)


def daily(world: World, settings: DailySettings = SIX) -> DailyReport:
    """One process's part."""
    return DailyReport(world.services.audit, report_sections(), settings, tell=tell_nobody)


async def test_yesterdays_report_is_made_once_at_the_set_hour_by_one_of_two_processes(world: World) -> None:
    await make_small_log(world)
    first, second = daily(world), daily(world)
    set_clock(world, MIDNIGHT + timedelta(days=1, hours=5, minutes=59))
    await first.round()
    # The day before has one sign-in of its own, so its report was due since yesterday at six.
    assert [each.from_at for each in await kept(world)] == [MIDNIGHT - timedelta(days=1)]
    set_clock(world, MIDNIGHT + timedelta(days=1, hours=6, minutes=1))
    for process in (second, first, second, first):
        await process.round()
    assert [each.from_at for each in await kept(world)] == [MIDNIGHT, MIDNIGHT - timedelta(days=1)]
    (event, _) = reversed(await world.events("admin.report_made"))
    assert event["actor"] == "system"
    await first.stop()
    await second.round()
    assert len(await kept(world)) == 2


async def test_after_a_time_without_a_server_only_the_last_day_is_made_up_for(world: World) -> None:
    await make_small_log(world)
    set_clock(world, MIDNIGHT + timedelta(days=9, hours=20))
    await daily(world).round()
    assert [each.from_at for each in await kept(world)] == [MIDNIGHT + timedelta(days=8)]


async def test_a_deployment_that_is_new_reports_nothing_of_the_time_before_it(world: World) -> None:
    set_clock(world, datetime.now(UTC).replace(hour=7) - timedelta(days=30))
    await daily(world).round()
    assert await kept(world) == []


async def test_it_can_be_switched_off_and_old_reports_go_all_the_same(world: World) -> None:
    await make_small_log(world)
    set_clock(world, MIDNIGHT + timedelta(days=1, hours=7))
    await daily(world).round()
    assert len(await kept(world)) == 1
    off = DailySettings(is_on=False, at=time(6), language="en", keep=timedelta(days=10))
    set_clock(world, MIDNIGHT + timedelta(days=11, hours=6, minutes=30))
    await daily(world, off).round()
    assert len(await kept(world)) == 1
    set_clock(world, MIDNIGHT + timedelta(days=12, hours=6, minutes=30))
    await daily(world, off).round()
    assert await kept(world) == []


async def test_who_is_set_gets_a_letter_with_the_key_figures_and_the_way_to_the_rest(world: World) -> None:
    await make_small_log(world)
    set_clock(world, MIDNIGHT + timedelta(days=1, hours=7))
    told = ReportSettings(email="sec@example.com, ciso@example.com")
    await make_daily_report(world.services, told).round()
    (report,) = await kept(world)
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(outbox).order_by(outbox.c.id))).all()
    letters = [open_letter(world.services.sealer, bytes(row.id), bytes(row.sealed)) for row in rows]
    assert {letter.to for letter in letters} == {"sec@example.com", "ciso@example.com"}
    facts = letters[0].facts
    assert (facts["report"], facts["title"], facts["from_at"]) == (report.id, "Daily security report", MIDNIGHT)
    assert facts["figure_1"] == "Sign-ins: 3 · +200% (before: 1)"
    assert facts["figure_2"] == "Failed attempts: 11 · before: 0"
    assert "ada" not in str(facts)


async def test_it_speaks_the_language_of_the_setting(world: World) -> None:
    await make_small_log(world)
    set_clock(world, MIDNIGHT + timedelta(days=1, hours=7))
    await make_daily_report(world.services, ReportSettings(language="tr")).round()
    (report,) = await kept(world)
    async with world.services.database.reading() as db:
        found = await find_report(db, report.id)
    assert found is not None
    assert (found.language, found.title) == ("tr", "Günlük güvenlik raporu")


async def test_a_letter_that_cannot_be_promised_leaves_no_report(world: World) -> None:
    async def fail(_: AsyncConnection, __: Report) -> None:
        raise ZeroDivisionError

    await make_small_log(world)
    set_clock(world, MIDNIGHT + timedelta(days=1, hours=7))
    process = DailyReport(world.services.audit, report_sections(), SIX, tell=fail)
    with pytest.raises(ZeroDivisionError):
        await process.round()
    assert await kept(world) == []
    assert await world.events("admin.report_made") == []


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            {"REPORT__EMAIL": "sec@example.com", "ISSUER": "https://id.example.com"},
            "REPORT__EMAIL: expected OSTIARY_SMTP_URL",
        ),
        ({"REPORT__EMAIL": "nobody"}, "expected mail addresses such as security@example.com"),
        ({"REPORT__DAILY_AT": "24:00"}, "OSTIARY_REPORT__DAILY_AT"),
    ],
)
def test_settings_that_would_tell_nobody_are_refused(environ: dict[str, str], words: str) -> None:
    with pytest.raises(NotReady, match=re.escape(words)):
        load_settings(environ={f"OSTIARY_{name}": value for name, value in environ.items()})
