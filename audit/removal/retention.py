"""Retention: old events leave the database, by age or by count; their hashes stay, so that the log still verifies.

What goes are whole rows of the ledger (256 events), from the oldest on, that a checkpoint outside of the database
covers, that every reader has read, and whose bodies still give their hashes: a changed event is evidence and stays.
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
from audit.ledger.merkle import leaf_hash
from audit.ledger.tiles import leaf_hashes
from audit.record import Event
from audit.removal.archive import ArchiveRefused, Kept, archive_name, read_archive, write_archive
from audit.removal.limits import find_aged_end, find_end, first_kept
from audit.removal.steady_clock import SteadyClock
from audit.services import AuditServices
from audit.tables import events, segments
from base.leases import Lease, LeaseLost

log = logging.getLogger("ostiary.retention")

RUNS_A_ROUND = 64
BATCH = 128
LEASE = timedelta(minutes=2)


class LogDamaged(Exception):
    """Events that would be removed do not give their hashes in the ledger; the message names the first."""


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
            await self._remove_rows()
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
            aged_end = await find_aged_end(db)
        for _ in range(RUNS_A_ROUND):
            if not await self._remove_run(believed, aged_end):
                break

    async def _remove_run(self, believed: datetime | None, aged_end: int) -> bool:
        audit = self._audit
        async with audit.database.reading() as db:
            first = await first_kept(db)
            end = await find_end(db, audit.settings, first, believed=believed, aged_end=aged_end)
            if end <= first:
                return False
            kept = await _load_run(db, first, end)
            leaves = await leaf_hashes(db, first, end - first)
        _check(kept, leaves, first)
        archive = await self._archive(kept, leaves)
        async with audit.database.transaction() as db:
            now = audit.clock()
            await self._lease.confirm(db, now)
            begun = await _remember(db, first, end - 1, archive, now)
            data: dict[str, object] = {"first": begun, "last": end - 1, "archived": archive}
            await audit.emitter.emit(db, Event(type=AUDIT_PRUNED, actor="system", data=data), now=now)
        await self._remove_rows()
        return True

    async def _archive(self, kept: Sequence[Kept], leaves: Sequence[bytes]) -> str | None:
        """The name of the file that the events are in for certain, None where none is asked for."""
        folder = self._audit.settings.archive_dir
        if folder is None:
            return None
        path = folder / archive_name(kept[0].seq, kept[-1].seq)
        await asyncio.to_thread(write_archive, path, kept, log=self._audit.key.name)
        if await asyncio.to_thread(_leaves_in, path) != leaves:
            raise ArchiveRefused(f"{path.name}: other events were read from it than were written to it")
        return path.name

    async def _remove_rows(self) -> None:
        """Deletes the rows of all events that are remembered as removed."""
        database = self._audit.database
        while True:
            async with database.reading() as db:
                gone = events.c.seq < await first_kept(db)
                found = (
                    await db.execute(select(events.c.id).where(gone).order_by(events.c.seq).limit(BATCH))
                ).scalars()
                ids = found.all()
            if not ids:
                return
            async with database.transaction() as db:
                await db.execute(delete(events).where(events.c.id.in_(ids)))


async def _load_run(db: AsyncConnection, first: int, end: int) -> list[Kept]:
    query = select(events.c.seq, events.c.body, events.c.sealed_for, events.c.sealed)
    rows = await db.execute(query.where(events.c.seq >= first, events.c.seq < end).order_by(events.c.seq))
    return [Kept(seq, body, bytes(sealed_for), bytes(sealed)) for seq, body, sealed_for, sealed in rows]


def _check(kept: Sequence[Kept], leaves: Sequence[bytes], first: int) -> None:
    for number, each in enumerate(kept, first):
        if each.seq != number:
            raise LogDamaged(f"event {number} is missing")
        if number - first >= len(leaves) or leaf_hash(each.body.encode()) != leaves[number - first]:
            raise LogDamaged(f"event {number}: its body does not give its hash in the ledger")
    if len(kept) != len(leaves):
        raise LogDamaged(f"event {first + len(kept)} is missing")


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
