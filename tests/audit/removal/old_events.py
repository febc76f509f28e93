"""A log with a past, for tests of what becomes of old events."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from audit.catalogue import LOGIN_SUCCEEDED
from audit.ledger.keeping import LedgerKeeping
from audit.record import Event, Origin
from audit.removal.retention import Retention
from audit.tables import events, segments
from audit.verification.values import LogVerdict
from audit.verification.verify import verify_log
from identity.person_values import Person
from tests.world import World

ADDRESS = "203.0.113.77"


async def fill(world: World, count: int, *, age: timedelta = timedelta(), person: Person | None = None) -> None:
    """Makes the log `count` events long, the new ones that old; numbers and signs them, and publishes that."""
    now = world.clock() - age
    async with world.services.database.transaction() as db:
        held = (await db.execute(select(func.count()).select_from(events))).scalar_one()
        about = None if person is None else person.id
        event = Event(type=LOGIN_SUCCEEDED, actor="usr", person=about, origin=Origin(ADDRESS))
        await world.services.emitter.emit_all(db, [event] * (count - held), now=now)
    await sign(world)


async def sign(world: World) -> None:
    """Numbers what waits, and signs and publishes the log."""
    keeping = LedgerKeeping(world.services.audit)
    await keeping.number()
    await keeping.sign()
    await keeping.stop()


async def clean(world: World, *, rounds: int = 1) -> None:
    """Rounds of retention, one right after the other."""
    retention = Retention(world.services.audit)
    for _ in range(rounds):
        await retention.round()
    await retention.stop()


async def nearly_a_day(world: World) -> None:
    """Lets a day go by with a round each hour; in the next one the clock has been steady for a day."""
    for _ in range(24):
        await clean(world)
        world.clock.move(hours=1)


async def numbers(world: World) -> list[int]:
    """The numbers of the events that are there."""
    async with world.services.database.reading() as db:
        query = select(events.c.seq).where(events.c.seq.is_not(None)).order_by(events.c.seq)
        return list((await db.execute(query)).scalars())


async def removed(world: World) -> list[tuple[int, int, str | None]]:
    """What the database remembers as removed: first, last, archive."""
    async with world.services.database.reading() as db:
        rows = await db.execute(select(segments).order_by(segments.c.first))
        return [(row.first, row.last, row.archive) for row in rows]


async def pruned(world: World) -> list[object]:
    """What the events of clean-ups say."""
    return [event["data"] for event in await world.events("admin.audit_pruned")]


async def verdict(world: World, *checkpoints: Path) -> LogVerdict:
    """What a verification finds, once everything is numbered and signed."""
    await sign(world)
    return await verify_log(world.services.audit, checkpoints=checkpoints)
