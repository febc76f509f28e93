"""Failure counters that close the door to proofs for a while (S23, S24).

A counter is raised *before* a proof is looked at, by one conditional statement, and released when the proof was right:
however many arrive at once, at most as many as the limit are looked at.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, literal, or_, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.emit import Emitter
from base.tables import Instant
from identity.tables import lockouts


@dataclass(frozen=True, slots=True)
class Reservation:
    """A place among the proofs that are looked at. `locks_until`: if this one fails, the door is closed until then."""

    key: bytes
    failures: int
    locks_until: datetime | None


def person_key(emitter: Emitter, person_id: bytes) -> bytes:
    """The counter of a person, whichever of their names was typed, on devices that they never used."""
    return emitter.index("lockout person", person_id.hex())


def device_key(emitter: Emitter, device_id: bytes) -> bytes:
    """The counter of a person at a device on which they signed in before (S24)."""
    return emitter.index("lockout device", device_id.hex())


def unknown_key(emitter: Emitter, typed: str) -> bytes:
    """The counter of a name that nobody has, so that it locks as any other does (S22)."""
    return emitter.index("lockout unknown", typed)


async def reserve(
    db: AsyncConnection, key: bytes, *, limit: int, duration: timedelta, now: datetime
) -> Reservation | None:
    """A place for one proof, or None while the door is closed.

    Failures older than `duration` no longer count, and a door that was closed opens with a fresh count.
    """
    insert = sqlite_insert if db.dialect.name == "sqlite" else postgres_insert
    lapsed = or_(lockouts.c.until <= now, lockouts.c.first_at <= now - duration)
    counted = case((lapsed, 1), else_=lockouts.c.failures + 1)
    until = now + duration
    first = insert(lockouts).values(key=key, failures=1, first_at=now, until=until if limit <= 1 else None)
    statement = first.on_conflict_do_update(
        index_elements=[lockouts.c.key],
        set_={
            "failures": counted,
            "first_at": case((lapsed, literal(now, Instant)), else_=lockouts.c.first_at),
            "until": case((counted >= limit, literal(until, Instant)), else_=None),
        },
        where=or_(lockouts.c.until.is_(None), lockouts.c.until <= now),
    ).returning(lockouts.c.failures, lockouts.c.until)
    row = (await db.execute(statement)).first()
    return None if row is None else Reservation(key, row.failures, row.until)


async def release(db: AsyncConnection, key: bytes) -> None:
    """Forgets the failures: the proof was right."""
    await db.execute(delete(lockouts).where(lockouts.c.key == key))


async def give_back(db: AsyncConnection, reservation: Reservation) -> None:
    """Undoes one reservation whose proof was never looked at."""
    undone = update(lockouts).where(lockouts.c.key == reservation.key, lockouts.c.failures > 0)
    await db.execute(undone.values(failures=lockouts.c.failures - 1, until=None))
