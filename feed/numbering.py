"""The feed's numbers: from 1 on, without gaps, given by one process at a time, each entry chained to the one before."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Column, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import Clock
from base.database import Database
from base.ids import new_id
from base.sequencer import Numbered, Order, Sequencer
from base.statements import Insert, Prepared
from base.tables import sequences
from base.within import store
from feed.tables import feed, feed_batches
from feed.wire import first_chain, make_line, next_chain

NAME = "feed"
# A leader that died or froze keeps revocations from nobody longer than this; one that froze within its transaction
# until the database ends that (`base.sequencer.FROZEN_MS`).
PATIENCE_S = 0.3

_COLUMNS = (
    feed.c.id, feed.c.kind, feed.c.subject, feed.c.created_at, feed.c.expires_at, feed.c.not_before, feed.c.facts,
)  # fmt: skip
ORDER = Order(
    name=NAME,
    table=feed,
    by=cast(tuple[Column[object], ...], (feed.c.created_at, feed.c.id)),
    columns=cast(tuple[Column[object], ...], _COLUMNS),
    first=1,
)
_FIX = Insert(
    columns=("line", "chain", "id"),
    sqlite="UPDATE feed SET line = ?, chain = ? WHERE id = ?",
    prepared=Prepared(
        b"UPDATE feed SET line = t.l, chain = t.c FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS t(l, c, i)"
        b" WHERE feed.id = t.i",
        ("bytea", "bytea", "bytea"),
    ),
)


def make_sequencer(database: Database, clock: Clock, issuer: str) -> Sequencer:
    """One process's part in numbering the feed."""

    async def append(db: AsyncConnection, rows: Numbered, first: int) -> None:
        await _chain(db, issuer, rows, first, now=clock())

    return Sequencer(database, clock, ORDER, append=append, patience_s=PATIENCE_S)


async def _chain(db: AsyncConnection, issuer: str, rows: Numbered, first: int, *, now: datetime) -> None:
    """Fixes each row's line and chain, and remembers that these were numbered together."""
    epoch = await load_epoch(db)
    before = select(feed.c.chain).where(feed.c.seq == first - 1)
    chain = (await db.execute(before)).scalar_one() if first > ORDER.first else first_chain(issuer, epoch.hex())
    fixed: list[tuple[bytes, bytes, bytes]] = []
    for seq, row in enumerate(rows, first):
        line = _line_of(seq, row)
        chain = next_chain(chain, line)
        fixed.append((line, chain, cast(bytes, row[0])))
    await store(db, _FIX, fixed)
    born = min(cast(datetime, row[3]) for row in rows)
    batch = {"epoch": epoch, "first": first, "last": first + len(rows) - 1, "born_at": born, "numbered_at": now}
    await db.execute(insert(feed_batches).values(batch))


def _line_of(seq: int, row: Sequence[object]) -> bytes:
    _, kind, subject, at, expires_at, not_before, facts = row
    return make_line(
        seq,
        kind=cast(str, kind),
        subject=cast(str, subject),
        at=cast(datetime, at),
        expires_at=cast(datetime, expires_at),
        not_before=cast(datetime | None, not_before),
        facts=cast(dict[str, object] | None, facts),
    )


async def load_epoch(db: AsyncConnection) -> bytes:
    """The epoch that numbers belong to now; it is there from the first start on."""
    epoch: bytes = (await db.execute(select(sequences.c.epoch).where(sequences.c.name == NAME))).scalar_one()
    return epoch


async def ensure_epoch(db: AsyncConnection, *, now: datetime) -> None:
    """Begins the first epoch, where there is none; run at every start by one process at a time."""
    if (await db.execute(select(sequences.c.epoch).where(sequences.c.name == NAME))).first() is None:
        await db.execute(insert(sequences).values(name=NAME, next=ORDER.first, epoch=new_id(now)))


async def begin_epoch(db: AsyncConnection, *, now: datetime) -> str:
    """Begins a new epoch and returns it: every follower loads a snapshot and swaps what it knew.

    What is still in force gets new numbers. To be called where the old order cannot be kept: after a restore.
    """
    epoch = new_id(now)
    await db.execute(update(feed).values(seq=None, line=None, chain=None))
    await db.execute(feed_batches.delete())
    await db.execute(update(sequences).where(sequences.c.name == NAME).values(next=ORDER.first, epoch=epoch))
    return epoch.hex()
