"""Up to which event retention may go: what the limits on age and count ask for, and what holds them back. Reads only.

How long the log is, is what a signed checkpoint says that lies outside: columns and counters can be set by others.
A stamp that lies in the future says nothing of its event's age: that one is as old as those that were numbered next.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.tiles import WIDTH
from audit.removal.steady_clock import CURSORS
from audit.settings import AuditSettings
from audit.tables import events, segments
from base.tables import cursors

# Events that are archived in one file, and told of by one event.
RUN = 16 * WIDTH
# By age a round removes no more than this part of the log: a clock that stays wrong leaves hours to notice.
_AGED_PART = 256
# A reader that left events unread for so long was switched off; it must not keep the log from its limits for ever.
ABANDONED = timedelta(days=30)


async def first_kept(db: AsyncConnection) -> int:
    """The number of the first event that retention has left."""
    last: int | None = (await db.execute(select(func.max(segments.c.last)))).scalar_one()
    return 0 if last is None else last + 1


async def find_aged_end(db: AsyncConnection, covered: int) -> int:
    """Events before this number are the most that may go by age in a round that begins now."""
    first = await first_kept(db)
    return first + max((covered - first) // _AGED_PART, WIDTH)


async def find_end(
    db: AsyncConnection, settings: AuditSettings, first: int, *, covered: int, believed: datetime | None, aged_end: int
) -> int:
    """Events before this number may go, at most a run of them; `first` where none may.

    `covered` is the size of the largest signed checkpoint that lies outside; `believed` is the time. Where that is None
    nothing goes by age, and no reader counts as switched off.
    """
    wanted = first
    if settings.max_events:
        wanted = first + -(-max(covered - first - settings.max_events, 0) // WIDTH) * WIDTH
    if believed is not None and settings.retention is not None:
        wanted = max(wanted, min(await _end_of_old(db, first, believed - settings.retention, believed), aged_end))
    end = min(wanted, first + RUN, covered, await _read_by_all(db, covered, believed))
    return max(end // WIDTH * WIDTH, first)


async def _end_of_old(db: AsyncConnection, first: int, cutoff: datetime, now: datetime) -> int:
    """The number behind the last event of the next run that is old, and has no young one before it."""
    at, seq = events.c.at, events.c.seq
    run_end = first + RUN
    young = select(seq).where(seq >= first, seq < run_end, at >= cutoff, at <= now).order_by(seq).limit(1)
    found: int | None = (await db.execute(young)).scalar_one_or_none()
    if found is None:
        following = select(at).where(seq >= run_end, at <= now).order_by(seq).limit(1)
        next_at: datetime | None = (await db.execute(following)).scalar_one_or_none()
        if next_at is not None and next_at < cutoff:
            return run_end
    end = run_end if found is None else found
    old = select(seq).where(seq >= first, seq < end, at < cutoff).order_by(seq.desc()).limit(1)
    last: int | None = (await db.execute(old)).scalar_one_or_none()
    return first if last is None else last + 1


async def _read_by_all(db: AsyncConnection, covered: int, believed: datetime | None) -> int:
    """The number that the slowest reader reads next."""
    readers = select(func.min(cursors.c.next)).where(cursors.c.name.not_in(CURSORS))
    if believed is not None:
        readers = readers.where(or_(cursors.c.next >= covered, cursors.c.updated_at >= believed - ABANDONED))
    slowest: int | None = (await db.execute(readers)).scalar_one()
    return covered if slowest is None else slowest
