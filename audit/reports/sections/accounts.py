"""Lockouts, and devices that people signed in with for the first time."""

from audit.catalogue import DEVICE_ADDED, LOCKOUT_ENDED, LOCKOUT_PASSED, LOCKOUT_STARTED
from audit.reports.found import Found, iso, list_events
from audit.reports.model import Cell, Column, Figure, Section, Table
from audit.reports.scope import Scope
from audit.reports.words import Words

STARTED, ENDED, PASSED, DEVICE = (each.name for each in (LOCKOUT_STARTED, LOCKOUT_ENDED, LOCKOUT_PASSED, DEVICE_ADDED))


async def make_lockouts(scope: Scope) -> Section:
    """When whose account was closed to proofs, after how many failures, and how it was opened again."""
    words, tally, before = scope.words, scope.tally, scope.before
    count = tally.count((STARTED,))
    found = await list_events(scope.db, scope.period, STARTED) if count else []
    people = len({each.subject for each in found})
    return Section(
        key="lockouts",
        title=words.text("Lockouts"),
        summary=_summary(words, count, people),
        figures=(
            Figure(key="started", label=words.text("Lockouts"), value=count, before=before.count((STARTED,)),
                   rising="bad", is_key=True),
            Figure(key="passed", label=words.text("Passed by a mailed link"), value=tally.count((PASSED,)),
                   before=before.count((PASSED,))),
            Figure(key="ended", label=words.text("Ended by administrators"), value=tally.count((ENDED,)),
                   before=before.count((ENDED,))),
        ),
        tables=(_lockout_table(words, found, count),) if count else (),
    )  # fmt: skip


def _summary(words: Words, count: int, people: int) -> str:
    if not count:
        return words.text("Nobody was locked out.")
    doors = words.plural("Sign-in was locked {count} time", "Sign-in was locked {count} times", count)
    return words.text(
        "{doors}, at {accounts}.", doors=doors, accounts=words.plural("{count} account", "{count} accounts", people)
    )


def _lockout_table(words: Words, found: list[Found], count: int) -> Table:
    scopes = {"person": words.text("the account"), "device": words.text("one device")}
    rows: list[tuple[Cell, ...]] = []
    for each in found:
        closed = scopes.get(str(each.data.get("scope")), str(each.data.get("scope", "")))
        rows.append((iso(each.at), each.subject, each.number("failures"), closed, iso(each.moment("until")), each.ref))
    return Table(
        key="lockouts",
        title=words.text("Each lockout"),
        columns=(
            Column("at", words.text("Time"), "moment"),
            Column("account", words.text("Account"), "person"),
            Column("failures", words.text("Failures"), "number"),
            Column("closed", words.text("What was locked")),
            Column("until", words.text("Until"), "moment"),
            Column("network", words.text("From network"), "personal", field="network"),
        ),
        rows=tuple(rows),
        empty=words.text("Nobody was locked out."),
        total=count,
    )


async def make_devices(scope: Scope) -> Section:
    """New devices, each with its person and the network that it came from."""
    words, count = scope.words, scope.tally.count((DEVICE,))
    found = await list_events(scope.db, scope.period, DEVICE) if count else []
    people = len({each.subject for each in found})
    table = Table(
        key="devices",
        title=words.text("Each new device"),
        columns=(
            Column("at", words.text("Time"), "moment"),
            Column("account", words.text("Account"), "person"),
            Column("device", words.text("Device"), "personal", field="label"),
            Column("network", words.text("From network"), "personal", field="network"),
        ),
        rows=tuple((iso(each.at), each.subject, each.ref, each.ref) for each in found),
        empty=words.text("No new device."),
        total=count,
    )
    summary = words.text("Nobody signed in with a new device.")
    if count:
        by = words.plural("{count} person", "{count} people", people)
        summary = words.text("{devices} by {people}.", people=by, devices=words.plural(
            "{count} new device was used", "{count} new devices were used", count))  # fmt: skip
    return Section(
        key="devices",
        title=words.text("New devices"),
        summary=summary,
        figures=(
            Figure(key="devices", label=words.text("New devices"), value=count, before=scope.before.count((DEVICE,)),
                   is_key=True),
            Figure(key="people", label=words.text("People with a new device"), value=people),
        ),
        tables=(table,) if count else (),
    )  # fmt: skip
