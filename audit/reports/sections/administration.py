"""What administrators and operators did."""

from collections import Counter

from sqlalchemy import ColumnElement, and_, func, or_, select

from audit.catalogue import (
    AUDIT_SEARCHED,
    LOCKOUT_ENDED,
    PASSWORD_CLEARED,
    RECOVERY_RESET_MADE,
    REPORT_MADE,
    REPORT_READ,
)
from audit.reports.found import Found, iso, list_events
from audit.reports.model import Chart, Column, Figure, Period, Section, Series, Table
from audit.reports.scope import Scope
from audit.reports.tally import is_own, within
from audit.reports.words import Words
from audit.tables import events
from audit.words import sentence, severity_word

_FAMILIES = ("admin", "client", "policy")
_ELSEWHERE = (LOCKOUT_ENDED.name, RECOVERY_RESET_MADE.name, PASSWORD_CLEARED.name)
# Machines do these all day, and they change nothing.
_ROUTINE = (AUDIT_SEARCHED.name, REPORT_MADE.name, REPORT_READ.name)
# What the server does by itself, and what nobody who was known did.
_NOBODY = ("system", "anonymous")
_MOST_BARS = 10


def is_act() -> ColumnElement[bool]:
    """What somebody did to the server or to other people's accounts, and not to their own."""
    about_others = or_(events.c.subject.is_(None), events.c.subject != events.c.actor)
    administrative = or_(events.c.family.in_(_FAMILIES), events.c.name.in_(_ELSEWHERE))
    return and_(
        is_own(),
        administrative,
        about_others,
        events.c.name.not_in(_ROUTINE),
        events.c.actor.not_in(_NOBODY),
        events.c.outcome == "success",
    )


async def make_administration(scope: Scope) -> Section:
    """Each act: when, who, what, and to whom."""
    words = scope.words
    count, before = await _count(scope, scope.period), await _count(scope, scope.period.before)
    found = await list_events(scope.db, scope.period, where=is_act())
    actors = len({each.actor for each in found})
    return Section(
        key="administration",
        title=words.text("Administrator acts"),
        summary=_summary(words, count, actors),
        figures=(
            Figure(key="acts", label=words.text("Administrator acts"), value=count, before=before, is_key=True),
            Figure(key="actors", label=words.text("Who acted"), value=actors),
            Figure(key="high", label=words.text("Of high severity"),
                   value=sum(each.severity == "HIGH" for each in found)),
        ),
        charts=(_chart(words, found),) if len({each.name for each in found}) > 1 else (),
        tables=(_table(words, found, count),) if count else (),
    )  # fmt: skip


async def _count(scope: Scope, period: Period) -> int:
    query = select(func.count()).select_from(events).where(within(period), is_act())
    return int((await scope.db.execute(query)).scalar_one())


def _summary(words: Words, count: int, actors: int) -> str:
    if not count:
        return words.text("No administrator and no operator changed anything.")
    acts = words.plural("{count} act", "{count} acts", count)
    return words.text("{acts} by {actors}.", acts=acts, actors=words.plural(
        "{count} administrator or operator", "{count} administrators or operators", actors))  # fmt: skip


def _chart(words: Words, found: list[Found]) -> Chart:
    most = Counter(each.name for each in found).most_common(_MOST_BARS)
    return Chart(
        key="acts",
        title=words.text("What was done most"),
        shape="ranked",
        labels=tuple(sentence(name, words.language).rstrip(".") for name, _ in most),
        series=(Series(words.text("Times"), tuple(times for _, times in most), "calm"),),
        says=words.text("Most often: {what}", what=sentence(most[0][0], words.language)),
    )


def _table(words: Words, found: list[Found], count: int) -> Table:
    language = words.language
    return Table(
        key="acts",
        title=words.text("Each act"),
        columns=(
            Column("at", words.text("Time"), "moment"),
            Column("actor", words.text("Who"), "person"),
            Column("act", words.text("What")),
            Column("subject", words.text("To whom or what"), "person"),
            Column("severity", words.text("Severity")),
        ),
        rows=tuple(
            (iso(each.at), each.actor, sentence(each.name, language), each.subject,
             severity_word(each.severity, language))
            for each in found
        ),
        empty=words.text("Nothing was done."),
        total=count,
    )  # fmt: skip
