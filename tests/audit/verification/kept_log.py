"""A log as a deployment keeps it: many people's events, numbered, with checkpoints in the database and outside.

A part of the sign-ins was assessed, or decided by policies, and of some events only the place is known: bodies of all
versions stand in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from audit.catalogue import LOGIN_FAILED, LOGIN_SUCCEEDED, LOGOUT_SUCCEEDED, SESSION_STARTED
from audit.ledger.keeping import LedgerKeeping
from audit.record import Event, Origin, RiskNote
from audit.services import AuditServices
from audit.verification.values import LogVerdict
from audit.verification.verify import verify_log
from base.ids import PERSON, show_id
from identity.person_values import Person
from tests.world import World

# The sizes that checkpoints cover; what is behind the last one is covered by none.
COVERED = (100, 257, 430, 600)
SIZE = 640
_PLACE: dict[str, str | int | float] = {
    "country": "TR",
    "city": "Ankara",
    "latitude": 39.92,
    "longitude": 32.85,
    "asn": 64500,
}
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class KeptLog:
    """The log, and the people whom it is about."""

    world: World
    people: list[Person]

    @property
    def audit(self) -> AuditServices:
        """The rooms' services."""
        return self.world.services.audit

    async def verify(self) -> LogVerdict:
        """The verdict over it as it is now."""
        return await verify_log(self.audit)


async def keep_log(world: World, *, people: int = 5, sizes: tuple[int, ...] = COVERED, size: int = SIZE) -> KeptLog:
    """Fills the world's log up to `size` events, with a checkpoint at each of `sizes`."""
    log = KeptLog(world, [await world.person(f"person{number}", password=None) for number in range(people)])
    keeping, draw = LedgerKeeping(log.audit), Random(7)
    await keeping.number()
    # A first start leaves events of its own.
    written = len(await world.events())
    for end in (*sizes, size):
        told = [_event(draw, log.people) for _ in range(end - written)]
        async with world.services.database.transaction() as db:
            await world.services.emitter.emit_all(db, told, now=world.clock())
        written = end
        await keeping.number()
        if end != size:
            # A checkpoint is due every minute.
            world.clock.move(seconds=61)
            await keeping.number()
            await keeping.sign()
    return log


def _event(draw: Random, people: list[Person]) -> Event:
    kind = draw.choice((LOGIN_SUCCEEDED, LOGIN_FAILED, LOGOUT_SUCCEEDED, SESSION_STARTED))
    who = draw.choice((*people, None))
    origin = Origin(f"203.0.113.{draw.randrange(250)}", _AGENT, f"request-{draw.randrange(10**6)}")
    return Event(
        type=kind,
        actor=show_id(PERSON, who.id) if who else "anonymous",
        subject=show_id(PERSON, who.id) if who else None,
        person=who.id if who else None,
        outcome="failure" if kind is LOGIN_FAILED else "success",
        client_id=draw.choice(("cli_shop", None)),
        session_id=draw.randbytes(16) if kind is SESSION_STARTED else None,
        device_id=draw.randbytes(16) if who else None,
        origin=draw.choice((origin, Origin())),
        data={"reason": "password"} if kind is LOGIN_FAILED else {},
        risk=_risk(draw) if kind is LOGIN_SUCCEEDED and draw.random() < 0.7 else None,
        place=draw.choice((_PLACE, None)),
        policy_revision=draw.choice((None, 3)) if kind is LOGIN_SUCCEEDED else None,
    )


def _risk(draw: Random) -> RiskNote:
    score = draw.randrange(101)
    reason = {"signal": "device.new", "log_odds": 1.25, "points": score, "detail": {"browser": "Firefox"}}
    return RiskNote(score=score, level="low", calibration="shipped", log_odds=score / 16, reasons=(reason,))
