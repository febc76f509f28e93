"""Whether the clock can be believed. Events are removed for good by it, so it must have gone on steadily for a day.

A clock that is suddenly a year ahead looks like a server that was switched off for a year. Only what follows tells: so
each round of retention leaves its time in the database, whichever process it is of, and compares its own with that and
with the stamps of the events that were numbered in between. Processes that disagree never let a day go by.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.checkpoints import log_size
from audit.record import Origin
from audit.tables import events
from base.cursors import move_cursor
from base.database import Database
from base.leases import Lease
from base.tables import cursors

log = logging.getLogger("ostiary.retention")

DAY = timedelta(days=1)
# A pause between two rounds counts for no more: two looks, a day apart, say little.
_MOST_A_ROUND = timedelta(hours=1)
# Of the events since the last round the newest ones are looked at: a round must stay short.
_LOOKED_AT = 100_000
# The first event that was not looked at, and when that was; for how many seconds the clock was steady by then.
_NEXT, _STEADY = "retention", "retention.steady_s"
CURSORS = (_NEXT, _STEADY)
_OWN = Origin().source


@dataclass(frozen=True, slots=True)
class Look:
    """What a round saw: its time, for how long the clock had been steady, and the first event that came later."""

    at: datetime
    steady: timedelta
    next: int


def steady_after(last: Look, now: datetime) -> timedelta | None:
    """For how long the clock has been steady, a day at most; None where it leapt by more than a day, either way."""
    passed = now - last.at
    if abs(passed) > DAY:
        return None
    return min(last.steady + min(max(passed, timedelta()), _MOST_A_ROUND), DAY)


class SteadyClock:
    """One process's part in watching the clock, for as long as it holds retention's lease."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._lease = lease
        self._warned = False

    async def look(self, now: datetime) -> bool:
        """Whether `now` is to be believed; leaves it for the next round to compare. Raises LeaseLost."""
        async with self._database.reading() as db:
            last, size = await _find_last(db), await log_size(db)
            steady, why = timedelta(), ""
            if last is not None:
                gone_on = steady_after(last, now)
                if gone_on is None:
                    why = _leap(last, now)
                elif (stray := await _find_stray(db, last, now, size)) is not None:
                    why = _disagreement(stray, now)
                else:
                    steady = gone_on
        async with self._database.transaction() as db:
            await self._lease.confirm(db, now)
            await move_cursor(db, _NEXT, size, now=now)
            await move_cursor(db, _STEADY, int(steady.total_seconds()), now=now)
        self._tell(why, is_steady=steady >= DAY)
        return steady >= DAY

    def _tell(self, why: str, *, is_steady: bool) -> None:
        # Said once until it is over.
        if why and not self._warned:
            log.warning("no event is removed for its age until the clock has gone on steadily for a day: %s", why)
            self._warned = True
        elif is_steady and self._warned:
            log.warning("the clock has gone on steadily for a day: old events are removed again")
            self._warned = False


def _leap(last: Look, now: datetime) -> str:
    return (
        f"it says {now:%Y-%m-%d %H:%M} UTC, and at the last look it said {last.at:%Y-%m-%d %H:%M};"
        " if it is wrong, set it right within that day; if the server was off in between, nothing needs doing"
    )


def _disagreement(number: int, now: datetime) -> str:
    return (
        f"it says {now:%Y-%m-%d %H:%M} UTC, and event {number}, which came since the last look, is stamped more than a"
        " day apart; compare the clocks of all hosts that run this server, and set the wrong one right"
    )


async def _find_last(db: AsyncConnection) -> Look | None:
    rows = (await db.execute(select(cursors).where(cursors.c.name.in_(CURSORS)))).all()
    by_name = {row.name: row for row in rows}
    if by_name.keys() != set(CURSORS):
        return None
    looked, steady = by_name[_NEXT], by_name[_STEADY]
    return Look(looked.updated_at, timedelta(seconds=steady.next), looked.next)


async def _find_stray(db: AsyncConnection, last: Look, now: datetime, size: int) -> int | None:
    """The first event of this server since the last look that is stamped more than a day before that, or after now.

    Other services tell of theirs when they can.
    """
    since = events.c.seq >= max(last.next, size - _LOOKED_AT)
    apart = or_(events.c.at < last.at - DAY, events.c.at > now + DAY)
    query = select(events.c.seq).where(since, apart, events.c.source == _OWN).order_by(events.c.seq).limit(1)
    found: int | None = (await db.execute(query)).scalar_one_or_none()
    return found
