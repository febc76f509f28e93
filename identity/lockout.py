"""Failure counters that close the door to proofs for a while (S23, S24).

A counter is raised *before* a proof is looked at, by one conditional statement, and released when the proof was right:
however many arrive at once, at most as many as the limit are looked at.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import case, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.emit import Emitter
from base.clock import from_micros, to_micros
from base.database import Database
from base.statements import Row, Statement, Unit
from base.within import run, send
from identity.tables import lockouts

# The count starts afresh where the door was closed and has opened again, or where the failures are old.
_KEPT = "CASE WHEN l.until <= {now} OR l.first_at <= {lapsed} THEN 0 ELSE l.failures END"
_FIRST_AT = "CASE WHEN l.until <= {now} OR l.first_at <= {lapsed} THEN {now} ELSE l.first_at END"
_SQLITE = {"now": ":now", "lapsed": ":lapsed"}
_POSTGRES = {"now": "excluded.first_at", "lapsed": "(SELECT lapsed FROM asked WHERE asked.key = l.key)"}

# On PostgreSQL a group may hold several reservations of one counter: `asked` joins them, and each gets its number.
_RESERVE = Statement(
    "reserve",
    (
        ("key", "bytea"),
        ("now", "bigint"),
        ("lapsed", "bigint"),
        ("until", "bigint"),
        ("most", "integer"),
        ("kept", "bigint"),
    ),
    (
        f"""
        INSERT INTO lockouts AS l (key, failures, first_at, until, kept_until)
        VALUES (:key, 1, :now, CASE WHEN 1 >= :most THEN :until END, :kept)
        ON CONFLICT (key) DO UPDATE SET kept_until = excluded.kept_until,
            failures = 1 + {_KEPT.format(**_SQLITE)},
            first_at = {_FIRST_AT.format(**_SQLITE)},
            until = CASE WHEN 1 + {_KEPT.format(**_SQLITE)} >= :most THEN :until END
        WHERE l.until IS NULL OR l.until <= :now
        RETURNING failures, until
        """,
    ),
    f"""
    , placed AS (
        SELECT n, key, row_number() OVER (PARTITION BY key ORDER BY n) AS place,
            count(*) OVER (PARTITION BY key) AS together, until, most FROM input
    ), asked AS (
        SELECT key, count(*)::integer AS together, max(now) AS now, max(lapsed) AS lapsed, max(until) AS until,
            max(most) AS most, max(kept) AS kept FROM input GROUP BY key
    ), counted AS (
        INSERT INTO lockouts AS l (key, failures, first_at, until, kept_until)
        SELECT key, together, now, CASE WHEN together >= most THEN until END, kept FROM asked
        ON CONFLICT (key) DO UPDATE SET kept_until = excluded.kept_until,
            failures = excluded.failures + {_KEPT.format(**_POSTGRES)},
            first_at = {_FIRST_AT.format(**_POSTGRES)},
            until = (SELECT CASE WHEN excluded.failures + {_KEPT.format(**_POSTGRES)} >= asked.most THEN asked.until END
                FROM asked WHERE asked.key = l.key)
        WHERE l.until IS NULL OR l.until <= excluded.first_at
        RETURNING l.key, l.failures
    )
    SELECT n, (failures - together + place)::integer,
        CASE WHEN failures - together + place = most THEN placed.until END
    FROM placed JOIN counted USING (key) WHERE failures - together + place <= most
    """,
)


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


def code_key(emitter: Emitter, method: str, person_id: bytes, device_id: bytes | None) -> bytes:
    """The counter of wrong codes of one method, apart at a device on which the person signed in before (S23, S24)."""
    whose = (device_id or person_id).hex()
    return emitter.index(f"lockout {method} {'device' if device_id else 'person'}", whose)


def all_codes_key(emitter: Emitter, method: str, person_id: bytes) -> bytes:
    """The counter of wrong codes of one method since the last right one, at all devices together."""
    return emitter.index(f"lockout {method} in all", person_id.hex())


def recovery_key(emitter: Emitter, what: str) -> bytes:
    """The counter of wrong recovery codes."""
    return emitter.index("lockout recovery", what)


def unknown_key(emitter: Emitter, typed: str) -> bytes:
    """The counter of a name that nobody has, so that it locks as any other does (S22)."""
    return emitter.index("lockout unknown", typed)


async def reserve(
    database: Database, key: bytes, *, limit: int, duration: timedelta, now: datetime
) -> Reservation | None:
    """A place for one proof, durable, or None while the door is closed.

    Failures older than `duration` no longer count, and a door that was closed opens with a fresh count.
    """
    return _reservation(key, await database.write(Unit(_RESERVE, _asked(key, limit, duration, now))))


async def reserve_within(
    db: AsyncConnection, key: bytes, *, limit: int, duration: timedelta, kept: bool = False, now: datetime
) -> Reservation | None:
    """The same in the caller's write transaction: others who ask for this counter wait until that ends.

    For proofs that are looked at in the same transaction; one that takes long must be counted before it. `kept`: the
    count goes over so long a time that housekeeping must leave it alone for the whole `duration`.
    """
    return _reservation(key, await run(db, _RESERVE, _asked(key, limit, duration, now, kept=kept)))


def _asked(key: bytes, limit: int, duration: timedelta, now: datetime, *, kept: bool = False) -> Row:
    until = to_micros(now + duration)
    return key, to_micros(now), to_micros(now - duration), until, limit, until if kept else None


def _reservation(key: bytes, row: Row | None) -> Reservation | None:
    if row is None:
        return None
    failures, until = cast(tuple[int, int | None], row)
    return Reservation(key, failures, None if until is None else from_micros(until))


_IS_CLOSED = Statement(
    "is the door closed",
    (("key", "bytea"), ("now", "bigint")),
    ("SELECT failures FROM lockouts WHERE key = :key AND until > :now",),
    "SELECT n, failures FROM input JOIN lockouts USING (key) WHERE until > input.now",
)


async def is_closed(database: Database, key: bytes, *, now: datetime) -> bool:
    """Whether proofs of this counter are refused now. Counts nothing."""
    return await database.find(_IS_CLOSED, (key, to_micros(now))) is not None


_RELEASE = Statement(
    "release",
    (("key", "bytea"),),
    ("DELETE FROM lockouts WHERE key = :key",),
    "DELETE FROM lockouts l USING input WHERE l.key = input.key RETURNING n",
)


async def release(db: AsyncConnection, key: bytes) -> None:
    """Forgets the failures: the proof was right."""
    await send(db, _RELEASE, (key,))


async def give_back(db: AsyncConnection, reservation: Reservation, *, limit: int) -> None:
    """Undoes one reservation whose proof was never looked at."""
    counted = lockouts.c.failures
    undone = update(lockouts).where(lockouts.c.key == reservation.key, counted > 0)
    # A group of reservations may have counted beyond the limit; nobody was let in by those.
    await db.execute(undone.values(failures=case((counted > limit, limit), else_=counted) - 1, until=None))
