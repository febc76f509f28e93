"""Erasing a person from the log: their key goes at once, what finds their events goes soon after (S47).

Destroying the key takes the personal fields and the salts with it; the bodies, which the ledger commits to, stay as
they are. The keyed index values may stand in a hundred thousand rows: they are swept in short transactions afterwards,
until there are none. A sweep that was interrupted begins anew by itself, since it looks for what is left.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import PERSON_ERASED
from audit.emit import Emitter
from audit.record import NOBODY, Event, Origin
from audit.removal.journal import Erasure, write_erasure
from audit.services import AuditServices
from audit.tables import events, subject_keys
from base.database import Database
from base.ids import PERSON, show_id
from base.write_ahead import empty_log

BATCH = 100
_SUBJECTS = 500
_INDEXES = ("ix_events_person_index_at_id", "ix_events_network_index_at_id")
_REBUILT_UP_TO = 200_000
# Another process may have kept a key in memory until its last round, its clock may differ, and its transaction may
# have been a long one: for this long, what it wrote about an erased person is looked for.
AFTERMATH = timedelta(hours=1)


async def erase_person(
    db: AsyncConnection,
    audit: AuditServices,
    person_id: bytes,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> int | None:
    """Makes the person's data in the log unreadable; returns in how many events, None where that was done before.

    To be called last in the caller's transaction: the journal is written here, and what would undo the transaction
    afterwards would not undo that. Raises JournalUnwritable, and then nothing may be committed.
    """
    if not await _destroy(db, person_id, now):
        return None
    found = select(func.count()).where(events.c.person_index == _index(audit.emitter, person_id))
    count: int = (await db.execute(found)).scalar_one()
    subject = show_id(PERSON, person_id)
    if actor == subject:
        # Their own address must not stay in the very event that says that it is gone.
        origin = Origin(request_id=origin.request_id, source=origin.source)
    event = Event(type=PERSON_ERASED, actor=actor, subject=subject, origin=origin, data={"events": count})
    await audit.emitter.emit(db, event, now=now)
    await asyncio.to_thread(write_erasure, audit.settings.erasure_journal, Erasure(person_id, now))
    audit.emitter.forget(person_id)
    return count


async def replay(db: AsyncConnection, emitter: Emitter, erasures: Sequence[Erasure]) -> list[bytes]:
    """Repeats erasures on a restored database, each with its time; returns the subjects that were there again.

    The index values are swept by the next `Erasures.round` of a process that starts afterwards, or by `sweep`.
    """
    again = []
    for each in erasures:
        if await _destroy(db, each.subject_id, each.at):
            again.append(each.subject_id)
            emitter.forget(each.subject_id)
    return again


async def _destroy(db: AsyncConnection, subject_id: bytes, at: datetime) -> bool:
    if subject_id == NOBODY:
        raise ValueError("the key of events about nobody is never destroyed")
    alive = update(subject_keys).where(subject_keys.c.subject_id == subject_id, subject_keys.c.sealed.is_not(None))
    destroyed = alive.values(sealed=None, destroyed_at=at).returning(subject_keys.c.subject_id)
    return (await db.execute(destroyed)).first() is not None


def _index(emitter: Emitter, subject_id: bytes) -> bytes:
    return emitter.index("person", subject_id.hex())


async def sweep(database: Database, emitter: Emitter, subjects: Sequence[bytes]) -> int:
    """Takes the index values from all events about erased people; returns from how many.

    Each transaction is short, so that a sign-in never waits for a long history.
    """
    swept = 0
    indexes = [_index(emitter, subject) for subject in subjects]
    for begin in range(0, len(indexes), _SUBJECTS):
        left = await _still_there(database, indexes[begin : begin + _SUBJECTS])
        for index in left:
            while found := await _sweep_some(database, index):
                swept += found
    return swept


async def _still_there(database: Database, indexes: Sequence[bytes]) -> list[bytes]:
    query = select(events.c.person_index).where(events.c.person_index.in_(indexes)).distinct()
    async with database.reading() as db:
        return [bytes(index) for index in (await db.execute(query)).scalars()]


async def _sweep_some(database: Database, index: bytes) -> int:
    """Takes the values from some events; returns how many had them, those that somebody else was holding too."""
    oldest = select(events.c.id).where(events.c.person_index == index).order_by(events.c.at).limit(BATCH)
    async with database.reading() as db:
        found = (await db.execute(oldest)).scalars().all()
    if not found:
        return 0
    # Rows that are being numbered are left for the next turn: waiting for them could end in a deadlock.
    free = select(events.c.id).where(events.c.id.in_(found)).with_for_update(skip_locked=True).cte("free")
    theirs = update(events).where(events.c.id.in_(select(free.c.id)), events.c.person_index == index)
    async with database.transaction() as db:
        await db.execute(theirs.values(person_index=None, address_index=None, network_index=None))
    return len(found)


class Erasures:
    """One process's part in finishing erasures, its own and those of others."""

    def __init__(self, audit: AuditServices) -> None:
        self._audit = audit
        # Whoever was erased before then is known to be swept.
        self._since: datetime | None = None
        self._known: frozenset[bytes] = frozenset()
        self._old_pages = True

    async def round(self) -> None:
        """Forgets keys that were destroyed elsewhere and sweeps what is left; the first round looks at everybody."""
        audit, now = self._audit, self._audit.clock()
        subjects = await _erased_since(audit.database, self._since)
        for subject in subjects:
            audit.emitter.forget(subject)
        swept = await sweep(audit.database, audit.emitter, subjects)
        if swept and audit.database.is_sqlite:
            await _rebuild_indexes(audit.database)
        if swept or not self._known.issuperset(subjects):
            self._old_pages = True
        # The file that SQLite writes ahead still has the pages as they were.
        if self._old_pages and await empty_log(audit.database):
            self._old_pages = False
        self._since, self._known = now - AFTERMATH, frozenset(subjects)


async def _rebuild_indexes(database: Database) -> None:
    """Wipes what SQLite left of index values where it moved entries from page to page, as `secure_delete` does not.

    Writers wait meanwhile, a tenth of a second for a hundred thousand events. A log of more than `_REBUILT_UP_TO` keeps
    such remains, keyed values that say nothing without the master key, until a VACUUM.
    """
    async with database.reading() as db:
        few = select(events.c.id).limit(_REBUILT_UP_TO + 1).subquery()
        count: int = (await db.execute(select(func.count()).select_from(few))).scalar_one()
    if count > _REBUILT_UP_TO:
        return
    for name in _INDEXES:
        async with database.transaction() as db:
            await db.exec_driver_sql(f"REINDEX {name}")


async def _erased_since(database: Database, since: datetime | None) -> list[bytes]:
    query = select(subject_keys.c.subject_id).where(subject_keys.c.destroyed_at.is_not(None))
    if since is not None:
        query = query.where(subject_keys.c.destroyed_at >= since)
    async with database.reading() as db:
        return [bytes(subject) for subject in (await db.execute(query)).scalars()]
