"""What a proven password changes, in one transaction: session, device, attempt, counter, events (S17)."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.catalogue import LOGIN_SUCCEEDED
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from base.secret_values import COOKIE, new_secret
from identity import lockout, passwords, revocation
from identity.devices import SeenDevice, see_device
from identity.services import Services
from identity.sessions import OpenedSession, find_live, renew_session, start_session
from identity.signin.attempt import lock_attempt
from identity.signin.flow import Turn, take_turn
from identity.signin.password_step import Claimed, ProvenPassword
from identity.tables import credentials, people
from identity.values import LiveSession, Proof, SigninAttempt
from policy.values import Effect, SigninFacts

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
    services: Services, request: Request, flow_digest: bytes, proven: ProvenPassword, *, origin: Origin
) -> Turn | None:
    """Signs the person in and says where the flow goes; None where the step was taken already or the account ended."""
    now = services.clock()
    async with services.database.transaction() as db:
        attempt = await lock_attempt(db, flow_digest, now=now)
        if not await _is_unchanged(db, proven.person):
            return None
        # Also for a step that somebody sent twice: six clicks with the right password must not lock the door.
        await _settle_password(db, services, proven, now=now, origin=origin)
        if attempt is None:
            return None
        proof = Proof("pwd", now)
        decision = services.decide(SigninFacts(proven.person.state, frozenset({proof.method})))
        attempt = replace(attempt, person_id=proven.person.id, proofs=(*attempt.proofs, proof), decision=decision)
        if decision.effect is not Effect.ALLOW:
            return await take_turn(db, services, attempt, None, now=now, origin=origin)
        return await _let_in(
            db, services, request, attempt=attempt, person=proven.person, proof=proof, now=now, origin=origin
        )


async def _is_unchanged(db: AsyncConnection, person: Claimed) -> bool:
    """Whether the account is still active and has still the same password: both may have changed during the hash."""
    values = {"person": person.id, "password_hash": person.password_hash}
    return (await db.execute(_UNCHANGED, values)).first() is not None


async def _settle_password(
    db: AsyncConnection, services: Services, proven: ProvenPassword, *, now: datetime, origin: Origin
) -> None:
    person = proven.person
    await lockout.release(db, proven.counter)
    if proven.renewed_hash is not None and person.password_hash is not None:
        await passwords.renew_hash(
            db, services, person.id, old=person.password_hash, new=proven.renewed_hash, now=now, origin=origin
        )


async def _let_in(
    db: AsyncConnection,
    services: Services,
    request: Request,
    *,
    attempt: SigninAttempt,
    person: Claimed,
    proof: Proof,
    now: datetime,
    origin: Origin,
) -> Turn | None:
    told: list[Event] = []
    device = await see_device(db, services, person.id, request, told=told, now=now, origin=origin)
    opened = await open_session(
        db, services, request, person.id, sub=person.sub, device=device, proof=proof, told=told, now=now, origin=origin
    )
    attempt = replace(attempt, session_id=opened.session.id)
    client_id = attempt.request.client_id if attempt.request else None
    told.append(succeeded_event(opened.session, device, client_id, origin=origin))
    await services.emitter.emit_all(db, told, now=now)
    turn = await take_turn(db, services, attempt, opened.session, new_cookie=new_secret(COOKIE), now=now, origin=origin)
    if turn is None:
        raise RuntimeError("an attempt that this transaction holds must be there to save")
    return replace(turn, session_cookie=opened.cookie, device_cookie=device.cookie)


def succeeded_event(session: LiveSession, device: SeenDevice, client_id: str | None, *, origin: Origin) -> Event:
    """Tells that a person signed in."""
    actor = show_id(PERSON, session.person_id)
    return Event(
        type=LOGIN_SUCCEEDED,
        actor=actor,
        subject=actor,
        person=session.person_id,
        client_id=client_id,
        session_id=session.id,
        device_id=device.id,
        origin=origin,
        data={"methods": sorted({proof.method for proof in session.proofs}), "new_device": device.is_new},
    )


async def open_session(
    db: AsyncConnection,
    services: Services,
    request: Request,
    person_id: bytes,
    *,
    sub: str,
    device: SeenDevice,
    proof: Proof,
    told: list[Event],
    now: datetime,
    origin: Origin,
) -> OpenedSession:
    """The session of a person who has just signed in: this browser's own under a new cookie, or a new one.

    A session of another person in this browser ends: one browser, one person.
    """
    current = await find_live(services, request)
    if current is not None and current.person_id == person_id:
        renewed = await renew_session(db, services, current, device_id=device.id, proofs=(proof,), now=now)
        if renewed is not None:
            return renewed
    elif current is not None:
        actor = show_id(PERSON, current.person_id)
        await revocation.end_session(
            db, services, current.id, why="another_person", now=now, actor=actor, origin=origin
        )
    return await start_session(
        db, services, person_id, sub=sub, device_id=device.id, proofs=(proof,), told=told, now=now, origin=origin
    )
