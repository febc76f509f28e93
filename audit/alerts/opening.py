"""Opens events for alerts: one that was tampered with must not keep the others from being told."""

import logging
from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reading import EventReader, StoredEvent
from base.sealing import SealBroken, Sealer

log = logging.getLogger("ostiary.alerts")


async def open_readable(db: AsyncConnection, sealer: Sealer, rows: Sequence[RowMapping]) -> list[StoredEvent]:
    """The events of rows, in order, without those that are no longer what was written; `audit verify` finds those."""
    # Keys are kept for this call alone: one that was destroyed meanwhile must not open.
    reader = EventReader(sealer)
    try:
        return await reader.open_all(db, rows)
    except (SealBroken, msgspec.DecodeError):
        pass
    opened = []
    for row in rows:
        try:
            opened += await reader.open_all(db, [row])
        except (SealBroken, msgspec.DecodeError):
            log.error("event number %s cannot be read: run `ostiary audit verify`", row["seq"])  # noqa: TRY400
    return opened
