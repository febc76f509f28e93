"""Sign-ins and failures over time, and why they failed."""

from sqlalchemy import func, select

from audit.catalogue import BACKUP_CODE_FAILED, LOGIN_FAILED, LOGIN_REFUSED, LOGIN_SUCCEEDED, MFA_FAILED, MFA_REFUSED
from audit.reports.found import data_field
from audit.reports.model import Chart, Column, Figure, Period, Section, Series, Table
from audit.reports.scope import Scope
from audit.reports.tally import Tally, within
from audit.reports.words import Words
from audit.tables import events
from audit.words import reason_word, sentence

SUCCEEDED = (LOGIN_SUCCEEDED.name,)
FAILURES = tuple(each.name for each in (LOGIN_FAILED, LOGIN_REFUSED, MFA_FAILED, MFA_REFUSED, BACKUP_CODE_FAILED))
_MOST_REASONS = 12


async def make_signins(scope: Scope) -> Section:
    """How many signed in and how many did not, by hour, with the reasons."""
    words, tally, before = scope.words, scope.tally, scope.before
    good, bad = tally.count(SUCCEEDED), tally.count(FAILURES)
    people = await _count_people(scope, scope.period)
    figures = (
        Figure(key="succeeded", label=words.text("Sign-ins"), value=good, before=before.count(SUCCEEDED), is_key=True),
        Figure(key="failed", label=words.text("Failed attempts"), value=bad, before=before.count(FAILURES),
               rising="bad", is_key=True),
        Figure(key="failed_share", label=words.text("Share that failed"), value=_share(bad, good + bad), kind="share",
               before=_share(before.count(FAILURES), before.count((*FAILURES, *SUCCEEDED))), rising="bad"),
        Figure(key="people", label=words.text("People who signed in"), value=people,
               before=await _count_people(scope, scope.period.before)),
    )  # fmt: skip
    return Section(
        key="signins",
        title=words.text("Sign-ins"),
        summary=_summary(words, good, bad, people),
        figures=figures,
        charts=(_chart(tally, words),) if good + bad else (),
        tables=(await _reasons(scope),) if bad else (),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _summary(words: Words, good: int, bad: int, people: int) -> str:
    if not good + bad:
        return words.text("Nobody tried to sign in.")
    told = words.plural("{count} person signed in", "{count} people signed in", people)
    times = words.plural("{count} time", "{count} times", good)
    if not bad:
        return words.text("{people}, {times}. No attempt failed.", people=told, times=times)
    failed = words.plural("{count} attempt failed", "{count} attempts failed", bad)
    share = words.share(bad / (good + bad))
    return words.text(
        "{people}, {times}. {failed}: {share} of all.", people=told, times=times, failed=failed, share=share
    )


def slot_labels(tally: Tally, words: Words) -> tuple[str, ...]:
    """The names of a tally's slots on an axis: hours, or days."""
    return tuple(f"{at:%H}" if tally.is_by_hour else words.short_day(at.date()) for at in tally.starts())


def _chart(tally: Tally, words: Words) -> Chart:
    good, bad = tally.by_slot(SUCCEEDED), tally.by_slot(FAILURES)
    labels = slot_labels(tally, words)
    most, worst = good.index(max(good)), bad.index(max(bad))
    by_hour = words.text("Sign-ins and failed attempts by hour")
    by_day = words.text("Sign-ins and failed attempts by day")
    return Chart(
        key="over_time",
        title=by_hour if tally.is_by_hour else by_day,
        shape="stacked",
        labels=labels,
        series=(Series(words.text("Succeeded"), good, "good"), Series(words.text("Failed"), bad, "bad")),
        axis=words.text("hour, UTC") if tally.is_by_hour else words.text("day, UTC"),
        says=words.text(
            "Most sign-ins: {busy} ({most}). Most failures: {bad} ({worst}).",
            busy=labels[most], most=words.number(good[most]), bad=labels[worst], worst=words.number(bad[worst]),
        ),
    )  # fmt: skip


async def _count_people(scope: Scope, period: Period) -> int:
    query = select(func.count(events.c.subject.distinct())).where(within(period, *SUCCEEDED))
    return int((await scope.db.execute(query)).scalar_one())


async def _reasons(scope: Scope) -> Table:
    words, language = scope.words, scope.words.language
    columns = events.c.name, data_field(scope.db, "reason").label("reason")
    grouped = select(*columns, func.count().label("times")).where(within(scope.period, *FAILURES)).group_by(*columns)
    rows = (await scope.db.execute(grouped.order_by(func.count().desc(), *columns))).all()
    shown = rows[:_MOST_REASONS]
    return Table(
        key="reasons",
        title=words.text("Why attempts failed"),
        columns=(
            Column("what", words.text("What happened")),
            Column("reason", words.text("Reason")),
            Column("times", words.text("Times"), "number"),
        ),
        rows=tuple(
            (sentence(name, language), reason_word(reason or "", language), times) for name, reason, times in shown
        ),
        empty=words.text("No attempt failed."),
        total=len(rows),
    )
