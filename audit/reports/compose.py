"""Puts a report together: every section is computed once, in a short read of its own."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from audit.reports.model import REPORT, Deployment, Period, Report, Section
from audit.reports.scope import Scope, Sections
from audit.reports.tally import load_tally
from audit.reports.words import Words, load_words
from audit.services import AuditServices
from base.ids import new_id, show_id

DAILY, PERIOD = "daily", "period"
LONGEST = timedelta(days=366)


def day_period(day: date, *, now: datetime) -> Period:
    """The day in UTC; of today the part that is over. Raises ValueError for a day that has not begun."""
    from_at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if from_at >= now:
        raise ValueError("expected a day that has begun (UTC)")
    return Period(from_at, min(from_at + timedelta(days=1), now))


async def compose_daily(
    audit: AuditServices, sections: Sections, day: date, *, language: str, made_by: str, now: datetime
) -> Report:
    """The daily report of a day; raises ValueError for one that has not begun."""
    period = day_period(day, now=now)
    return await compose_period(audit, sections, period, kind=DAILY, language=language, made_by=made_by, now=now)


def cut_period(from_at: datetime, until_at: datetime, *, now: datetime) -> Period:
    """The period, without what is still to come. Raises ValueError for one that has not begun or is too long."""
    if from_at >= min(until_at, now):
        raise ValueError("expected a time before the end, and before now")
    if until_at - from_at > LONGEST:
        raise ValueError(f"expected at most {LONGEST.days} days before the end")
    return Period(from_at.astimezone(UTC), min(until_at.astimezone(UTC), now))


async def compose_period(
    audit: AuditServices,
    sections: Sections,
    period: Period,
    *,
    kind: str = PERIOD,
    language: str,
    made_by: str,
    now: datetime,
) -> Report:
    """The report of a period, with the sections of the daily one, which it is where `kind` says so."""
    words = load_words(language, sections.folders)
    notes: tuple[str, ...] = ()
    if kind == DAILY and period.length < timedelta(days=1):
        notes = (words.text("The day is not over: this report ends at {moment} UTC.", moment=words.moment(now)),)
    title = words.text("Daily security report") if kind == DAILY else words.text("Security report")
    return await compose(
        audit, sections, period, kind=kind, title=title, words=words, made_by=made_by, now=now, notes=notes
    )


async def compose(
    audit: AuditServices,
    sections: Sections,
    period: Period,
    *,
    kind: str,
    title: str,
    words: Words,
    made_by: str,
    now: datetime,
    notes: tuple[str, ...] = (),
) -> Report:
    """A report of any kind over a period. It is not stored, and holds ids where people are meant."""
    async with audit.database.reading() as db:
        tally = await load_tally(db, period)
    async with audit.database.reading() as db:
        before = await load_tally(db, period.before)
    made: list[Section] = []
    for make in sections.makers:
        # A transaction a section: none is open for long.
        async with audit.database.reading() as db:
            scope = Scope(db=db, audit=audit, period=period, words=words, tally=tally, before=before, now=now)
            section = await make(scope)
            if section is not None:
                made.append(section if before.counted else _alone(section))
    return Report(
        id=show_id(REPORT, new_id(now)),
        kind=kind,
        title=title,
        period=period,
        language=words.language,
        made_at=now.replace(microsecond=0),
        made_by=made_by,
        deployment=Deployment(audit.settings.issuer, audit.settings.service_name),
        sections=tuple(made),
        notes=notes,
    )


def _alone(section: Section) -> Section:
    """The section without comparisons: before the log began there was nothing to compare with."""
    return replace(section, figures=tuple(replace(figure, before=None) for figure in section.figures))
