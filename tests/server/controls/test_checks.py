"""Each check passes where all is right, and fails with a real row where it is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, update

from audit.catalogue import ALERT_UNDELIVERED, LOCKOUT_STARTED, LOGIN_SUCCEEDED, PASSWORD_SET
from audit.record import Event
from audit.reports.compose import compose_daily
from audit.reports.store import keep_report
from audit.tables import alerts, checkpoints, events
from base.clock import to_seconds
from base.ids import PERSON, new_id, show_id
from identity.tables import people, signing_keys
from server.controls import catalogue as checks
from server.report_kinds import compose_access
from server.reporting import report_sections
from tests.audit.removal.old_events import sign
from tests.server.controls.asked import ask
from tests.world import World

pytestmark = pytest.mark.anyio


async def emit(world: World, *told: Event) -> None:
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit_all(db, told, now=world.clock())


async def test_acts_at_the_command_line_lead_to_nobody(world: World) -> None:
    assert (await ask(world, checks.SHARED_ACTOR)).holds
    await world.person("ada")
    answer = await ask(world, checks.SHARED_ACTOR)
    assert not answer.holds
    assert "admin.person_created" in str(answer.example)
    assert "actor cli" in str(answer.example)


async def test_a_closed_account_that_still_lives_fails(world: World) -> None:
    ada = await world.person("ada")
    async with world.browser() as browser:
        await world.sign_in(browser, ada)
    assert (await ask(world, checks.CLOSED_BUT_LIVE)).holds
    async with world.services.database.transaction() as db:
        await db.execute(update(people).where(people.c.id == ada.id).values(state="disabled"))
    answer = await ask(world, checks.CLOSED_BUT_LIVE)
    assert (answer.failing, answer.looked_at) == (1, 1)
    assert f"{show_id(PERSON, ada.id)}: disabled" in str(answer.example)


async def test_accounts_and_applications_that_nobody_used_fail(world: World) -> None:
    await world.person("ada")
    await world.client()
    for check in (checks.UNUSED_ACCOUNTS, checks.UNUSED_CLIENTS, checks.OLD_SECRETS):
        assert (await ask(world, check)).holds
    world.clock.move(days=366)
    for check in (checks.UNUSED_ACCOUNTS, checks.UNUSED_CLIENTS, checks.OLD_SECRETS):
        answer = await ask(world, check)
        assert (answer.failing, answer.looked_at, answer.example is None) == (1, 1, False), check.name


async def test_administrators_and_accounts_without_a_second_factor_fail(world: World) -> None:
    ada = await world.person("ada", admin=True)
    await world.person("bob")
    admins, everybody = await ask(world, checks.BARE_ADMINISTRATORS), await ask(world, checks.SINGLE_FACTOR_ACCOUNTS)
    assert (admins.failing, admins.looked_at) == (1, 1)
    assert (everybody.failing, everybody.looked_at) == (2, 2)
    assert show_id(PERSON, ada.id) in str(admins.example)


async def test_a_signin_by_a_password_alone_fails_and_so_does_not_requiring_more(world: World) -> None:
    ada = await world.person("ada")
    who = show_id(PERSON, ada.id)
    both = Event(type=LOGIN_SUCCEEDED, actor=who, subject=who, person=ada.id, data={"methods": ["pwd", "totp"]})
    await emit(world, both)
    assert (await ask(world, checks.SINGLE_FACTOR_SIGNINS, mfa__required="true")).holds
    assert not (await ask(world, checks.SINGLE_FACTOR_SIGNINS)).is_set
    await emit(world, Event(type=LOGIN_SUCCEEDED, actor=who, subject=who, person=ada.id, data={"methods": ["pwd"]}))
    answer = await ask(world, checks.SINGLE_FACTOR_SIGNINS, mfa__required="true")
    assert (answer.failing, answer.looked_at, answer.is_set) == (1, 2, True)
    assert f"login.succeeded at {world.clock():%Y-%m-%d}" in str(answer.example)


async def test_a_session_that_may_stay_unused_for_long_fails(world: World) -> None:
    ada = await world.person("ada")
    assert (await ask(world, checks.IDLE, session__idle_s="900")).holds
    assert not (await ask(world, checks.IDLE)).holds
    assert not (await ask(world, checks.IDLE, session__idle_s="900", session__keep_s="86400")).holds
    async with world.browser() as browser:
        await world.sign_in(browser, ada)
    # Begun when half an hour was allowed.
    answer = await ask(world, checks.IDLE, session__idle_s="900")
    assert (answer.failing, answer.looked_at) == (1, 1)
    assert str(answer.example).startswith("ses_")


async def test_a_lockout_that_came_late_or_ended_soon_fails(world: World) -> None:
    ada, until = await world.person("ada"), to_seconds(world.clock() + timedelta(minutes=31))
    strict = {"lockout__failures": "10", "lockout__duration_s": "1800"}
    good = {"failures": 10, "until": until, "scope": "person"}
    await emit(world, Event(type=LOCKOUT_STARTED, actor="anonymous", person=ada.id, data=good))
    assert (await ask(world, checks.LOCKOUT_PCI, **strict)).holds
    assert not (await ask(world, checks.LOCKOUT_PCI)).is_set
    assert (await ask(world, checks.LOCKOUT)).is_set
    await emit(world, Event(type=LOCKOUT_STARTED, actor="anonymous", person=ada.id, data={**good, "failures": 11}))
    await emit(
        world, Event(type=LOCKOUT_STARTED, actor="anonymous", person=ada.id, data={**good, "until": until - 900})
    )
    answer = await ask(world, checks.LOCKOUT_PCI, **strict)
    assert (answer.failing, answer.looked_at) == (2, 3)
    assert (await ask(world, checks.LOCKOUT)).failing == 1


async def test_imported_passwords_were_never_measured(world: World) -> None:
    ada = await world.person("ada")
    assert (await ask(world, checks.PASSWORD_LENGTH)).holds
    assert not (await ask(world, checks.PASSWORD_LENGTH, password__min_length="8")).is_set
    await emit(world, Event(type=PASSWORD_SET, actor="cli", person=ada.id, data={"why": "import"}))
    answer = await ask(world, checks.PASSWORD_LENGTH)
    assert (answer.failing, answer.looked_at) == (1, 2)


async def test_a_key_that_signed_for_more_than_a_year_fails(world: World) -> None:
    fresh = await ask(world, checks.OLD_KEYS)
    assert fresh.holds
    assert fresh.looked_at > 0
    async with world.services.database.transaction() as db:
        long_ago = world.clock() - timedelta(days=366)
        await db.execute(update(signing_keys).where(signing_keys.c.state == "active").values(active_at=long_ago))
    answer = await ask(world, checks.OLD_KEYS)
    assert answer.failing == answer.looked_at


async def test_events_without_a_number_fail(world: World) -> None:
    await world.person("ada")
    assert (await ask(world, checks.UNNUMBERED)).holds
    world.clock.move(minutes=6)
    answer = await ask(world, checks.UNNUMBERED)
    assert answer.failing == answer.looked_at > 0
    await sign(world)
    assert (await ask(world, checks.UNNUMBERED)).holds


async def test_a_changed_log_fails_and_names_the_place(world: World) -> None:
    """S45"""
    await world.person("ada")
    await sign(world)
    assert (await ask(world, checks.BROKEN_LOG)).holds
    async with world.services.database.transaction() as db:
        await db.execute(update(events).where(events.c.seq == 2).values(actor="somebody"))
    answer = await ask(world, checks.BROKEN_LOG)
    assert "event 2: actor in its columns and in its body differ" in str(answer.example)


async def test_a_checkpoint_that_stays_inside_fails(world: World) -> None:
    await world.person("ada")
    await sign(world)
    world.clock.move(minutes=6)
    assert (await ask(world, checks.KEPT_INSIDE)).holds
    async with world.services.database.transaction() as db:
        await db.execute(update(checkpoints).values(published_at=None))
    assert (await ask(world, checks.KEPT_INSIDE)).failing == 1


async def test_a_day_without_a_report_fails(world: World) -> None:
    await world.person("ada")
    world.clock.move(days=2)
    answer = await ask(world, checks.DAYS_WITHOUT_REPORT)
    assert (answer.failing, answer.looked_at, answer.is_set) == (2, 2, True)
    audit, now = world.services.audit, world.clock()
    for days in (1, 2):
        day = (now - timedelta(days=days)).date()
        report = await compose_daily(audit, report_sections(), day, language="en", made_by="cli", now=now)
        async with audit.database.transaction() as db:
            await keep_report(db, audit.emitter, report, actor="cli", now=now)
    assert (await ask(world, checks.DAYS_WITHOUT_REPORT)).holds
    assert not (await ask(world, checks.DAYS_WITHOUT_REPORT, report__daily="false")).holds


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ({}, True),
        ({"audit__retention_days": "0"}, True),
        ({"audit__retention_days": "365"}, True),
        ({"audit__retention_days": "364"}, False),
        ({"audit__max_events": "10000"}, False),
        ({"audit__retention_days": "90", "audit__archive_dir": "/srv/archive"}, True),
    ],
)
async def test_a_year_of_events_is_kept_or_archived(world: World, values: dict[str, str], *, holds: bool) -> None:
    assert (await ask(world, checks.RETENTION, **values)).holds is holds


async def test_alerts_that_reach_nobody_fail(world: World) -> None:
    receiver = {"alert__slack_url": "https://hooks.slack.com/services/x"}
    assert not (await ask(world, checks.UNDELIVERED)).is_set
    assert (await ask(world, checks.UNDELIVERED, **receiver)).holds
    await emit(world, Event(type=ALERT_UNDELIVERED, actor="system", subject="alr_1", data={"receiver": "slack"}))
    assert (await ask(world, checks.UNDELIVERED, **receiver)).failing == 1


async def test_a_serious_alert_that_nobody_answers_within_a_day_fails(world: World) -> None:
    now = world.clock()
    row = {"id": new_id(now), "rule": "refresh_reuse", "topic": "x", "severity": "HIGH", "opened_at": now,
           "last_at": now, "count": 1, "facts": {}}  # fmt: skip
    async with world.services.database.transaction() as db:
        await db.execute(insert(alerts).values(row))
    assert (await ask(world, checks.UNANSWERED)).holds
    world.clock.move(days=1, minutes=1)
    answer = await ask(world, checks.UNANSWERED)
    assert (answer.failing, answer.looked_at) == (1, 1)
    assert "refresh_reuse" in str(answer.example)
    async with world.services.database.transaction() as db:
        await db.execute(update(alerts).values(acknowledged_at=now + timedelta(hours=1)))
    assert (await ask(world, checks.UNANSWERED)).holds
    async with world.services.database.transaction() as db:
        await db.execute(delete(alerts))
    assert (await ask(world, checks.UNANSWERED)).looked_at == 0


async def test_no_access_review_in_half_a_year_fails(world: World) -> None:
    answer = await ask(world, checks.ACCESS_REVIEWED)
    assert (answer.failing, answer.example) == (1, "no access review was ever made")
    services, now = world.services, world.clock()
    report = await compose_access(services, language="en", made_by="cli", now=now)
    async with services.database.transaction() as db:
        await keep_report(db, services.emitter, report, actor="cli", now=now)
    assert (await ask(world, checks.ACCESS_REVIEWED)).holds
    world.clock.move(days=184)
    answer = await ask(world, checks.ACCESS_REVIEWED)
    assert f"the last one was made at {now:%Y-%m-%d}" in str(answer.example)


async def test_an_address_without_tls_fails(world: World) -> None:
    assert (await ask(world, checks.TRANSPORT, issuer="https://id.example.com")).holds
    assert (await ask(world, checks.TRANSPORT)).example == "OSTIARY_ISSUER=http://localhost:3201"
