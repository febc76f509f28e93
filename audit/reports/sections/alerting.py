"""What was serious, which alerts it raised, how fast they were answered, and whether they reached anybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.alerts.rules import BY_NAME
from audit.record import OWN_SOURCE
from audit.reports.found import iso
from audit.reports.model import MOST_ROWS, Cell, Column, Figure, Period, Section, Table
from audit.reports.scope import Scope
from audit.reports.words import Words
from audit.tables import alerts, deliveries
from audit.words import sentence, severity_word

_HIGH = "HIGH"


@dataclass(frozen=True, slots=True)
class _Alert:
    rule: str
    topic: str
    severity: str
    opened_at: datetime
    count: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    escalated_at: datetime | None

    @property
    def answered_s(self) -> float | None:
        """Seconds until somebody acknowledged it."""
        return None if self.acknowledged_at is None else (self.acknowledged_at - self.opened_at).total_seconds()


async def make_alerting(scope: Scope) -> Section:
    """Alerts of the period, with what became of them until now."""
    words, opened = scope.words, await _list_alerts(scope.db, scope.period)
    count, before = await _count(scope.db, scope.period), await _count(scope.db, scope.period.before)
    tables = (_high_table(scope), _alert_table(words, opened, count))
    figures = _alert_figures(words, opened, count, before)
    return Section(
        key="alerts",
        title=words.text("Alerts"),
        summary=_summary(words, opened, count),
        # Where there was none, the rest of the figures would say nothing.
        figures=(*figures, *await _delivery_figures(scope)) if count else figures[:1],
        tables=tuple(table for table in tables if table.rows),
    )


def _summary(words: Words, opened: Sequence[_Alert], count: int) -> str:
    if not count:
        return words.text("There was no alert.")
    told = words.plural("{count} alert was raised", "{count} alerts were raised", count)
    waiting = sum(each.acknowledged_at is None for each in opened)
    if not waiting:
        return words.text("{alerts}. All were acknowledged.", alerts=told)
    left = words.plural("{count} is not acknowledged yet", "{count} are not acknowledged yet", waiting)
    return words.text("{alerts}. {left}.", alerts=told, left=left)


def _alert_figures(words: Words, opened: Sequence[_Alert], count: int, before: int) -> tuple[Figure, ...]:
    answers = [each.answered_s for each in opened if each.answered_s is not None]
    return (
        Figure(key="alerts", label=words.text("Alerts"), value=count, before=before, rising="bad", is_key=True),
        Figure(key="unacknowledged", label=words.text("Not acknowledged"), value=len(opened) - len(answers)),
        Figure(key="answered", label=words.text("Acknowledged after (median)"),
               value=median(answers) if answers else None, kind="duration"),
        Figure(key="slowest", label=words.text("Acknowledged after (longest)"),
               value=max(answers) if answers else None, kind="duration"),
        Figure(key="escalated", label=words.text("Escalated"),
               value=sum(each.escalated_at is not None for each in opened)),
    )  # fmt: skip


async def _delivery_figures(scope: Scope) -> tuple[Figure, ...]:
    words, period = scope.words, scope.period
    of_period = and_(deliveries.c.created_at >= period.from_at, deliveries.c.created_at < period.until_at)
    counts = func.count(), func.count(deliveries.c.sent_at), func.count(deliveries.c.failed_at)
    promised, sent, failed = (await scope.db.execute(select(*counts).where(of_period))).one()
    times = select(deliveries.c.created_at, deliveries.c.sent_at).where(of_period, deliveries.c.sent_at.is_not(None))
    rows = (await scope.db.execute(times.limit(MOST_ROWS))).all()
    took = [(row.sent_at - row.created_at).total_seconds() for row in rows]
    return (
        Figure(key="sent", label=words.text("Messages delivered"), value=sent),
        Figure(key="undelivered", label=words.text("Messages given up"), value=failed),
        Figure(key="waiting", label=words.text("Messages on their way"), value=promised - sent - failed),
        Figure(key="delivery", label=words.text("Delivered after (median)"), value=median(took) if took else None,
               kind="duration"),
    )  # fmt: skip


def _high_table(scope: Scope) -> Table:
    words, language = scope.words, scope.words.language
    kinds = scope.tally.by_name(severity=_HIGH)
    return Table(
        key="high",
        title=words.text("Events of high severity"),
        columns=(
            Column("event", words.text("Event"), "code"),
            Column("what", words.text("What happened")),
            Column("times", words.text("Times"), "number"),
        ),
        rows=tuple((name, _told(name, source, language), times) for (name, source), times in kinds),
        empty=words.text("Nothing of high severity happened."),
    )


def _told(name: str, source: str, language: str) -> str:
    """What happened; of what another service tells, who tells it."""
    return sentence(name, language) if source == OWN_SOURCE else f"{source}: {name}"


def _alert_table(words: Words, opened: Sequence[_Alert], count: int) -> Table:
    titles = {name: rule.title for name, rule in BY_NAME.items()}
    rows: list[tuple[Cell, ...]] = []
    for each in opened:
        told = words.known(titles.get(each.rule, each.rule))
        severity = severity_word(each.severity, words.language)
        rows.append(
            (iso(each.opened_at), told, _about(each.topic), severity, each.count, each.answered_s, each.acknowledged_by)
        )
    return Table(
        key="alerts",
        title=words.text("Each alert"),
        columns=(
            Column("opened_at", words.text("Opened"), "moment"),
            Column("alert", words.text("Alert")),
            Column("about", words.text("About"), "person"),
            Column("severity", words.text("Severity")),
            Column("count", words.text("Times"), "number"),
            Column("answered", words.text("Acknowledged after"), "duration"),
            Column("by", words.text("By"), "person"),
        ),
        rows=tuple(rows),
        empty=words.text("There was no alert."),
        total=count,
    )


def _about(topic: str) -> str | None:
    """The public id in a topic; what else stands there are digests and names of events."""
    return next((word for word in topic.split() if word.startswith(("usr_", "cli_"))), None)


async def _count(db: AsyncConnection, period: Period) -> int:
    opened = alerts.c.opened_at >= period.from_at, alerts.c.opened_at < period.until_at
    return int((await db.execute(select(func.count()).select_from(alerts).where(*opened))).scalar_one())


async def _list_alerts(db: AsyncConnection, period: Period) -> list[_Alert]:
    columns = [alerts.c[name] for name in _Alert.__dataclass_fields__]
    opened = alerts.c.opened_at >= period.from_at, alerts.c.opened_at < period.until_at
    rows = await db.execute(select(*columns).where(*opened).order_by(alerts.c.opened_at, alerts.c.id).limit(MOST_ROWS))
    return [_Alert(*row) for row in rows]
