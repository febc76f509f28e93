"""How the ledger stands: how long it is, what waits for a number, and since when nothing of it left the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.checkpoints import log_size
from audit.tables import checkpoints, events


@dataclass(frozen=True, slots=True)
class LedgerState:
    """`uncovered` events are in no checkpoint that lies outside; the oldest of them happened at `uncovered_since`."""

    size: int = 0
    unnumbered: int = 0
    uncovered: int = 0
    uncovered_since: datetime | None = None


async def find_state(db: AsyncConnection) -> LedgerState:
    """The ledger as it stands now."""
    size = await log_size(db)
    # A checkpoint of more events than there are was put there.
    is_outside = checkpoints.c.published_at.is_not(None), checkpoints.c.size <= size
    covered: int = (await db.execute(select(func.max(checkpoints.c.size)).where(*is_outside))).scalar_one() or 0
    waiting = select(func.count(), func.min(events.c.at)).where(events.c.seq.is_(None))
    unnumbered, oldest = (await db.execute(waiting)).one()
    if covered < size:
        first = select(events.c.at).where(events.c.seq >= covered).order_by(events.c.seq).limit(1)
        oldest = (await db.execute(first)).scalar_one_or_none() or oldest
    return LedgerState(size, unnumbered, size - covered + unnumbered, oldest)
