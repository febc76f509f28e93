"""Checks on the log, its proofs, reports and alerts, and on how the server is reached."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, select

from audit.alerts.values import ALERT
from audit.catalogue import ALERT_UNDELIVERED, REPORT_MADE
from audit.reports.compose import DAILY
from audit.reports.tally import within
from audit.tables import alerts, checkpoints, events, reports
from base.ids import show_id
from server.controls.checks import Answer, Facts, Run
from server.controls.rows import count_rows, events_where, show_moment

_LATE = timedelta(minutes=5)
_A_DAY = timedelta(days=1)
_DAYS_KEPT = 365


async def unnumbered(facts: Facts) -> Answer:
    """Events older than five minutes that have no number yet, and so no place in the ledger."""
    db, late = facts.scope.db, events.c.at < facts.scope.now - _LATE
    waiting = events.c.seq.is_(None)
    row = (await db.execute(select(events.c.name, events.c.at).where(waiting, late).limit(1))).first()
    return Answer(
        failing=await count_rows(db, events, waiting, late),
        looked_at=await count_rows(db, events, within(facts.scope.period)),
        example=row and f"{row.name} at {show_moment(row.at)}, without a number",
    )


async def broken_log(facts: Facts) -> Answer:
    """Places at which the log does not verify: the whole of it, against every checkpoint that is at hand."""
    verdict = facts.verdict
    example = verdict.findings[0].words if verdict.findings else None
    return Answer(failing=verdict.count, looked_at=verdict.size, example=example)


async def kept_inside(facts: Facts) -> Answer:
    """Checkpoints that lie in the database alone although they were made more than five minutes ago."""
    db, late = facts.scope.db, checkpoints.c.at < facts.scope.now - _LATE
    inside = checkpoints.c.published_at.is_(None)
    row = (await db.execute(select(checkpoints.c.size, checkpoints.c.at).where(inside, late).limit(1))).first()
    return Answer(
        failing=await count_rows(db, checkpoints, inside, late),
        looked_at=await count_rows(db, checkpoints),
        example=row and f"checkpoint of {row.size} events, signed at {show_moment(row.at)}, not taken outside",
    )


async def days_without_report(facts: Facts) -> Answer:
    """Whole days of the period, since the log began, about which no daily report was made."""
    period, db = facts.scope.period, facts.scope.db
    first = (await db.execute(select(func.min(events.c.at)))).scalar_one()
    begin = _midnight(max(period.from_at, first or period.until_at))
    if begin < period.from_at:
        begin += _A_DAY
    query = select(reports.c.from_at, reports.c.until_at).where(reports.c.kind == DAILY, reports.c.from_at >= begin)
    told = {row.from_at for row in await db.execute(query) if row.until_at - row.from_at >= _A_DAY}
    days = []
    while begin + _A_DAY <= period.until_at:
        days.append(begin)
        begin += _A_DAY
    missing = [day for day in days if day not in told]
    return Answer(
        failing=len(missing),
        looked_at=len(days),
        example=f"{missing[0]:%Y-%m-%d}: no report" if missing else None,
        is_set=facts.settings.report.daily,
    )


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


async def kept_too_short(facts: Facts) -> Answer:
    """Whether events are kept, or archived, for a year at least."""
    told = facts.settings.audit
    by_age = told.retention_days == 0 or told.retention_days >= _DAYS_KEPT
    by_count = told.max_events == 0
    oldest = (await facts.scope.db.execute(select(func.min(events.c.at)))).scalar_one()
    days = 0 if oldest is None else (facts.scope.now - oldest).days
    return Answer(failing=0, looked_at=days, is_set=(by_age and by_count) or told.archive_dir is not None)


async def undelivered(facts: Facts) -> Answer:
    """Alerts of the period that did not reach their receiver, and whether there is any receiver."""
    told = facts.settings.alert
    found = await events_where(facts, (ALERT_UNDELIVERED.name,), events.c.name == ALERT_UNDELIVERED.name)
    raised = await count_rows(
        facts.scope.db, alerts, alerts.c.opened_at >= facts.scope.period.from_at,
        alerts.c.opened_at < facts.scope.period.until_at,
    )  # fmt: skip
    has_receiver = any((told.webhook_url, told.slack_url, told.pagerduty_key, told.email))
    return Answer(failing=found.failing, looked_at=raised, example=found.example, is_set=has_receiver)


async def unanswered(facts: Facts) -> Answer:
    """Serious alerts of the period that nobody acknowledged within a day."""
    period, db, c = facts.scope.period, facts.scope.db, alerts.c
    inside = (c.opened_at >= period.from_at, c.opened_at < period.until_at, c.severity == "HIGH")
    rows = (await db.execute(select(c.id, c.rule, c.opened_at, c.acknowledged_at).where(*inside))).all()
    now = facts.scope.now
    late = [each for each in rows if (each.acknowledged_at or now) - each.opened_at > _A_DAY]
    example = None
    if late:
        example = f"{show_id(ALERT, bytes(late[0].id))}: {late[0].rule}, opened at {show_moment(late[0].opened_at)}"
    return Answer(failing=len(late), looked_at=len(rows), example=example)


def review_older_than(days: int) -> Run:
    """Whether an access review was made in so many days."""

    async def run(facts: Facts) -> Answer:
        db, since = facts.scope.db, facts.scope.now - timedelta(days=days)
        is_review = events.c.body.contains('"kind":"access"', autoescape=True)
        query = select(func.max(events.c.at)).where(events.c.name == REPORT_MADE.name, is_review)
        last = (await db.execute(query)).scalar_one()
        made = await count_rows(db, events, events.c.name == REPORT_MADE.name, is_review, events.c.at >= since)
        example = "no access review was ever made" if last is None else f"the last one was made at {show_moment(last)}"
        return Answer(failing=0 if made else 1, looked_at=max(made, 1), example=None if made else example)

    return run


async def plain_transport(facts: Facts) -> Answer:
    """Whether people and applications reach the server by TLS."""
    url = urlsplit(facts.settings.issuer)
    safe = url.scheme == "https"
    example = None if safe else f"OSTIARY_ISSUER={facts.settings.issuer}"
    return Answer(failing=0 if safe else 1, looked_at=1, example=example)
