"""What services and operators report: a person, a session or an address, a kind, a bounded weight, and an end.

A report only ever raises a score, and the scorer bounds what all of them together can do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from risk.signals.reports import MOST
from risk.tables import risk_reports

SIGNAL = "sig_"
TAKEN_OVER = "taken_over"
About = Literal["person", "session", "address"]
# Log-odds of the kinds that have a name here; any other weighs `OTHERWISE` where its sender says nothing.
WEIGHTS: Mapping[str, float] = {
    TAKEN_OVER: 5.0,
    "stolen_credentials": 4.0,
    "stolen_card": 3.0,
    "fraud": 3.0,
    "credential_stuffing": 3.0,
    "scraping": 2.0,
    "spam": 1.5,
    "unusual_use": 1.0,
}
OTHERWISE = 2.0
LEAST_WEIGHT, MOST_WEIGHT = 0.001, MOST
SHORTEST, LONGEST, USUAL = timedelta(minutes=1), timedelta(days=30), timedelta(days=1)
MOST_NOTE = 500
# Of one source about one subject at a time, so that nobody fills the read of every sign-in.
MOST_AT_ONCE = 20
_KIND = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_SOURCE_LENGTH = 64


class TooManyReports(Exception):
    """This source has said enough about this subject."""


@dataclass(frozen=True, slots=True)
class Report:
    """One report as it is stored. `subject` is a keyed digest; `person_id` whom it is about, where there is somebody.

    `weight` is in log-odds; `source` is a client's id, or `cli`.
    """

    id: bytes
    about: About
    subject: bytes
    person_id: bytes | None
    kind: str
    weight: float
    source: str
    expires_at: datetime


def is_kind(text: str) -> bool:
    """Whether it can be the kind of a report."""
    return _KIND.fullmatch(text) is not None


def weight_of(kind: str) -> float:
    """What a report of this kind weighs where its sender does not say."""
    return WEIGHTS.get(kind, OTHERWISE)


async def store_report(db: AsyncConnection, report: Report, *, now: datetime) -> None:
    """Stores a report; raises TooManyReports."""
    reports = risk_reports.c
    theirs = select(func.count()).where(
        reports.subject == report.subject, reports.source == report.source, reports.expires_at > now
    )
    if (await db.execute(theirs)).scalar_one() >= MOST_AT_ONCE:
        raise TooManyReports
    values = {
        "id": report.id,
        "subject_kind": report.about,
        "subject": report.subject,
        "person_id": report.person_id,
        "kind": report.kind,
        "weight": round(report.weight * 1000),
        "source": report.source[:_SOURCE_LENGTH],
        "created_at": now,
        "expires_at": report.expires_at,
    }
    await db.execute(insert(risk_reports).values(values))


async def find_report(db: AsyncConnection, report_id: bytes) -> Report | None:
    """The report with this id, or None."""
    row = (await db.execute(select(risk_reports).where(risk_reports.c.id == report_id))).mappings().first()
    if row is None:
        return None
    return Report(
        id=bytes(row["id"]),
        about=row["subject_kind"],
        subject=bytes(row["subject"]),
        person_id=row["person_id"] and bytes(row["person_id"]),
        kind=row["kind"],
        weight=row["weight"] / 1000,
        source=row["source"],
        expires_at=row["expires_at"],
    )


async def remove_report(db: AsyncConnection, report_id: bytes) -> bool:
    """Takes a report back; False where it is gone already."""
    gone = delete(risk_reports).where(risk_reports.c.id == report_id).returning(risk_reports.c.id)
    return (await db.execute(gone)).first() is not None
