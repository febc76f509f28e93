"""Retention: old events leave the database, by age or by count; their hashes stay, so that the log still verifies.

What goes are whole rows of the ledger (256 events), from the oldest on, that a checkpoint outside of the database
covers, that every reader has read, and that are proven (`audit.removal.proven`): a changed event is evidence and stays.
What is said of time is believed only of a clock that has been seen to go on steadily.
They are archived first where that is asked for. That events are gone is remembered and told in one transaction; their
rows follow in short ones, and an interrupted removal is finished by the next round.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import AUDIT_PRUNED
from audit.ledger.checkpoints import StoredCheckpoint, newest_own
from audit.ledger.merkle import leaf_hash
from audit.record import Event
from audit.removal.archive import ArchiveRefused, Kept, archive_name, read_archive, write_archive
from audit.removal.limits import find_aged_end, find_end
from audit.removal.proven import LogDamaged, load_proven, load_told_first
from audit.removal.steady_clock import SteadyClock
from audit.services import AuditServices
from audit.tables import events, segments
from base.leases import Lease, LeaseLost

log = logging.getLogger("ostiary.retention")

RUNS_A_ROUND = 64
BATCH = 128
LEASE = timedelta(minutes=2)


class Retention:
    """One process's part: only the one that holds the lease removes anything."""

    def __init__(self, audit: AuditServices) -> None:
        self._audit = audit
        self._lease = Lease(audit.database, "retention", ttl=LEASE)
        self._clock = SteadyClock(audit.database, self._lease)
        self._trouble = ""

    async def round(self) -> None:
        """Removes what may go, at most `RUNS_A_ROUND` runs of it."""
        now = self._audit.clock()
        if not await self._lease.take(now):
            return
        trouble = ""
        try:
            believed = now if await self._clock.look(now) else None
            await self._finish_removal()
            await self._remove_runs(believed)
        except LeaseLost:
            return
        except (ArchiveRefused, LogDamaged) as failure:
            trouble = str(failure)
        # Said once until it changes.
        if trouble and trouble != self._trouble:
            log.warning("old events stay in the database: %s", trouble)
        self._trouble = trouble

    async def stop(self) -> None:
        """Lets another process go on."""
        await self._lease.give_back(self._audit.clock())

    async def _remove_runs(self, believed: datetime | None) -> None:
        async with self._audit.database.reading() as db:
            signed = await newest_own(db, self._audit.key, is_outside=True)
            if signed is None:
                return
            aged_end = await find_aged_end(db, signed.size)
        for _ in range(RUNS_A_ROUND):
            if not await self._remove_run(signed, believed, aged_end):
                break

    async def _remove_run(self, signed: StoredCheckpoint, believed: datetime | None, aged_end: int) -> bool:
        audit = self._audit
        async with audit.database.reading() as db:
            first = await load_told_first(db, audit)
            end = await find_end(db, audit.settings, first, covered=signed.size, believed=believed, aged_end=aged_end)
            if end <= first:
                return False
            kept = await load_proven(db, first, end, signed)
        archive = await self._archive(kept)
        async with audit.database.transaction() as db:
            now = audit.clock()
            await self._lease.confirm(db, now)
            begun = await _remember(db, first, end - 1, archive, now)
            data: dict[str, object] = {"first": begun, "last": end - 1, "archived": archive}
            await audit.emitter.emit(db, Event(type=AUDIT_PRUNED, actor="system", data=data), now=now)
        await self._remove_rows(end)
        return True

    async def _archive(self, kept: Sequence[Kept]) -> str | None:
        """The name of the file that the events are in for certain, None where none is asked for."""
        folder = self._audit.settings.archive_dir
        if folder is None:
            return None
        path = folder / archive_name(kept[0].seq, kept[-1].seq)
        await asyncio.to_thread(write_archive, path, kept, log=self._audit.key.name)
        if await asyncio.to_thread(_leaves_in, path) != [leaf_hash(each.body.encode()) for each in kept]:
            raise ArchiveRefused(f"{path.name}: other events were read from it than were written to it")
        return path.name

    async def _finish_removal(self) -> None:
        """Deletes what an interrupted removal left. Raises LogDamaged where nothing proves that there was one."""
        async with self._audit.database.reading() as db:
            end = await load_told_first(db, self._audit)
        await self._remove_rows(end)

    async def _remove_rows(self, end: int) -> None:
        """Deletes the rows of the events before this number, which are remembered and told of as removed."""
        database = self._audit.database
        while True:
            async with database.reading() as db:
                gone = select(events.c.id).where(events.c.seq < end).order_by(events.c.seq).limit(BATCH)
                ids = (await db.execute(gone)).scalars().all()
            if not ids:
                return
            async with database.transaction() as db:
                await db.execute(delete(events).where(events.c.id.in_(ids)))


def _leaves_in(path: Path) -> list[bytes]:
    return [leaf_hash(body.encode()) for _, body in read_archive(path)]


async def _remember(db: AsyncConnection, first: int, last: int, archive: str | None, now: datetime) -> int:
    """Notes that these events are gone; returns the first number of the note, which may begin with an older one."""
    before = segments.c.last == first - 1, segments.c.archive.is_(None)
    if archive is None:
        longer = update(segments).where(*before).values(last=last, pruned_at=now).returning(segments.c.first)
        begun: int | None = (await db.execute(longer)).scalar_one_or_none()
        if begun is not None:
            return begun
    await db.execute(insert(segments).values(first=first, last=last, pruned_at=now, archive=archive))
    return first
