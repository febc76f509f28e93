"""What a proven password changes: the counter is opened again, the hash renewed, the proof added (S17)."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.record import Origin
from identity import lockout, passwords
from identity.services import Services
from identity.signin.attempt import lock_attempt
from identity.signin.flow import Turn
from identity.signin.password_step import Claimed, ProvenPassword
from identity.signin.proving import add_proof
from identity.tables import credentials, people
from identity.values import Proof

# Put together once: every sign-in asks it.
_UNCHANGED = (
    select(people.c.id)
    .join(credentials, credentials.c.person_id == people.c.id)
    .where(
        people.c.id == bindparam("person"),
        people.c.state == "active",
        credentials.c.kind == "password",
        credentials.c.hash == bindparam("password_hash"),
    )
    .with_for_update(read=True)
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
        return await add_proof(
            db, services, request, attempt, person.standing, proof, beside=remembered, now=now, origin=origin
        )


async def _is_unchanged(db: AsyncConnection, person: Claimed) -> bool:
    """Whether the account is still active and has still the same password: both may have changed during the hash."""
    values = {"person": person.standing.id, "password_hash": person.password_hash}
    return (await db.execute(_UNCHANGED, values)).first() is not None


async def _settle_password(
    db: AsyncConnection, services: Services, proven: ProvenPassword, *, now: datetime, origin: Origin
) -> None:
    person = proven.person
    await lockout.release(db, proven.counter)
    if proven.renewed_hash is not None and person.password_hash is not None:
        await passwords.renew_hash(
            db, services, person.standing.id, old=person.password_hash, new=proven.renewed_hash, now=now, origin=origin
        )
