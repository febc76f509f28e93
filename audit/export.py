"""The whole audit log, oldest first, as values ready for JSON: personal fields opened where their key still exists."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import DATA_EXPORTED
from audit.emit import Emitter
from audit.reading import BATCH, EventReader, StoredEvent, as_json
from audit.record import Event, Origin
from audit.tables import events
from base.database import Database
from base.sealing import Sealer


@dataclass(frozen=True, slots=True)
class ExportRange:
    """What one export covers: `count` events, up to and including the one at `last` (None: there are none)."""

    count: int
    last: tuple[datetime, bytes] | None


async def begin_export(
    db: AsyncConnection, emitter: Emitter, *, now: datetime, actor: str, origin: Origin = Origin()
) -> ExportRange:
    """Fixes what an export will hold, and leaves the event that tells of it before the first line is given out."""
    count = (await db.execute(select(func.count()).select_from(events))).scalar_one()
    newest = select(events.c.at, events.c.id).order_by(events.c.at.desc(), events.c.id.desc()).limit(1)
    row = (await db.execute(newest)).first()
    event = Event(type=DATA_EXPORTED, actor=actor, origin=origin, data={"count": count})
    await emitter.emit(db, event, now=now)
    return ExportRange(count, None if row is None else (row.at, bytes(row.id)))


async def export_events(database: Database, sealer: Sealer, range_: ExportRange) -> AsyncIterator[dict[str, object]]:
    """Each event of the range, ready for JSON."""
    async for event in walk_events(database, sealer, range_):
        yield as_json(event)


async def walk_events(database: Database, sealer: Sealer, range_: ExportRange) -> AsyncIterator[StoredEvent]:
    """Each event of the range. Memory stays flat: rows come in batches of 500, each in a short read of its own.

    Keys are read anew for each batch: somebody erased meanwhile is not opened any more.
    """
    after: tuple[datetime, bytes] | None = None
    while range_.last is not None:
        async with database.reading() as db:
            rows = await _next_rows(db, after, range_.last)
            batch = await EventReader(sealer).open_all(db, rows)
        for event in batch:
            yield event
        if len(rows) < BATCH:
            return
        after = (batch[-1].at, batch[-1].id)


async def _next_rows(
    db: AsyncConnection, after: tuple[datetime, bytes] | None, last: tuple[datetime, bytes]
) -> Sequence[RowMapping]:
    place = tuple_(events.c.at, events.c.id)
    query = select(events).where(place <= tuple_(*_bound(last))).order_by(events.c.at, events.c.id).limit(BATCH)
    if after is not None:
        query = query.where(place > tuple_(*_bound(after)))
    return (await db.execute(query)).mappings().all()


def _bound(place: tuple[datetime, bytes]) -> tuple[object, object]:
    return literal(place[0], events.c.at.type), literal(place[1], events.c.id.type)
