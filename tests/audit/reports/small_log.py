"""A day whose every event was counted by hand, and reports of it."""

from datetime import UTC, date, datetime, timedelta

from audit.catalogue import (
    CLIENT_CREATED,
    DEVICE_ADDED,
    EMAIL_ADDED,
    KEY_ADDED,
    LOCKOUT_STARTED,
    LOGIN_FAILED,
    LOGIN_SUCCEEDED,
    MFA_FAILED,
    PERSON_STATE_CHANGED,
)
from audit.ledger.keeping import LedgerKeeping
from audit.record import Event, Origin
from audit.reports.compose import compose_daily
from audit.reports.model import Cell, Figure, Report, Section, Table
from audit.reports.opening import open_report
from audit.reports.words import Words, load_words
from base.ids import PERSON, show_id
from identity.person_values import Person
from server.reporting import report_sections
from tests.world import World

DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
SPRAY, HOME = Origin("203.0.113.7", "curl/8"), Origin("198.51.100.7", "Firefox")


async def make_small_log(world: World) -> tuple[Person, Person]:
    """Ada, who is attacked and locked out, and Bob, an administrator, with what happened on the day and around it."""
    ada, bob = await world.person("ada"), await world.person("bob", admin=True)
    last = timedelta(days=1) - timedelta(microseconds=1)
    told: list[tuple[timedelta, Event]] = [
        # The borders: the first and the last instant belong to the day, their neighbours do not.
        (-timedelta(microseconds=1), _signin(bob)),
        (timedelta(), _signin(ada)),
        (timedelta(hours=9, minutes=30), _signin(ada)),
        (last, _signin(bob)),
        (timedelta(days=1), _signin(ada)),
        *((timedelta(hours=10, minutes=minute), _failed(ada)) for minute in range(6)),
        *((timedelta(hours=10, minutes=10 + number), _guessed(f"{number % 2:064x}")) for number in range(4)),
        (timedelta(hours=10, minutes=30), _second_failed(bob)),
        (timedelta(hours=10, minutes=5), _locked(ada)),
        (timedelta(hours=11), _device(bob)),
        (timedelta(hours=12), _act(bob, ada)),
        (timedelta(hours=13), Event(type=CLIENT_CREATED, actor="cli", subject="cli_x", data={"after": {}})),
        # What people do to their own account, and what the server does by itself, are no acts of administration.
        (timedelta(hours=14), _own(ada)),
        (timedelta(hours=15), Event(type=KEY_ADDED, actor="system", subject="k", data={"kid": "k"})),
    ]
    async with world.services.database.transaction() as db:
        for since, event in told:
            await world.services.emitter.emit(db, event, now=MIDNIGHT + since)
    return ada, bob


async def number_and_sign(world: World) -> None:
    """Numbers every event and signs the log."""
    ledger = LedgerKeeping(world.services.audit)
    await ledger.number()
    await ledger.sign()


async def report_of(world: World, *, language: str = "en", day: date = DAY) -> Report:
    """The daily report as it is stored: with ids where people are meant."""
    audit, now = world.services.audit, world.clock()
    return await compose_daily(audit, report_sections(), day, language=language, made_by="cli", now=now)


async def opened_report(world: World, *, language: str = "en", day: date = DAY) -> tuple[Report, Words]:
    """The daily report as it is shown, with its words."""
    report = await report_of(world, language=language, day=day)
    words = load_words(language, report_sections().folders)
    return await open_report(world.services.audit, report_sections(), report), words


def section_of(report: Report, key: str) -> Section:
    """One section."""
    return next(section for section in report.sections if section.key == key)


def figures_of(report: Report, key: str) -> dict[str, tuple[Cell, Cell]]:
    """A section's figures: value, and that of the period before."""
    return {figure.key: (figure.value, figure.before) for figure in section_of(report, key).figures}


def figure_of(report: Report, section: str, key: str) -> Figure:
    """One figure."""
    return next(figure for figure in section_of(report, section).figures if figure.key == key)


def table_of(report: Report, section: str, key: str) -> Table:
    """One table."""
    return next(table for table in section_of(report, section).tables if table.key == key)


def _id(person: Person) -> str:
    return show_id(PERSON, person.id)


def _signin(person: Person) -> Event:
    return Event(type=LOGIN_SUCCEEDED, actor=_id(person), subject=_id(person), person=person.id, origin=HOME)


def _failed(person: Person) -> Event:
    return Event(
        type=LOGIN_FAILED, actor="anonymous", outcome="failure", subject=_id(person), person=person.id, origin=SPRAY,
        data={"reason": "wrong_password"},
    )  # fmt: skip


def _guessed(digest: str) -> Event:
    data = {"reason": "unknown_account", "typed_digest": digest}
    return Event(type=LOGIN_FAILED, actor="anonymous", outcome="failure", origin=SPRAY, data=data)


def _second_failed(person: Person) -> Event:
    data = {"method": "totp", "reason": "wrong_code"}
    return Event(
        type=MFA_FAILED, actor=_id(person), outcome="failure", subject=_id(person), person=person.id, origin=HOME,
        data=data,
    )  # fmt: skip


def _locked(person: Person) -> Event:
    until = int((MIDNIGHT + timedelta(hours=10, minutes=20)).timestamp())
    data = {"failures": 5, "until": until, "scope": "person"}
    return Event(
        type=LOCKOUT_STARTED, actor="anonymous", outcome="denied", subject=_id(person), person=person.id,
        origin=SPRAY, data=data,
    )  # fmt: skip


def _device(person: Person) -> Event:
    return Event(
        type=DEVICE_ADDED, actor=_id(person), subject=_id(person), person=person.id, origin=HOME,
        personal={"label": "Firefox on Linux"},
    )  # fmt: skip


def _act(admin: Person, person: Person) -> Event:
    data = {"before": "active", "after": "disabled"}
    return Event(type=PERSON_STATE_CHANGED, actor=_id(admin), subject=_id(person), person=person.id, data=data)


def _own(person: Person) -> Event:
    return Event(
        type=EMAIL_ADDED, actor=_id(person), subject=_id(person), person=person.id, personal={"email": "a@example.com"}
    )
