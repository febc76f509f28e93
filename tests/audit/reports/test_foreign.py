"""What other services send is theirs: nothing of it counts as what the server or its administrators did."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from audit.catalogue import LOCKOUT_STARTED, LOGIN_FAILED, LOGIN_SUCCEEDED, EventType, Severity
from audit.emit import Born
from audit.record import INSERT_EVENT, Event, Origin
from audit.reports.compose import compose_daily
from audit.reports.model import Report
from base.ids import PERSON, new_id, show_id
from base.within import store
from identity.access_review.applications import load_clients_access
from server.reporting import report_sections
from tests.audit.reports.small_log import figures_of, section_of, table_of
from tests.world import World

pytestmark = pytest.mark.anyio
SENDER = "cli_" + "0" * 32 + " shop"


async def sent(world: World, *events: Event) -> None:
    """Stores events as a service's, whatever their names: some were free before the catalogue took them."""
    now = world.clock()
    rows = await world.services.emitter.rows_of([Born(new_id(now), now, event) for event in events])
    async with world.services.database.transaction() as db:
        await store(db, INSERT_EVENT, rows)


def foreign(kind: EventType, **parts: object) -> Event:
    return Event(type=kind, origin=Origin("203.0.113.7", None, None, SENDER), **parts)  # type: ignore[arg-type]


async def todays_report(world: World) -> Report:
    now = world.clock() + timedelta(minutes=1)
    sections = report_sections()
    return await compose_daily(world.services.audit, sections, now.date(), language="en", made_by="cli", now=now)


def values(report: Report, key: str) -> Mapping[str, object]:
    return {name: value for name, (value, _) in figures_of(report, key).items()}


async def test_forged_acts_are_no_administrators(world: World) -> None:
    admin = show_id(PERSON, (await world.person("root", admin=True)).id)
    before = values(await todays_report(world), "administration")
    await sent(
        world,
        foreign(EventType("admin.privileges_granted", Severity.HIGH, ""), actor=admin, subject="usr_" + "ab" * 16),
        foreign(EventType("policy.rule_dropped", Severity.HIGH, ""), actor="cli"),
        foreign(EventType("client.renamed", Severity.LOW, ""), actor=admin),
    )
    report = await todays_report(world)
    assert values(report, "administration") == before
    told = {row[0]: row[1] for row in table_of(report, "alerts", "high").rows}
    # They are serious all the same, and told with whoever tells them.
    assert told["admin.privileges_granted"] == f"{SENDER}: admin.privileges_granted"
    assert told["policy.rule_dropped"] == f"{SENDER}: policy.rule_dropped"


async def test_names_that_the_catalogue_took_later_count_for_nothing(world: World) -> None:
    person = await world.person()
    shown = show_id(PERSON, person.id)
    await sent(
        world,
        *[foreign(LOGIN_FAILED, actor="anonymous", outcome="failure", subject=shown, person=person.id)] * 6,
        foreign(LOGIN_SUCCEEDED, actor=shown, subject=shown, person=person.id),
        foreign(LOCKOUT_STARTED, actor=shown, subject=shown, outcome="denied", data={"until": 1}),
    )
    report = await todays_report(world)
    said = {key: section_of(report, key).summary for key in ("signins", "attacks", "lockouts")}
    assert said == {
        "signins": "Nobody tried to sign in.",
        "attacks": "No account and no network had 5 failed attempts or more.",
        "lockouts": "Nobody was locked out.",
    }


async def test_nobody_keeps_a_forgotten_application_out_of_the_access_review(world: World) -> None:
    client_id = (await world.client(name="Dormant")).client.client_id
    seen = EventType("login.seen", Severity.LOW, "")
    await sent(world, *(foreign(seen, actor=actor, client_id=client_id) for actor in ("x", client_id)))
    async with world.services.database.reading() as db:
        (found,) = await load_clients_access(db, world.clock())
    assert (found.name, found.last_used_at) == ("Dormant", None)
    await world.tokens(await world.client(name="Busy"), await world.person())
    async with world.services.database.reading() as db:
        used = {each.name: each.last_used_at is not None for each in await load_clients_access(db, world.clock())}
    assert used == {"Dormant": False, "Busy": True}
