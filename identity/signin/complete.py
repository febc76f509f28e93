"""What a proven password changes, in one transaction: session, device, attempt, counter, events (S17)."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
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
from identity.signin.attempt import find_attempt, save_attempt
from identity.signin.flow import Turn, take_turn
from identity.signin.password_step import Account, ProvenPassword
from identity.tables import people
from identity.values import Proof, SigninAttempt
from policy.values import Effect, SigninFacts


async def complete_signin(
    services: Services, request: Request, flow_digest: bytes, proven: ProvenPassword, *, origin: Origin
) -> Turn | None:
    """Signs the person in and says where the flow goes; None where the step was taken already or the account ended."""
    now = services.clock()
    async with services.database.transaction() as db:
        attempt = await find_attempt(db, flow_digest, now=now)
        if attempt is None or not await _is_active(db, proven.account):
            return None
        proof = Proof("pwd", now)
        decision = services.decide(SigninFacts(proven.account.state, frozenset({proof.method})))
        await _settle_password(db, services, proven, now=now, origin=origin)
        attempt = replace(attempt, person_id=proven.account.person_id, proofs=(*attempt.proofs, proof), decision=decision)
        if decision.effect is not Effect.ALLOW:
            return await take_turn(db, services, attempt, None, now=now, origin=origin)
        return await _let_in(db, services, request, attempt, proven.account, proof, now=now, origin=origin)


async def _is_active(db: AsyncConnection, account: Account) -> bool:
    """Whether the account is still active and has still the same password: both may have changed during the hash."""
    assert account.person_id is not None
    state = (await db.execute(select(people.c.state).where(people.c.id == account.person_id))).scalar_one_or_none()
    return state == "active" and await passwords.find_hash(db, account.person_id) == account.password_hash


async def _settle_password(
    db: AsyncConnection, services: Services, proven: ProvenPassword, *, now: datetime, origin: Origin
) -> None:
    account = proven.account
    await lockout.release(db, account.counter)
    if proven.renewed_hash is not None and account.password_hash is not None and account.person_id is not None:
        await passwords.renew_hash(
            db, services, account.person_id, old=account.password_hash, new=proven.renewed_hash, now=now, origin=origin
        )


async def _let_in(
    db: AsyncConnection,
    services: Services,
    request: Request,
    attempt: SigninAttempt,
    account: Account,
    proof: Proof,
    *,
    now: datetime,
    origin: Origin,
) -> Turn | None:
    assert account.person_id is not None
    device = await see_device(db, services, account.person_id, request, now=now, origin=origin)
    opened = await open_session(
        db, services, request, account.person_id, sub=account.sub, device=device, proof=proof, now=now, origin=origin
    )
    flow_cookie = new_secret(COOKIE)
    attempt = replace(attempt, session_id=opened.session.id)
    if not await save_attempt(db, attempt, flow_cookie=flow_cookie):
        raise RuntimeError("an attempt that this transaction has just read must be there to save")
    actor = show_id(PERSON, account.person_id)
    event = Event(
        type=LOGIN_SUCCEEDED,
        actor=actor,
        subject=actor,
        person=account.person_id,
        client_id=attempt.request.client_id if attempt.request else None,
        session_id=opened.session.id,
        device_id=device.id,
        origin=origin,
        data={"methods": [proof.method], "new_device": device.is_new},
    )
    await services.emitter.emit(db, event, now=now)
    saved = replace(attempt, version=attempt.version + 1)
    turn = await take_turn(db, services, saved, opened.session, now=now, origin=origin)
    if turn is None:
        return None
    return replace(
        turn,
        flow_cookie=None if turn.ends_flow else flow_cookie,
        session_cookie=opened.cookie,
        device_cookie=device.cookie,
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
    now: datetime,
    origin: Origin,
) -> OpenedSession:
    """The session of a person who has just signed in: this browser's own under a new cookie, or a new one.

    A session of another person in this browser ends: one browser, one person.
    """
    current = await find_live(db, services, request)
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
        db, services, person_id, sub=sub, device_id=device.id, proofs=(proof,), now=now, origin=origin
    )
