"""The calibrations of a deployment: kept for good, since scores name theirs, and one of them in use."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import RISK_CALIBRATED
from audit.emit import Emitter
from audit.record import Event
from risk.calibration import Calibration
from risk.tables import risk_calibrations


@dataclass(frozen=True, slots=True)
class KeptCalibration:
    """A site's own calibration; `active_since` is None where another one is in use."""

    id: str
    body: str
    learned_from: int
    created_at: datetime
    active_since: datetime | None


async def next_id(db: AsyncConnection, day: datetime) -> str:
    """The id of a calibration that is made that day, such as `site-2026-11-23-1`."""
    prefix = f"site-{day:%Y-%m-%d}-"
    like = risk_calibrations.c.id.like(f"{prefix}%")
    return f"{prefix}{(await db.execute(select(func.count()).where(like))).scalar_one() + 1}"


async def list_calibrations(db: AsyncConnection) -> list[KeptCalibration]:
    """All that were ever in use here, oldest first."""
    table = risk_calibrations
    query = select(table.c.id, table.c.body, table.c.learned_from, table.c.created_at, table.c.active_since)
    rows = (await db.execute(query.order_by(table.c.created_at, table.c.id))).all()
    return [KeptCalibration(*row) for row in rows]


async def activate(
    db: AsyncConnection, emitter: Emitter, calibration: Calibration, *, before: str, actor: str, now: datetime
) -> None:
    """Takes a calibration into use; the shipped one needs no row. Every process follows within half a minute.

    `before` is the id of the one that was in use. Those of the past stay, for the scores that name them.
    """
    table = risk_calibrations
    await db.execute(update(table).where(table.c.active_since.is_not(None)).values(active_since=None))
    if calibration.id != Calibration.shipped().id:
        kept = {"id": calibration.id, "body": calibration.body, "learned_from": calibration.learned_from}
        await db.execute(insert(table).values(**kept, created_at=now, active_since=now))
    data = {"before": before, "calibration": calibration.id, "learned_from": calibration.learned_from}
    await emitter.emit(db, Event(type=RISK_CALIBRATED, actor=actor, subject=calibration.id, data=data), now=now)
