"""The section on risk: sign-ins by level, what weighed most, and who was critical, held against a day made by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from audit.catalogue import (
    DEVICE_CLONED,
    LOGIN_BEGUN,
    LOGIN_REFUSED,
    LOGIN_SUCCEEDED,
    RISK_CRITICAL,
    RISK_RAISED,
    RISK_REPORTED,
    EventType,
)
from audit.record import Event, Origin, RiskNote
from audit.removal.erasure import erase_person
from audit.reports.compose import compose_daily
from audit.reports.model import Report
from audit.reports.opening import open_report
from audit.reports.scope import Sections
from audit.reports.sections.risk import risk_section
from base.ids import PERSON, show_id
from identity.person_values import Person
from server.reporting import report_sections
from tests.audit.assessed import assessed
from tests.audit.reports.small_log import DAY, MIDNIGHT, figures_of, number_and_sign, report_of, section_of, table_of
from tests.world import World

pytestmark = pytest.mark.anyio


def note(score: int, level: str, *points: int) -> RiskNote:
    """A score with a reason for each of its points, and one that speaks for the person."""
    named = zip(("device.new", "place.new"), points, strict=False)
    reasons = [{"signal": name, "log_odds": 1.0, "points": some, "detail": {}} for name, some in named]
    reassuring: dict[str, object] = {"signal": "hour.usual", "log_odds": -1.0, "points": 0, "detail": {}}
    return RiskNote(
        score=score, level=level, calibration="shipped", log_odds=1.0, reasons=(*reasons, reassuring)
    )  # fmt: skip


def critical(person: Person, minutes: int) -> tuple[timedelta, Event]:
    data = {"to": 97, "threshold": 90, "why": "sign_in", "effect": "strong_factor"}
    return timedelta(minutes=minutes), assessed(person.id, RISK_CRITICAL, risk=note(97, "critical"), data=data)


async def make_day(world: World) -> tuple[Person, Person]:
    ada, bob = await world.person("ada", password=None), await world.person("bob", password=None)
    first, other = timedelta(hours=9), timedelta(hours=10)
    told: list[tuple[timedelta, Event]] = [
        (first, assessed(ada.id, risk=note(0, "low"))),
        (first, assessed(ada.id, risk=note(12, "low", 12))),
        (other, assessed(bob.id, risk=note(64, "high", 40, 24))),
        (other, assessed(bob.id, LOGIN_BEGUN, risk=note(64, "high", 40, 24))),
        (other, assessed(bob.id, LOGIN_REFUSED, risk=note(97, "critical", 97), outcome="denied")),
        # Without a score they are in no level.
        (other, assessed(bob.id, risk=None)),
        critical(bob, 700),
        critical(ada, 800),
        (other, Event(type=RISK_RAISED, actor="system", person=bob.id, data={"from": 3, "to": 61, "why": "refresh"})),
        (other, Event(type=DEVICE_CLONED, actor="system", person=bob.id)),
        (other, Event(type=RISK_REPORTED, actor="cli_x", person=bob.id, data={"about": "person", "kind": "card"})),
        # The day before, and what another service tells.
        (timedelta(hours=-1), assessed(ada.id, risk=note(97, "critical", 97))),
        critical(ada, -60),
        (other, foreign(LOGIN_SUCCEEDED, ada)),
    ]
    async with world.services.database.transaction() as db:
        for since, event in told:
            await world.services.emitter.emit(db, event, now=MIDNIGHT + since)
    return ada, bob


def foreign(kind: EventType, person: Person) -> Event:
    return assessed(person.id, kind, origin=Origin(source="cli_x"), risk=note(50, "medium", 50))


async def opened(world: World, report: Report) -> Report:
    return await open_report(world.services.audit, report_sections(), report)


async def test_sign_ins_are_counted_by_level_with_what_came_of_them(world: World) -> None:
    await make_day(world)
    report = await report_of(world)
    assert table_of(report, "risk", "levels").rows == (
        ("critical", 0, 0, 1),
        ("high", 1, 1, 0),
        ("medium", 0, 0, 0),
        ("low", 0, 2, 0),
    )
    assert section_of(report, "risk").summary == "3 sign-ins were assessed; of high or critical risk: 1."
    assert figures_of(report, "risk") == {
        "critical": (2, 1), "raised": (1, 0), "cloned": (1, 0), "reported": (1, 0),
    }  # fmt: skip
    assert "critical" in [figure.key for figure in report.key_figures]


async def test_what_weighed_most_comes_first_and_what_reassured_does_not_count(world: World) -> None:
    await make_day(world)
    table = table_of(await report_of(world), "risk", "signals")
    assert table.rows == (("device.new", 4, 12 + 40 + 40 + 97), ("place.new", 2, 48))


async def test_signals_are_called_by_whoever_knows_their_names(world: World) -> None:
    await make_day(world)
    sections = Sections(makers=(risk_section(lambda signal, language: f"{signal} in {language}"),))
    report = await compose_daily(
        world.services.audit, sections, DAY, language="tr", made_by="cli", now=world.clock()
    )  # fmt: skip
    assert table_of(report, "risk", "signals").rows[0][0] == "device.new in tr"
    assert table_of(report, "risk", "levels").rows[0][0] == "kritik"


async def test_who_was_critical_is_opened_when_shown_and_closed_once_erased(world: World) -> None:
    """S47"""
    ada, bob = await make_day(world)
    await number_and_sign(world)
    stored = await report_of(world)
    assert "Ankara" not in str(stored)
    rows = table_of(await opened(world, stored), "risk", "critical").rows
    assert [row[1:] for row in rows] == [
        (f"Ada Byron ({name}@example.com)", show_id(PERSON, each.id), 97, "Ankara, TR (AS64500 Example Net)",
         "203.0.113.0/24", "only a factor that cannot be phished counts")
        for each, name in ((bob, "bob"), (ada, "ada"))
    ]  # fmt: skip
    async with world.services.database.transaction() as db:
        await erase_person(db, world.services.audit, ada.id, now=world.clock(), actor="cli")
    erased = table_of(await opened(world, stored), "risk", "critical").rows[1]
    assert (erased[4], erased[5]) == (None, None)
    # The reasons of an erased person open for nobody; the score stays counted.
    report = await report_of(world)
    assert table_of(report, "risk", "signals").rows == (("device.new", 3, 40 + 40 + 97), ("place.new", 2, 48))
    assert table_of(report, "risk", "levels").rows[3] == ("low", 0, 2, 0)


async def test_where_nothing_was_assessed_there_is_no_such_section(world: World) -> None:
    ada = await world.person(password=None)
    async with world.services.database.transaction() as db:
        plain = replace(assessed(ada.id), risk=None)
        await world.services.emitter.emit(db, plain, now=MIDNIGHT + timedelta(hours=1))
    assert "risk" not in [section.key for section in (await report_of(world)).sections]
