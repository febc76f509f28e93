"""What a proven password changes: the counter is opened again, the hash renewed, the proof added (S17)."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.record import Origin
from base.statements import Statement
from base.within import run, send
from identity import lockout, passwords
from identity.recovery.recovered import redeem_recovery
from identity.services import Services
from identity.signin.attempt import lock_attempt
from identity.signin.flow import Turn
from identity.signin.password_step import Claimed, ProvenPassword
from identity.signin.proving import add_proof
from identity.values import Proof

_UNCHANGED = Statement(
    "is the password unchanged",
    (("person", "bytea"), ("password", "bytea")),
    (
        "SELECT p.id FROM people p JOIN credentials c ON c.person_id = p.id"
        " WHERE p.id = :person AND p.state = 'active' AND c.id = :password",
    ),
    "SELECT n, p.id FROM input JOIN people p ON p.id = input.person JOIN credentials c ON c.person_id = p.id"
    " WHERE p.state = 'active' AND c.id = input.password",
)
# Whoever sets a password or moves the account writes this row, so one of the two waits; and only a statement after it
# sees what was committed meanwhile.
_HOLD = Statement(
    "hold person",
    (("person", "bytea"),),
    ("SELECT id FROM people WHERE id = :person",),
    "SELECT n, p.id FROM input JOIN people p ON p.id = input.person FOR SHARE OF p",
)


async def complete_signin(
    services: Services, request: Request, flow_digest: bytes, proven: ProvenPassword, *, keep: bool, origin: Origin
) -> Turn | None:
    """Adds the proof and says where the flow goes; None where the step was taken already or the account ended."""
    now = services.clock()
    async with services.database.transaction() as db:
        attempt = await lock_attempt(db, flow_digest, now=now)
        if not await _is_unchanged(db, proven.person):
            return None
        # Also for a step that somebody sent twice: six clicks with the right password must not lock the door.
        await _settle_password(db, services, proven, now=now, origin=origin)
        if attempt is None:
            return None
        person = proven.person
        attempt = replace(attempt, keep=keep)
        proof = Proof("pwd", now)
        trusted = person.trusted_until is not None and person.trusted_until > now
        remembered = Proof("device", now) if trusted and services.settings.remember_device else None
        recovered = await redeem_recovery(db, services, request, person.id, now=now)
        return await add_proof(
            db,
            services,
            request,
            attempt,
            person.standing,
            proof,
            beside=tuple(each for each in (remembered, recovered) if each is not None),
            is_breached=proven.is_breached,
            now=now,
            origin=origin,
        )


async def _is_unchanged(db: AsyncConnection, person: Claimed) -> bool:
    """Whether the account is still active and has still the same password: both may have changed during the hash."""
    await send(db, _HOLD, (person.id,))
    return await run(db, _UNCHANGED, (person.id, person.password_id)) is not None


async def _settle_password(
    db: AsyncConnection, services: Services, proven: ProvenPassword, *, now: datetime, origin: Origin
) -> None:
    person = proven.person
    await lockout.release(db, proven.counter)
    if proven.renewed_hash is not None and person.password_hash is not None:
        await passwords.renew_hash(
            db, services, person.standing.id, old=person.password_hash, new=proven.renewed_hash, now=now, origin=origin
        )
