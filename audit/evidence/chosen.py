"""Which events and which checkpoints go into an evidence bundle."""

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.checkpoints import StoredCheckpoint
from audit.reports.model import Period
from audit.tables import checkpoints, events, segments

# A checkpoint a minute for a day; of longer periods, evenly chosen ones.
MOST = 1440


async def find_numbers(db: AsyncConnection, period: Period) -> tuple[int, int] | None:
    """The numbers of the period's events, the first and the one behind the last; None where there are none.

    Where a clean-up removed events that may have been of the period, their numbers are among them: what is known of
    their time is between which checkpoints they were numbered.
    """
    inside = and_(events.c.at >= period.from_at, events.c.at < period.until_at)
    first, last = (await db.execute(select(func.min(events.c.seq), func.max(events.c.seq)).where(inside))).one()
    pruned = (await db.execute(select(func.max(segments.c.last)))).scalar_one()
    if pruned is None or (first is not None and pruned < first - 1):
        return None if first is None else (first, last + 1)
    sizes = select(func.max(checkpoints.c.size)).where(checkpoints.c.at <= period.from_at)
    begin = (await db.execute(sizes)).scalar_one() or 0
    if first is not None:
        return min(begin, first), last + 1
    sizes = select(func.min(checkpoints.c.size)).where(checkpoints.c.at >= period.until_at)
    end = min((await db.execute(sizes)).scalar_one() or 0, pruned + 1)
    return (begin, end) if begin < end else None


async def choose_checkpoints(db: AsyncConnection, period: Period, newest: StoredCheckpoint) -> list[str]:
    """The notes, the smallest first: those of the period, one before it, one behind it, and the newest of the log."""
    c = checkpoints.c
    inside = (c.at >= period.from_at, c.at < period.until_at)
    count = (await db.execute(select(func.count()).select_from(checkpoints).where(*inside))).scalar_one()
    numbered = select(c.size, c.note, func.row_number().over(order_by=c.size).label("place")).where(*inside).subquery()
    step = -(-count // MOST) or 1
    # The first and every so many behind it; the last one stands beside them.
    chosen = select(numbered.c.size, numbered.c.note).where((numbered.c.place - 1) % step == 0)
    found = {newest.size: newest.note}
    for query in (
        chosen,
        _edge(c.at < period.from_at, newest_first=True),
        _edge(*inside, newest_first=True),
        _edge(c.at >= period.until_at, newest_first=False),
    ):
        found |= {int(row.size): str(row.note) for row in await db.execute(query)}
    return [found[size] for size in sorted(found)]


def _edge(*where: ColumnElement[bool], newest_first: bool) -> Select[tuple[int, str]]:
    c = checkpoints.c
    order = c.size.desc() if newest_first else c.size
    return select(c.size, c.note).where(*where).order_by(order).limit(1)
