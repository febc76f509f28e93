"""Reading the numbered feed: where it stands, what came after a number, and what is still in force."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from base.database import Database
from base.errors import StorageUnavailable
from base.statements import Statement
from base.tables import sequences
from feed.entries import KEPT_EXPIRED
from feed.numbering import NAME
from feed.tables import feed
from feed.wire import Position, first_chain

PAGE = 1000

# Asked twenty times a second by every process, so by the hot path; one row, always.
_ASK = (
    "SELECT s.epoch, s.next - 1, f.chain,"
    " (SELECT count(*) FROM (SELECT 1 FROM feed WHERE seq IS NULL LIMIT 10000) AS waiting)"
    " FROM sequences s LEFT JOIN feed f ON f.seq = s.next - 1 WHERE s.name = 'feed'"
)
WHERE_IT_STANDS = Statement(
    name="where the feed stands",
    columns=(("asked", "integer"),),
    sqlite=(_ASK,),
    postgres="SELECT n, t.* FROM input, (" + _ASK + ") AS t",  # noqa: S608 - a constant
)


class GoneFromLog(Exception):
    """What was asked for is not in the log: another epoch, a number beyond it, or one that was cleared away."""


async def find_position(database: Database, issuer: str) -> tuple[Position, int]:
    """Where the log stands, and how many rows wait for their number; from 10,000 on they are not counted."""
    row = await database.find(WHERE_IT_STANDS, (1,))
    assert row is not None  # noqa: S101 - there is an epoch since the first start
    epoch, seq, chain, waits = row
    assert isinstance(epoch, bytes) and isinstance(seq, int) and isinstance(waits, int)  # noqa: PT018, S101
    shown = bytes(epoch).hex()
    return Position(shown, seq, _known_chain(chain, issuer, shown, seq)), waits


def _known_chain(chain: object, issuer: str, epoch: str, seq: int) -> bytes:
    if isinstance(chain, bytes):
        return chain
    if seq:
        raise StorageUnavailable("the feed's last entry is gone from its table: begin anew by 'ostiary feed new-epoch'")
    return first_chain(issuer, epoch)


async def read_lines(
    db: AsyncConnection, issuer: str, *, epoch: str, after: int, limit: int = PAGE
) -> tuple[Sequence[bytes], Position]:
    """The lines after a number, `limit` at most, and the place behind the last of them; raises GoneFromLog."""
    found = select(sequences.c.epoch, sequences.c.next).where(sequences.c.name == NAME)
    now_epoch, following = (await db.execute(found)).one()
    if bytes(now_epoch).hex() != epoch or not 0 <= after < following:
        raise GoneFromLog
    columns = select(feed.c.seq, feed.c.line, feed.c.chain).where(feed.c.seq.is_not(None))
    rows = (await db.execute(columns.where(feed.c.seq >= after).order_by(feed.c.seq).limit(limit + 1))).all()
    if after == 0:
        chain, rows = first_chain(issuer, epoch), rows[:limit]
    elif rows and rows[0].seq == after:
        chain, rows = rows[0].chain, rows[1:]
    else:
        raise GoneFromLog
    # What has expired was cleared away; behind such a hole nothing can be chained.
    if [row.seq for row in rows] != list(range(after + 1, after + 1 + len(rows))):
        raise GoneFromLog
    if after + len(rows) + 1 < following and len(rows) < limit:
        raise GoneFromLog
    last = rows[-1] if rows else None
    return [row.line for row in rows], Position(epoch, last.seq if last else after, last.chain if last else chain)


async def read_snapshot(db: AsyncConnection, issuer: str, *, now: datetime) -> tuple[Position, Sequence[bytes]]:
    """Where the log stands, and by their numbers the lines of all that may be in force by anybody's clock."""
    found = select(sequences.c.epoch, sequences.c.next).where(sequences.c.name == NAME)
    epoch, following = (await db.execute(found)).one()
    shown, seq = bytes(epoch).hex(), following - 1
    last = (await db.execute(select(feed.c.chain).where(feed.c.seq == seq))).scalar_one_or_none()
    in_force = select(feed.c.line).where(feed.c.seq <= seq, feed.c.expires_at > now - KEPT_EXPIRED).order_by(feed.c.seq)
    lines = (await db.execute(in_force)).scalars().all()
    return Position(shown, seq, _known_chain(last, issuer, shown, seq)), lines
