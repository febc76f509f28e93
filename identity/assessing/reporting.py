"""What a service or an operator reports: stored, told in the log, counted at once in each session that it is about.

Whoever may not read who there is learns nothing from an answer: a report about nobody is kept like any other.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import RISK_REPORTED
from audit.record import Event, Origin
from base.clock import to_seconds
from base.ids import PERSON, SESSION, new_id, parse_id, show_id
from identity import revocation
from identity.assessing.reading import TAKEN_OVER
from identity.assessing.rescoring import end_with_grants, rescore_session
from identity.services import Services
from identity.tables import people, sessions
from risk.keys import networks_of
from risk.reports import SIGNAL, About, Report, remove_report, store_report

WITHDRAWN = "withdrawn"
_ENDED_WHY = "reported_takeover"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about. `shown` is public: an id of ours, nothing for an address, which is personal (`address`),
    nor for what has not the form of an id: it may be somebody's name (S46)."""

    about: About
    digest: bytes
    person_id: bytes | None = None
    session_id: bytes | None = None
    shown: str | None = None
    address: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is an address, or somebody's."""
        return self.about == "address" or self.person_id is not None


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: `source` is the client's id, or `cli`."""

    source: str
    client_id: str | None = None
    origin: Origin = Origin()


async def find_subject(services: Services, about: About, text: str) -> Subject | None:
    """What a public id (`usr_…` or the `sub` of tokens, `ses_…`) or an address means; None where it is of no such form.

    Accounts that were deleted are nobody's.
    """
    key = services.risk.key
    if about == "address":
        networks = networks_of(text)
        return Subject(about, key.digest("address", networks[0]), address=networks[0]) if networks else None
    if about == "session":
        return await _find_session(services, text)
    person_id = parse_id(PERSON, text)
    query = select(people.c.id).where(or_(people.c.sub == text, people.c.id == person_id), people.c.state != "deleted")
    async with services.database.reading() as db:
        found = (await db.execute(query)).scalars().first()
    if found is None:
        return Subject(about, key.digest("person", person_id or text.encode()), shown=text if person_id else None)
    return Subject(about, key.digest("person", bytes(found)), bytes(found), shown=show_id(PERSON, bytes(found)))


async def _find_session(services: Services, text: str) -> Subject | None:
    session_id = parse_id(SESSION, text)
    if session_id is None:
        return None
    query = select(sessions.c.person_id).join(people, people.c.id == sessions.c.person_id)
    async with services.database.reading() as db:
        found = (
            (await db.execute(query.where(sessions.c.id == session_id, people.c.state != "deleted"))).scalars().first()
        )
    owner = bytes(found) if found is not None else None
    return Subject("session", services.risk.key.digest("session", session_id), owner, session_id, shown=text)


async def take_report(
    db: AsyncConnection,
    services: Services,
    subject: Subject,
    reporter: Reporter,
    *,
    kind: str,
    weight: float,
    expires_at: datetime,
    note: str | None,
    now: datetime,
) -> Report:
    """Stores a report with its event; a takeover ends what it is about, with it. Raises TooManyReports.

    The caller commits, and calls `count_report` then.
    """
    report = Report(
        id=new_id(now),
        about=subject.about,
        subject=subject.digest,
        person_id=subject.person_id,
        kind=kind,
        weight=weight,
        source=reporter.source,
        expires_at=expires_at,
    )
    await store_report(db, report, now=now)
    told = ": ".join(part for part in (subject.address, note) if part)
    event = _event(report, reporter, subject=subject, note=told or None)
    await services.emitter.emit(db, event, now=now)
    if kind == TAKEN_OVER:
        await _end(db, services, subject, reporter, now=now)
    return report


async def _end(db: AsyncConnection, services: Services, subject: Subject, reporter: Reporter, *, now: datetime) -> None:
    actor, origin = reporter.source, reporter.origin
    if subject.person_id is None:
        return
    if subject.session_id is not None:
        await end_with_grants(
            db, services, subject.session_id, why=_ENDED_WHY, now=now, actor=actor, origin=origin
        )  # fmt: skip
        return
    await revocation.revoke_person(
        db, services, subject.person_id, why=_ENDED_WHY, now=now, actor=actor, origin=origin
    )  # fmt: skip


async def withdraw_report(
    db: AsyncConnection, services: Services, report: Report, reporter: Reporter, *, now: datetime
) -> bool:
    """Takes a report back, with its event; False where somebody was faster. The caller calls `count_report` then."""
    if not await remove_report(db, report.id):
        return False
    await services.emitter.emit(db, _event(report, reporter, subject=None, note=None), now=now)
    return True


async def count_report(services: Services, report: Report, *, origin: Origin, now: datetime) -> int:
    """Makes the score of each live session anew that a report is about, or was; returns how many there were.

    An address counts when somebody is seen there again.
    """
    if report.person_id is None:
        return 0
    live = (sessions.c.ended_at.is_(None), sessions.c.idle_expires_at > now, sessions.c.expires_at > now)
    async with services.database.reading() as db:
        query = select(sessions.c.id).where(sessions.c.person_id == report.person_id, *live)
        found = [bytes(each) for each in (await db.execute(query)).scalars()]
    if report.about == "session":
        found = [each for each in found if services.risk.key.digest("session", each) == report.subject]
    # Who reports is not where the person is.
    told = Origin(request_id=origin.request_id)
    for session_id in found:
        await rescore_session(services, session_id, None, "signal", now, origin=told)
    return len(found)


def _event(report: Report, reporter: Reporter, *, subject: Subject | None, note: str | None) -> Event:
    """Tells of a report, or, without its subject, that it was taken back."""
    data: dict[str, object] = {"about": report.about, "report": show_id(SIGNAL, report.id)}
    if subject is None:
        data |= {"kind": WITHDRAWN, "weight": 0}
    else:
        data |= {"kind": report.kind, "weight": report.weight, "until": to_seconds(report.expires_at)}
    return Event(
        type=RISK_REPORTED,
        actor=reporter.source,
        subject=subject.shown if subject and report.person_id is None else None,
        person=report.person_id,
        client_id=reporter.client_id,
        session_id=subject.session_id if subject else None,
        origin=reporter.origin,
        data=data,
        personal={} if note is None else {"note": note},
    )
