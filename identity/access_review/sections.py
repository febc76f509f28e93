"""The sections of the access review. Three columns stay empty: they are filled in by whoever reviews, and signed."""

from collections.abc import Sequence
from datetime import datetime

from audit.reports.model import Cell, Column, Figure, Section, Table
from audit.reports.scope import Scope, SectionMaker
from audit.reports.words import Words
from base.ids import PERSON, show_id
from identity.access_review.applications import load_clients_access
from identity.access_review.people import MOST, load_people
from identity.access_review.review_values import (
    ClientAccess,
    Flag,
    PersonAccess,
    flags_of_client,
    flags_of_person,
)
from identity.report_sections import make_keys

TITLE = "Access review"
# Not empty, or a dash would stand where somebody is to write.
_BLANK = " "


async def make_overview(scope: Scope) -> Section:
    """How many there are, and all that wants a decision."""
    words, now = scope.words, scope.now
    people, clients = await load_people(scope.db, now), await load_clients_access(scope.db, now)
    flagged: list[tuple[Cell, ...]] = [
        (show_id(PERSON, each.id), flag_words(flag, words)) for each in people for flag in flags_of_person(each, now)
    ]
    flagged += [(each.client_id, flag_words(flag, words)) for each in clients for flag in flags_of_client(each, now)]
    admins = [each for each in people if each.is_admin and each.state == "active"]
    counts = _counts(people, clients, now)
    return Section(
        key="overview",
        title=words.text("What wants a decision"),
        summary=_summary(words, len(flagged), complete=len(people) < MOST),
        figures=(
            Figure(key="people", label=words.text("Accounts"), value=len(people), is_key=True),
            Figure(key="admins", label=words.text("Administrators"), value=len(admins), is_key=True),
            Figure(key="clients", label=words.text("Applications"), value=len(clients), is_key=True),
            Figure(key="flags", label=words.text("Want a decision"), value=len(flagged), is_key=True),
            Figure(key="bare", label=words.text("Administrators without a second factor"),
                   value=counts[Flag.BARE_ADMIN]),
            Figure(key="unused", label=words.text("Not used for 90 days"), value=counts[Flag.UNUSED]),
            Figure(key="old", label=words.text("Secrets older than a year"), value=counts[Flag.OLD_SECRET]),
            Figure(key="live", label=words.text("Closed, but still with access"), value=counts[Flag.CLOSED_BUT_LIVE]),
        ),
        tables=(
            Table(
                key="flags",
                title=words.text("Each finding"),
                columns=(Column("who", words.text("Who"), "person"), Column("what", words.text("What was found"))),
                rows=tuple(flagged),
                empty=words.text("Nothing stands out."),
            ),
        ),
    )  # fmt: skip


def _summary(words: Words, flagged: int, *, complete: bool) -> str:
    told = words.text(
        "Decide for each account and each application below whether it keeps its access, write that into the empty"
        " columns, and sign at the end."
    )
    if not complete:
        told += " " + words.text("Only the first {count} accounts are here.", count=words.number(MOST))
    if not flagged:
        return words.text("Nothing stands out.") + " " + told
    return words.plural("{count} thing stands out.", "{count} things stand out.", flagged) + " " + told


def _counts(people: Sequence[PersonAccess], clients: Sequence[ClientAccess], now: datetime) -> dict[Flag, int]:
    counts = dict.fromkeys(Flag, 0)
    for flags in (*(flags_of_person(each, now) for each in people), *(flags_of_client(each, now) for each in clients)):
        for flag in flags:
            counts[flag] += 1
    return counts


async def make_people(scope: Scope) -> Section:
    """Every account with what it has; those that stand out first, then administrators."""
    words, now = scope.words, scope.now
    found = await load_people(scope.db, now)
    found.sort(key=lambda each: (not flags_of_person(each, now), not each.is_admin, each.created_at))
    return Section(
        key="people",
        title=words.text("People"),
        summary=words.text("Every account that exists, whether or not it may sign in now."),
        tables=(
            Table(
                key="people",
                title=words.text("Accounts"),
                columns=(
                    Column("account", words.text("Account"), "person"),
                    Column("state", words.text("State")),
                    Column("role", words.text("Role"), is_beneath=True),
                    Column("seen", words.text("Last seen")),
                    Column("days", words.text("Days since"), is_beneath=True),
                    Column("flags", words.text("Found; second factors and access")),
                    Column("factors", words.text("Second factors"), is_beneath=True),
                    Column("access", words.text("Groups and applications"), is_beneath=True),
                    *_decision_columns(words),
                ),
                rows=tuple(_person_cells(each, words, now) for each in found),
                empty=words.text("There are no accounts."),
            ),
        ),
    )


