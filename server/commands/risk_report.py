"""`ostiary risk report|withdraw`: what an operator knows of a person, a session or an address, and taking it back."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import click

from base.ids import PERSON, parse_id, show_id
from identity.assessing.reporting import (
    Reporter,
    Subject,
    count_report,
    find_subject,
    take_report,
    withdraw_report,
)
from identity.errors import Refused
from identity.services import Services
from risk.reports import (
    LEAST_WEIGHT,
    LONGEST,
    MOST_AT_ONCE,
    MOST_NOTE,
    MOST_WEIGHT,
    SHORTEST,
    SIGNAL,
    TAKEN_OVER,
    USUAL,
    About,
    Report,
    TooManyReports,
    find_report,
    is_kind,
    weight_of,
)
from server.commands.frame import ACTOR, Frame, framed
from server.commands.user_facts import load_person

_OPERATOR = Reporter(ACTOR)
_SECONDS = click.IntRange(int(SHORTEST.total_seconds()), int(LONGEST.total_seconds()))


@click.command("report")
@click.argument("kind")
@click.option("--person", help="A person: id, user name or mail address.")
@click.option("--session", help="A session: ses_…")
@click.option("--address", help="An IPv4 or IPv6 address.")
@click.option("--weight", type=click.FloatRange(LEAST_WEIGHT, MOST_WEIGHT), help="Log-odds; by kind otherwise.")
@click.option("--expires-in-s", type=_SECONDS, default=int(USUAL.total_seconds()), show_default=True)
@click.option("--note", help="For whoever reads the log; kept sealed.")
@framed
def report(
    frame: Frame,
    kind: str,
    *,
    person: str | None,
    session: str | None,
    address: str | None,
    weight: float | None,
    expires_in_s: int,
    note: str | None,
) -> None:
    """Reports a KIND of thing, such as stolen_card, to the risk score.

    taken_over ends every session of the person, and keeps them out until the account is recovered.
    """
    about, text = _about({"person": person, "session": session, "address": address})
    _check(kind, about, note)
    lasts, weighs = timedelta(seconds=expires_in_s), weight if weight is not None else weight_of(kind)

    async def work(services: Services, now: datetime) -> tuple[Report, int]:
        subject, until = await _load_subject(services, about, text), now + lasts
        try:
            async with services.database.transaction() as db:
                found = await take_report(
                    db, services, subject, _OPERATOR, kind=kind, weight=weighs, expires_at=until, note=note, now=now
                )
        except TooManyReports:
            raise Refused(about, f"{MOST_AT_ONCE} reports about this are in force: withdraw some first") from None
        return found, await count_report(services, found, origin=_OPERATOR.origin, now=now)

    found, counted = frame.with_services(work)
    shown = show_id(SIGNAL, found.id)
    document = {"id": shown, "kind": found.kind, "weight": found.weight, "expires_at": found.expires_at.isoformat()}
    until = f"until {found.expires_at:%Y-%m-%d %H:%M} UTC"
    frame.answer(
        document | {"sessions": counted}, f"Reported as {shown}, {until}. Live sessions assessed anew: {counted}."
    )


@click.command("withdraw")
@click.argument("report_id", metavar="REPORT")
@framed
def withdraw(frame: Frame, report_id: str) -> None:
    """Takes a report (sig_…) back."""
    known = parse_id(SIGNAL, report_id)

    async def work(services: Services, now: datetime) -> int:
        async with services.database.transaction() as db:
            found = await find_report(db, known) if known else None
            if found is None or not await withdraw_report(db, services, found, _OPERATOR, now=now):
                raise Refused("report", f"there is no report {report_id}")
        return await count_report(services, found, origin=_OPERATOR.origin, now=now)

    counted = frame.with_services(work)
    frame.answer(
        {"id": report_id, "sessions": counted}, f"{report_id} counts no more. Live sessions assessed anew: {counted}."
    )


def _about(given: Mapping[About, str | None]) -> tuple[About, str]:
    found = [(about, text) for about, text in given.items() if text]
    if len(found) != 1:
        raise click.UsageError("expected one of --person, --session, --address")
    return found[0]


def _check(kind: str, about: About, note: str | None) -> None:
    if not is_kind(kind):
        raise click.UsageError("KIND: expected 1 to 64 of a-z 0-9 _, such as stolen_card")
    if kind == TAKEN_OVER and about == "address":
        raise click.UsageError(f"{TAKEN_OVER} is said of a person or a session")
    if note is not None and len(note) > MOST_NOTE:
        raise click.UsageError(f"--note: expected at most {MOST_NOTE} characters")


async def _load_subject(services: Services, about: About, text: str) -> Subject:
    if about == "person":
        async with services.database.reading() as db:
            person = await load_person(db, text)
        text = show_id(PERSON, person.id)
    subject = await find_subject(services, about, text)
    if subject is None or not subject.is_known:
        raise Refused(about, f"there is no {about} {text}")
    return subject
