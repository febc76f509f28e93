"""Single events of a period, for a report's tables, and fields in the bodies of many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import JSON, ColumnElement, case, cast, func, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reports.model import MOST_ROWS, Period
from audit.reports.tally import within
from audit.tables import events
from base.ids import EVENT, show_id

_BODY = msgspec.json.Decoder(dict[str, object])


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
        return value if isinstance(value, int) else None


async def list_events(
    db: AsyncConnection, period: Period, *names: str, where: ColumnElement[bool] | None = None
) -> list[Found]:
    """The period's first events of these names, oldest first, as many as a report keeps."""
    chosen = [events.c[name] for name in ("id", "at", "name", "severity", "actor", "subject", "body")]
    wanted = [within(period, *names)] if where is None else [within(period, *names), where]
    query = select(*chosen).where(*wanted).order_by(events.c.at, events.c.id).limit(MOST_ROWS)
    return [
        Found(show_id(EVENT, bytes(row.id)), row.at, row.name, row.severity, row.actor, row.subject, _data(row.body))
        for row in await db.execute(query)
    ]


def _data(body: str) -> dict[str, object]:
    data = _BODY.decode(body).get("data")
    return data if isinstance(data, dict) else {}


def data_field(db: AsyncConnection, name: str) -> ColumnElement[str]:
    """A text among the data of an event, as SQL."""
    if db.dialect.name == "sqlite":
        return func.json_extract(events.c.body, f"$.data.{name}")
    # PostgreSQL cannot make text of a NUL, which another service may have sent.
    readable = not_(events.c.body.contains("\\u0000", autoescape=True))
    return case((readable, func.json_extract_path_text(cast(events.c.body, JSON), "data", name)))


def iso(at: datetime | None) -> str | None:
    """A moment as a cell holds it."""
    return None if at is None else at.isoformat()


def first_ones(texts: Sequence[str], most: int = 3) -> str:
    """The first of several texts, with commas."""
    return ", ".join(texts[:most])
