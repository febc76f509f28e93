"""What a report says, held against a log that was counted by hand."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from audit.catalogue import AUDIT_SEARCHED, LOGIN_SUCCEEDED, REPORT_READ
from audit.record import Event
from audit.reports.compose import compose
from audit.reports.model import Period, Section
from audit.reports.scope import Scope, Sections
from audit.reports.tally import load_tally
from audit.reports.words import load_words
from audit.tables import alerts, deliveries
from base.ids import PERSON, new_id, show_id
from tests.audit.reports.small_log import (
    DAY,
    MIDNIGHT,
    figures_of,
    make_small_log,
    number_and_sign,
    opened_report,
    report_of,
    section_of,
    table_of,
)
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_signins_and_failures_are_those_of_the_day_in_utc(world: World) -> None:
    await make_small_log(world)
    report = await report_of(world)
    figures = figures_of(report, "signins")
    assert figures == {
        "succeeded": (3, 1),
        "failed": (11, 0),
        "failed_share": (round(11 / 14, 4), 0.0),
        "people": (2, 1),
    }
    (chart,) = section_of(report, "signins").charts
    good, bad = chart.series
    assert {hour: count for hour, count in zip(chart.labels, good.values, strict=True) if count} == {
        "00": 1, "09": 1, "23": 1,
    }  # fmt: skip
    assert {hour: count for hour, count in zip(chart.labels, bad.values, strict=True) if count} == {"10": 11}
    assert len(chart.labels) == 24
    assert table_of(report, "signins", "reasons").rows == (
        ("A sign-in failed.", "the password was wrong", 6),
        ("A sign-in failed.", "nobody has this name", 4),
        ("A second factor failed.", "the code was wrong", 1),
    )
    assert section_of(report, "signins").summary == ("2 people signed in, 3 times. 11 attempts failed: 79% of all.")


async def test_attacked_accounts_and_networks_are_named_with_what_came_of_it(world: World) -> None:
    ada, _ = await make_small_log(world)
    report, _words = await opened_report(world)
    assert {key: value for key, (value, _) in figures_of(report, "attacks").items()} == {
        "accounts": 1, "networks": 1, "unknown_names": 2,
    }  # fmt: skip
    first, last = (MIDNIGHT + timedelta(hours=10, minutes=minute) for minute in (0, 5))
    assert table_of(report, "attacks", "accounts").rows == (
        ("Ada Byron (ada@example.com)", show_id(PERSON, ada.id), 6, 1, first.isoformat(), last.isoformat(), "no"),
    )
    # Ada, and two names that nobody has.
    last = MIDNIGHT + timedelta(hours=10, minutes=13)
    assert table_of(report, "attacks", "networks").rows == (
        ("203.0.113.0/24", 10, 3, 0, first.isoformat(), last.isoformat()),
    )


async def test_lockouts_devices_and_acts_are_told_one_by_one(world: World) -> None:
    ada, bob = await make_small_log(world)
    ada_id, bob_id = show_id(PERSON, ada.id), show_id(PERSON, bob.id)
    report, _ = await opened_report(world)
    at = (MIDNIGHT + timedelta(hours=10, minutes=5)).isoformat()
    until = (MIDNIGHT + timedelta(hours=10, minutes=20)).isoformat()
    assert table_of(report, "lockouts", "lockouts").rows == (
        (at, "Ada Byron (ada@example.com)", ada_id, 5, "the account", until, "203.0.113.0/24"),
    )
    (device,) = table_of(report, "devices", "devices").rows
    assert device[1:] == ("Ada Byron (bob@example.com)", bob_id, "Firefox on Linux", "198.51.100.0/24")
    assert figures_of(report, "administration")["acts"] == (2, 0)
    acts = table_of(report, "administration", "acts").rows
    assert [row[1:] for row in acts] == [
        ("Ada Byron (bob@example.com)", bob_id, "An account's state changed.", "Ada Byron (ada@example.com)", ada_id,
         "High"),
        ("the operator, by command", None, "An application was registered.", None, "cli_x", "Medium"),
    ]  # fmt: skip
    high = table_of(report, "alerts", "high").rows
    assert high == (
        ("admin.person_state_changed", "An account's state changed.", 1),
        ("lockout.started", "Too many failures: proofs are refused for a while.", 1),
    )


async def test_alerts_tell_how_fast_they_were_answered_and_whether_they_arrived(world: World) -> None:
    ada, _ = await make_small_log(world)
    at = MIDNIGHT + timedelta(hours=10)
    async with world.services.database.transaction() as db:
        for number, wait in enumerate((60, 120, None)):
            opened, alert_id = at + timedelta(hours=number), new_id(at)
            answered = None if wait is None else opened + timedelta(seconds=wait)
            row = {
                "id": alert_id, "rule": "account_failures", "topic": show_id(PERSON, ada.id), "severity": "HIGH",
                "opened_at": opened, "last_at": opened, "count": 20, "facts": {}, "acknowledged_at": answered,
                "acknowledged_by": None if wait is None else "cli",
            }  # fmt: skip
            await db.execute(insert(alerts).values(row))
            sent = {"sent_at": opened + timedelta(seconds=2)} if number else {"failed_at": opened}
            await db.execute(insert(deliveries).values(
                id=new_id(at), alert_id=alert_id, receiver="webhook", purpose="opened", created_at=opened,
                due_at=opened, tries=1, **sent,
            ))  # fmt: skip
    report, _words = await opened_report(world)
    assert {key: value for key, (value, _) in figures_of(report, "alerts").items()} == {
        "alerts": 3, "unacknowledged": 1, "answered": 90.0, "slowest": 120.0, "escalated": 0,
        "sent": 2, "undelivered": 1, "waiting": 0, "delivery": 2.0,
    }  # fmt: skip
    assert section_of(report, "alerts").summary == "3 alerts were raised. 1 is not acknowledged yet."
    first = table_of(report, "alerts", "alerts").rows[0]
    assert first[1:3] == ("Many failed sign-ins at one account", "Ada Byron (ada@example.com)")
    assert first[-2:] == ("the operator, by command", None)


async def test_the_log_tells_its_checkpoint_and_what_that_does_not_cover(world: World) -> None:
    await make_small_log(world)
    before = section_of(await report_of(world), "proof")
    assert before.summary == "No checkpoint was made yet: nothing proves the log's events so far."
    await number_and_sign(world)
    report = await report_of(world)
    count = len(await world.events())
    in_day = 3 + 10 + 1 + 1 + 1 + 2 + 2
    assert {key: value for key, (value, _) in figures_of(report, "proof").items()} == {
        "size": count, "in_period": in_day, "tail": 0, "checkpoints": 0,
    }  # fmt: skip
    section = section_of(report, "proof")
    assert section.summary.startswith(f"All {in_day} events of this period are covered by the newest checkpoint")
    passages = [passage.text for passage in section.passages]
    assert passages[0].startswith(f"id.example.com/audit\n{count}\n")
    assert passages[1] == world.services.audit.key.vkey


async def test_an_empty_day_says_so_in_every_section(world: World) -> None:
    report = await report_of(world)
    said = {section.key: section.summary for section in report.sections}
    assert said["signins"] == "Nobody tried to sign in."
    assert said["attacks"] == "No account and no network had 5 failed attempts or more."
    assert said["lockouts"] == "Nobody was locked out."
    assert said["devices"] == "Nobody signed in with a new device."
    assert said["administration"] == "No administrator and no operator changed anything."
    assert said["alerts"] == "There was no alert."
    # Before the log began there is nothing to compare with.
    assert [figure.before for section in report.sections for figure in section.figures if figure.before] == []


async def test_rooms_bring_their_own_sections_and_may_have_nothing_to_say(world: World) -> None:
    async def speak(scope: Scope) -> Section:
        return Section(key="own", title="Own", summary=f"{scope.tally.count()} events")

    async def be_silent(_: Scope) -> None:
        return None

    await make_small_log(world)
    period = Period(MIDNIGHT, MIDNIGHT + timedelta(days=1))
    sections = Sections(makers=(be_silent, speak))
    report = await compose(
        world.services.audit, sections, period, kind="own", title="Own", words=load_words("en"), made_by="cli",
        now=world.clock(),
    )  # fmt: skip
    assert [(section.key, section.summary) for section in report.sections] == [("own", "20 events")]


async def test_a_longer_period_is_counted_by_day(world: World) -> None:
    await make_small_log(world)
    async with world.services.database.reading() as db:
        tally = await load_tally(db, Period(MIDNIGHT - timedelta(days=2), MIDNIGHT + timedelta(days=2)))
    assert tally.by_slot(("login.succeeded",)) == (0, 1, 3, 1)
    assert [at.date().isoformat() for at in tally.starts()][2] == DAY.isoformat()


async def test_reading_reports_and_searching_the_log_are_no_acts_of_administration(world: World) -> None:
    await make_small_log(world)
    services, at = world.services, MIDNIGHT + timedelta(hours=16)
    async with services.database.transaction() as db:
        for kind, data in ((REPORT_READ, {"format": "pdf"}), (AUDIT_SEARCHED, {"filters": {}})):
            await services.emitter.emit(db, Event(type=kind, actor="cli_siem", subject="rpt_x", data=data), now=at)
    report = await report_of(world)
    assert figures_of(report, "administration")["acts"] == (2, 0)


async def test_accounts_that_somebody_signed_in_to_after_the_last_failure_are_told(world: World) -> None:
    ada, _ = await make_small_log(world)
    assert "somebody signed in after" not in section_of(await report_of(world), "attacks").summary
    me = show_id(PERSON, ada.id)
    async with world.services.database.transaction() as db:
        late = Event(type=LOGIN_SUCCEEDED, actor=me, subject=me, person=ada.id)
        await world.services.emitter.emit(db, late, now=MIDNIGHT + timedelta(hours=20))
    summary = section_of(await report_of(world), "attacks").summary
    assert summary.endswith("At 1 of the accounts listed here somebody signed in after the last failure: make sure"
                            " that it was its owner.")  # fmt: skip
