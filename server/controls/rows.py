"""What the checks share: counting rows and showing one of them."""

from datetime import datetime

from sqlalchemy import ColumnElement, FromClause, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reports.tally import within
from audit.tables import events
from base.ids import EVENT, show_id
from server.controls.checks import Answer, Facts


async def count_rows(db: AsyncConnection, table: FromClause, *where: ColumnElement[bool]) -> int:
    """How many rows there are."""
    return int((await db.execute(select(func.count()).select_from(table).where(*where))).scalar_one())


async def find_event(db: AsyncConnection, *where: ColumnElement[bool]) -> str | None:
    """The newest such event in words: its id, name, time, and whom it is about."""
    c = events.c
    query = select(c.id, c.name, c.at, c.actor, c.subject).where(*where).order_by(c.at.desc(), c.id.desc())
    row = (await db.execute(query.limit(1))).first()
    if row is None:
        return None
    about = f", subject {row.subject}" if row.subject and row.subject != row.actor else ""
    return f"{show_id(EVENT, bytes(row.id))}: {row.name} at {show_moment(row.at)}, actor {row.actor}{about}"


async def events_where(facts: Facts, names: tuple[str, ...], failing: ColumnElement[bool]) -> Answer:
    """The answer of a check over the period's events of these names, of which those `failing` fail."""
    db, inside = facts.scope.db, within(facts.scope.period, *names)
    return Answer(
        failing=await count_rows(db, events, inside, failing),
        looked_at=await count_rows(db, events, inside),
        example=await find_event(db, inside, failing),
    )


def show_moment(at: datetime) -> str:
    """A moment inside an example."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
