"""Events in a world's database, with their numbers."""

from __future__ import annotations

from audit.catalogue import LOGIN_FAILED
from audit.ledger.numbering import make_sequencer
from audit.record import Event, Origin
from tests.world import World


async def number_all(world: World) -> None:
    """Numbers what was emitted so far: a new world has four events."""
    sequencer = make_sequencer(world.services.audit)
    await sequencer.round()
    await sequencer.lease.give_back(world.clock())


async def emit(world: World, count: int, text: str = "wrong_password") -> None:
    """Numbered events of failed sign-ins."""
    origin = Origin("203.0.113.9", text)
    told = [
        Event(type=LOGIN_FAILED, actor="anonymous", outcome="failure", origin=origin, data={"reason": text})
        for _ in range(count)
    ]
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit_all(db, told, now=world.clock())
    await number_all(world)