def _decision_columns(words: Words) -> tuple[Column, ...]:
    return (
        Column("keep", words.text("Keep")),
        Column("remove", words.text("Remove")),
        Column("remarks", words.text("Remarks")),
    )


def _person_cells(person: PersonAccess, words: Words, now: datetime) -> tuple[Cell, ...]:
    states = {"active": words.text("active"), "suspended": words.text("suspended"), "disabled": words.text("disabled")}
    access = [*person.memberships, *person.applications]
    return (
        show_id(PERSON, person.id),
        states.get(person.state, person.state),
        words.text("administrator") if person.is_admin else None,
        *_since(person.last_seen_at, words, now),
        _joined(flags_of_person(person, now), words),
        ", ".join(sorted({factor_words(each, words) for each in person.factors})) or words.text("no second factor"),
        ", ".join(access) or None,
        _BLANK,
        _BLANK,
        _BLANK,
    )


def _since(at: datetime | None, words: Words, now: datetime) -> tuple[Cell, Cell]:
    if at is None:
        return words.text("never"), None
    days = (now - at).days
    return f"{at:%Y-%m-%d}", words.plural("{count} day ago", "{count} days ago", days)


async def make_applications(scope: Scope) -> Section:
    """Every application and service with what it may ask for."""
    words, now = scope.words, scope.now
    found = await load_clients_access(scope.db, now)
    found.sort(key=lambda each: (not flags_of_client(each, now), each.created_at))
    return Section(
        key="applications",
        title=words.text("Applications and services"),
        summary=words.text("Every application that is registered, with what it may ask for."),
        tables=(
            Table(
                key="applications",
                title=words.text("Applications"),
                columns=(
                    Column("application", words.text("Application"), "person"),
                    Column("state", words.text("State")),
                    Column("used", words.text("Last used")),
                    Column("days", words.text("Days since"), is_beneath=True),
                    Column("secret", words.text("Oldest secret")),
                    Column("flags", words.text("Found, and may ask for")),
                    Column("method", words.text("Proves itself by"), is_beneath=True),
                    Column("scopes", words.text("May ask for"), is_beneath=True),
                    *_decision_columns(words),
                ),
                rows=tuple(_client_cells(each, words, now) for each in found),
                empty=words.text("There are no applications."),
            ),
        ),
    )


def _client_cells(client: ClientAccess, words: Words, now: datetime) -> tuple[Cell, ...]:
    secret = None if client.secret_at is None else (now - client.secret_at).days
    return (
        client.client_id,
        words.text("disabled") if client.is_disabled else words.text("active"),
        *_since(client.last_used_at, words, now),
        None if secret is None else words.plural("{count} day", "{count} days", secret),
        _joined(flags_of_client(client, now), words),
        words.text("nothing (public)") if client.auth_method == "none" else client.auth_method,
        "; ".join(filter(None, (" ".join(client.grants), " ".join(client.scopes), *client.apis))),
        _BLANK,
        _BLANK,
        _BLANK,
    )


def _joined(flags: Sequence[Flag], words: Words) -> str | None:
    return "; ".join(flag_words(each, words) for each in flags) or None


def flag_words(flag: Flag, words: Words) -> str:
    """What stands out, for people."""
    match flag:
        case Flag.BARE_ADMIN:
            return words.text("administrator without a second factor")
        case Flag.UNUSED:
            return words.text("not used for 90 days")
        case Flag.CLOSED_BUT_LIVE:
            return words.text("closed, but sessions or grants still live")
        case Flag.OLD_SECRET:
            return words.text("a secret older than a year")


def factor_words(kind: str, words: Words) -> str:
    """What a kind of factor is called."""
    if kind.startswith("passkey"):
        return words.text("passkey")
    names = {"totp": words.text("authenticator app"), "backup_codes": words.text("backup codes")}
    return names.get(kind, kind)


SECTIONS: tuple[SectionMaker, ...] = (make_overview, make_people, make_applications, make_keys)
