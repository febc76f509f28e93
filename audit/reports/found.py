"""Single events of a period, for a report's tables, and fields in the bodies of many."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reading import parse_data
from audit.reports.model import MOST_ROWS, Period
from audit.reports.tally import within
from audit.tables import events
from base.ids import EVENT, show_id

# Numbers beyond it are none of ours, and no moment.
_SAFE = 2**53


@dataclass(frozen=True, slots=True)
class Found:
    """What of an event is public. `ref` is its id, from which a cell opens what is personal."""

    ref: str
    at: datetime
    name: str
    severity: str
    actor: str
    subject: str | None
    data: dict[str, object]

    def number(self, field: str) -> int | None:
        """A number among its data, or None."""
        value = self.data.get(field)
        return value if isinstance(value, int) and abs(value) <= _SAFE else None

    def moment(self, field: str) -> datetime | None:
        """A moment among its data, in seconds since 1970, or None."""
        seconds = self.number(field)
        with suppress(ValueError, OverflowError, OSError):
            return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
        return None


async def list_events(
    db: AsyncConnection, period: Period, *names: str, where: ColumnElement[bool] | None = None
) -> list[Found]:
    """The period's first events of these names, oldest first, as many as a report keeps."""
    chosen = [events.c[name] for name in ("id", "at", "name", "severity", "actor", "subject", "body")]
    wanted = [within(period, *names)] if where is None else [within(period, *names), where]
    query = select(*chosen).where(*wanted).order_by(events.c.at, events.c.id).limit(MOST_ROWS)
    return [
        Found(show_id(EVENT, bytes(id_)), at, name, severity, actor, subject, parse_data(body))
        for id_, at, name, severity, actor, subject, body in await db.execute(query)
    ]


def data_field(db: AsyncConnection, name: str) -> ColumnElement[str]:
    """A code among the data of the server's own events, as SQL; NULL where a body was damaged."""
    body = events.c.body
    if db.dialect.name == "sqlite":
        return case((func.json_valid(body), func.json_extract(body, f"$.data.{name}")))
    # PostgreSQL 15 cannot ask whether a text is JSON. In a body a quotation mark within a text is escaped, so this is
    # found as a field alone.
    return func.substring(body, f'"{name}":"([^"\\\\]*)"')


def risk_level_field(db: AsyncConnection) -> ColumnElement[str]:
    """The level of risk of the server's own events, as SQL; NULL where they were not assessed, or are damaged."""
    body = events.c.body
    if db.dialect.name == "sqlite":
        return case((func.json_valid(body), func.json_extract(body, "$.risk.level")))
    # Keys are sorted in a body, and only `hidden` digests and what follows "request" lie between.
    return func.substring(body, '"risk":\\{"calibration":"[^"]*","level":"([^"\\\\]*)"')


def iso(at: datetime | None) -> str | None:
    """A moment as a cell holds it."""
    return None if at is None else at.isoformat()


def first_ones(texts: Sequence[str], most: int = 3) -> str:
    """The first of several texts, with commas."""
    return ", ".join(texts[:most])
