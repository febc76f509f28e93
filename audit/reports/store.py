"""Reports as they were made, kept for whoever asks again."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import REPORT_MADE
from audit.emit import Emitter
from audit.ledger.checkpoints import log_size
from audit.record import Event, Origin
from audit.reports.compose import day_period
from audit.reports.model import REPORT, Period, Report, decode_report
from audit.tables import events, reports
from base.ids import parse_id, show_id

_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A stored report without what it says."""

    id: str
    kind: str
    from_at: datetime
    until_at: datetime
    created_at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list of reports."""

    at: datetime
    id: bytes


async def keep_report(
    db: AsyncConnection,
    emitter: Emitter,
    report: Report,
    *,
    actor: str,
    now: datetime,
    formats: tuple[str, ...] = (),
    origin: Origin = Origin(),
) -> None:
    """Stores a report and its event in the caller's transaction; `formats` are those handed out at once."""
    row = {
        "id": parse_id(REPORT, report.id),
        "kind": report.kind,
        "from_at": report.period.from_at,
        "until_at": report.period.until_at,
        "created_at": now,
        "size": await log_size(db),
        "model": report,
    }
    await db.execute(insert(reports).values(row))
    data = {
        "kind": report.kind,
        "from": report.period.from_at.isoformat(),
        "until": report.period.until_at.isoformat(),
        "formats": list(formats),
    }
    await emitter.emit(db, Event(type=REPORT_MADE, actor=actor, subject=report.id, origin=origin, data=data), now=now)


async def list_reports(
    db: AsyncConnection,
    *,
    limit: int = 100,
    kind: str | None = None,
    about: Period | None = None,
    after: Place | None = None,
) -> list[KeptReport]:
    """The newest reports, newest first: of a kind, about some of a period, older than `after`."""
    columns = [reports.c[name] for name in KeptReport.__dataclass_fields__]
    query = select(*columns).order_by(reports.c.created_at.desc(), reports.c.id.desc()).limit(min(limit, _MOST_LISTED))
    if kind is not None:
        query = query.where(reports.c.kind == kind)
    if about is not None:
        query = query.where(reports.c.from_at < about.until_at, reports.c.until_at > about.from_at)
    if after is not None:
        same = and_(reports.c.created_at == after.at, reports.c.id < after.id)
        query = query.where(or_(reports.c.created_at < after.at, same))
    rows = (await db.execute(query)).all()
    return [KeptReport(show_id(REPORT, bytes(row.id)), *row[1:]) for row in rows]


async def find_kept(db: AsyncConnection, report_id: str) -> KeptReport | None:
    """A stored report without what it says, or None."""
    columns = [reports.c[name] for name in KeptReport.__dataclass_fields__]
    parsed = parse_id(REPORT, report_id)
    row = (await db.execute(select(*columns).where(reports.c.id == parsed))).first()
    return None if row is None else KeptReport(report_id, *row[1:])


async def find_report(db: AsyncConnection, report_id: str) -> Report | None:
    """The report of a public id, or None; raises UnreadableReport. Names in it are still to be opened."""
    parsed = parse_id(REPORT, report_id)
    if parsed is None:
        return None
    stored = (await db.execute(select(reports.c.model).where(reports.c.id == parsed))).scalar_one_or_none()
    return None if stored is None else decode_report(stored)


async def has_report(db: AsyncConnection, kind: str, day: date, *, now: datetime) -> bool:
    """Whether there is a report of this kind about the whole day."""
    period = day_period(day, now=now)
    query = select(reports.c.id).where(
        reports.c.kind == kind, reports.c.from_at == period.from_at, reports.c.until_at == period.until_at
    )
    return (await db.execute(query.limit(1))).first() is not None


async def has_events_before(db: AsyncConnection, at: datetime) -> bool:
    """Whether anything happened before: else the deployment is younger, and has nothing to report."""
    return (await db.execute(select(events.c.id).where(events.c.at < at).limit(1))).first() is not None


async def remove_old(db: AsyncConnection, *, before: datetime) -> None:
    """Removes the reports that were made before a moment, in the caller's transaction."""
    await db.execute(delete(reports).where(reports.c.created_at < before))
