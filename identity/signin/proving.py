"""What a proof changes, in one transaction: attempt, session, device, events (S17, S44).

A session begins only when the policy has nothing left to demand; until then the proofs stay on the attempt.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.catalogue import LOGIN_BEGUN, MFA_DEMANDED, MFA_SUCCEEDED
from audit.record import Event, Origin
from base.clock import to_micros, to_seconds
from base.ids import PERSON, show_id
from base.secret_values import COOKIE, new_secret
from base.statements import Statement
from base.within import run_each
from identity import revocation
from identity.assessing.rescoring import tell_renewed, thresholds_of
from identity.assessing.running import Running, find_running
from identity.assessing.seen import Assessed
from identity.assessing.signins import assess_signin, learn_signin, may_learn, was_breached
from identity.device_clones import end_cloned
from identity.devices import SeenDevice, read_device, remember_device, see_device
from identity.services import Services
from identity.sessions import OpenedSession, find_live, renew_session, start_session
from identity.signin.attempt import save_attempt
from identity.signin.facts import facts_of
from identity.signin.flow import Turn, take_turn
from identity.signin.next_step import PRIMARY, weigh
from identity.signin.state import Issue
from identity.signin.told import (
    critical_events,
    new_country,
    new_country_event,
    proof_event,
    succeeded_event,
    tell_person,
)
from identity.signin.whence import whence_of
from identity.tables import people
from identity.values import LiveSession, Proof, SigninAttempt, Standing
from policy.values import Decision, Effect, Obligation
from risk.values import CRITICAL_FROM

# Whoever revokes everything of the person, or sets a password, writes this row, too.
_NOT_BEFORE = Statement(
    "from when on proofs count",
    (("person", "bytea"),),
    ("SELECT not_before FROM people WHERE id = :person AND state = 'active'",),
    "SELECT n, not_before FROM input JOIN people p ON p.id = input.person WHERE state = 'active' FOR SHARE OF p",
)
_PASSWORD_SET_AT = Statement(
    "when the password was set",
    (("person", "bytea"),),
    ("SELECT created_at FROM credentials WHERE person_id = :person AND kind = 'password'",),
    "SELECT n, c.created_at FROM input JOIN credentials c ON c.person_id = input.person WHERE c.kind = 'password'",
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a sign-in: what is proven with it, by whom, in which live session, and how sure we are. `running` is
    what was known of that session before."""

    attempt: SigninAttempt
    session: LiveSession | None
    standing: Standing
    assessed: Assessed
    now: datetime
    origin: Origin
    running: Running | None = None


async def add_proof(
    db: AsyncConnection,
    services: Services,
    request: Request,
    attempt: SigninAttempt,
    standing: Standing,
    proof: Proof,
    *,
    begins: bool | None = None,
    beside: tuple[Proof, ...] = (),
    remember: bool = False,
    pause: bool = False,
    is_breached: bool = False,
    now: datetime,
    origin: Origin,
) -> Turn | None:
    """Where the flow goes after this proof; None where the account ended, or everything of it was revoked meanwhile.

    The caller holds the attempt (`load_flow(…, lock_in=db)`) and has checked and spent the proof in this transaction.
    Before the policy's demands are met the attempt goes on under a new flow cookie; then the session begins, or the
    live one goes on under a new cookie. `begins`: the proof is a new beginning, as a password always is and a
    passkey unless it was asked for as one more step. `beside` goes with a password: the browser is remembered, or a
    recovery ended in it just now. `remember`: the browser counts as a second factor for a while. `pause`: the flow is
    not finished, so that a page can be shown in between; the person goes on at /signin. `is_breached`: the password is
    known from a breach.
    """
    attempt, session = replace(attempt, whence=whence_of(services, request)), await find_live(services, request)
    begins = proof.method in PRIMARY if begins is None else begins
    made = (proof, *beside)
    is_breached = is_breached or (not begins and was_breached(attempt))
    moved = await _move(db, attempt, session, standing, made, begins=begins, now=now)
    if moved is None:
        return None
    was_critical = not begins and attempt.assessment is not None and attempt.assessment.score >= CRITICAL_FROM
    # Before anything is learned of it, and anew at each step: what is known around it may have changed meanwhile.
    assessed = await _assess(db, services, request, moved, standing, is_breached=is_breached, now=now, origin=origin)
    attempt = replace(moved, assessment=assessed.assessment)
    decision = _decide(services, attempt, session, standing, now=now)
    attempt = replace(attempt, decision=decision)
    step = _Step(attempt, session, standing, assessed, now, origin)
    proven = proof_event(LOGIN_BEGUN if begins else MFA_SUCCEEDED, attempt, proof, assessed, origin=origin)
    told = [] if was_critical else critical_events(attempt, decision, assessed, origin=origin)
    told += [] if begins else [proven]
    if decision is None or _is_pending(decision):
        told += [proven] if begins else []
        await services.emitter.emit_all(db, told, now=now)
        return await take_turn(
            db, services, attempt, session, new_cookie=new_secret(COOKIE), standing=standing, now=now, origin=origin
        )
    return await _admit(db, services, request, step, decision, told=told, remember=remember, pause=pause)


async def _assess(
    db: AsyncConnection,
    services: Services,
    request: Request,
    attempt: SigninAttempt,
    standing: Standing,
    *,
    is_breached: bool,
    now: datetime,
    origin: Origin,
) -> Assessed:
    """How sure we are, before anything is learned of this step; a device whose cookie was copied ends at once."""
    assessed = await assess_signin(
        services, request, standing.id, session_id=attempt.session_id, is_breached=is_breached, now=now
    )
    if assessed.sighting.is_cloned:
        await end_cloned(db, services, read_device(request, services) or b"", now=now, origin=origin)
    return assessed


async def _admit(
    db: AsyncConnection,
    services: Services,
    request: Request,
    step: _Step,
    decision: Decision,
    *,
    told: list[Event],
    remember: bool,
    pause: bool,
) -> Turn | None:
    """The session begins or goes on: nothing is left to demand."""
    standing, now, origin = step.standing, step.now, step.origin
    await _start_grace(db, services, standing, decision, now=now)
    if step.session is not None:
        step = replace(step, running=await find_running(services, step.session.id, now=now))
    found = await _open(db, services, request, step, told=told)
    if found is None:
        return None
    opened, device = found
    country = new_country(step.assessed, device) if step.attempt.session_id is None else None
    if country:
        told.append(new_country_event(opened.session, device, step.assessed, origin=origin))
    is_unusual = Obligation("notify") in decision.obligations and not _was_told(services, step)
    await tell_person(db, services, standing.id, device, country=country, is_unusual=is_unusual, now=now, origin=origin)
    if remember and services.settings.remember_device:
        device = await remember_device(db, services, standing.id, device, told=told, now=now, origin=origin)
    await services.emitter.emit_all(db, told, now=now)
    attempt = replace(step.attempt, session_id=opened.session.id)
    turn = await _go_on(db, services, attempt, opened.session, standing, pause=pause, now=now, origin=origin)
    return replace(turn, session_cookie=opened.cookie, device_cookie=device.cookie, keeps_session=opened.session.keep)


def _was_told(services: Services, step: _Step) -> bool:
    """Whether the session was as unusual when something was last proven in it: of that there was a letter."""
    seen, request = step.running.seen if step.running else None, step.attempt.request
    if seen is None or step.attempt.session_id is None:
        return False
    return seen.proven_at >= thresholds_of(services, (request.client_id,) if request else ()).notice


async def _move(
    db: AsyncConnection,
    attempt: SigninAttempt,
    session: LiveSession | None,
    standing: Standing,
    made: tuple[Proof, ...],
    *,
    begins: bool,
    now: datetime,
) -> SigninAttempt | None:
    """The attempt with what was proven now; None where the account, or what was proven before, counts no more."""
    moved = _with(attempt, session, standing, made, begins=begins, now=now)
    # Whoever checked a password holds the person's row already, and a new beginning rests on nothing older.
    if moved is None or (made[0].method != "pwd" and not await _is_valid(db, moved, standing)):
        return None
    return moved


def _with(
    attempt: SigninAttempt,
    session: LiveSession | None,
    standing: Standing,
    made: tuple[Proof, ...],
    *,
    begins: bool,
    now: datetime,
) -> SigninAttempt | None:
    """The attempt with what was proven now; None where a further step finds nothing of its person to add to (I2)."""
    if begins:
        # What was proven before, perhaps by somebody else, belongs to a beginning that was given up (S17).
        return replace(attempt, person_id=standing.id, session_id=None, proofs=made, consented=False, put_off=False)
    evidence = weigh(attempt, session, now)
    if evidence.person_id != standing.id:
        return None
    if evidence.session is None:
        return replace(attempt, proofs=(*attempt.proofs, *made))
    # A step up within the live session.
    own = attempt.proofs if attempt.session_id == evidence.session.id else ()
    return replace(attempt, person_id=standing.id, session_id=evidence.session.id, proofs=(*own, *made))


async def _is_valid(db: AsyncConnection, attempt: SigninAttempt, standing: Standing) -> bool:
    # A statement of its own: it must see what was committed while the one before waited.
    asked = (_NOT_BEFORE, _PASSWORD_SET_AT) if attempt.session_id is None else (_NOT_BEFORE,)
    person, *password = await run_each(db, *((statement, (standing.id,)) for statement in asked))
    if not person:
        return False
    ended = [cast(int, row[0]) for rows in (person, *password) for row in rows[:1] if row[0] is not None]
    return all(to_micros(proof.at) >= max(ended, default=0) for proof in attempt.proofs)


def _decide(
    services: Services, attempt: SigninAttempt, session: LiveSession | None, standing: Standing, *, now: datetime
) -> Decision | None:
    evidence = weigh(attempt, session, now)
    return services.decide(facts_of(services, attempt, standing, evidence, now)) if evidence.methods else None


def _is_pending(decision: Decision) -> bool:
    """Whether no session may begin yet: denied, or something must still be done first."""
    if decision.effect is not Effect.ALLOW:
        return True
    return any(obligation.kind in ("prove", "enrol") for obligation in decision.obligations)


async def _open(
    db: AsyncConnection, services: Services, request: Request, step: _Step, *, told: list[Event]
) -> tuple[OpenedSession, SeenDevice] | None:
    """The session that the proofs lead to; None where they were to add to one that has ended meanwhile."""
    attempt, standing, session, now, origin = step.attempt, step.standing, step.session, step.now, step.origin
    sighting = step.assessed.sighting
    device = await see_device(db, services, standing.id, request, told=told, sighting=sighting, now=now, origin=origin)
    opened, anew = None, attempt.session_id is None
    if session is not None and session.person_id == standing.id:
        opened = await _renew(db, services, step, session, device, anew=anew)
        if opened is None and not anew:
            return None
    elif session is not None:
        # One browser, one person.
        actor = show_id(PERSON, session.person_id)
        why = "another_person"
        await revocation.end_session(db, services, session.id, why=why, now=now, actor=actor, origin=origin)
    if opened is None:
        opened = await _start(db, services, step, device, told=told)
    if anew:
        told.append(succeeded_event(opened.session, device, attempt, step.assessed, origin=origin))
    if may_learn(attempt):
        await learn_signin(db, services, standing.id, step.assessed, device.id, now=now)
    return opened, device


async def _renew(
    db: AsyncConnection, services: Services, step: _Step, session: LiveSession, device: SeenDevice, *, anew: bool
) -> OpenedSession | None:
    attempt, assessed, now = step.attempt, step.assessed, step.now
    proofs = attempt.proofs if anew else tuple(proof for proof in attempt.proofs if proof not in session.proofs)
    session = replace(session, keep=attempt.keep) if anew else session
    opened = await renew_session(
        db, services, session, device_id=device.id, proofs=proofs, assessed=assessed, anew=anew, now=now
    )
    if opened is not None and step.running is not None:
        await tell_renewed(db, services, step.running, assessed.assessment.score, now=now)
    return opened


async def _start(
    db: AsyncConnection, services: Services, step: _Step, device: SeenDevice, *, told: list[Event]
) -> OpenedSession:
    """A new session; those that were used longest ago end where the deployment allows no more beside it."""
    attempt, standing, now, origin = step.attempt, step.standing, step.now, step.origin
    keep, most = attempt.keep and bool(services.settings.session_keep), services.settings.session_most
    opened = await start_session(
        db,
        services,
        standing,
        device_id=device.id,
        proofs=attempt.proofs,
        assessed=step.assessed,
        told=told,
        keep=keep,
        now=now,
        origin=origin,
    )
    if most:
        await revocation.end_oldest_sessions(
            db, services, standing.id, most=most, now=now, actor="system", origin=origin
        )
    return opened


async def _start_grace(
    db: AsyncConnection, services: Services, standing: Standing, decision: Decision, *, now: datetime
) -> None:
    """From now on an enrolment that is offered may be put off, and not for ever."""
    is_offered = any(obligation.kind == "offer" for obligation in decision.obligations)
    if is_offered and standing.enrol_due_at is None:
        due = now + services.settings.enrol_grace
        # Sign-ins that run side by side all hold the row; where one would wait for the other, the next sign-in does it.
        free = select(people.c.id).where(people.c.id == standing.id).with_for_update(skip_locked=True)
        unset = update(people).where(people.c.id.in_(free), people.c.enrol_due_at.is_(None))
        if (await db.execute(unset.values(enrol_due_at=due).returning(people.c.id))).first() is not None:
            actor = show_id(PERSON, standing.id)
            data = {"due_at": to_seconds(due)}
            event = Event(type=MFA_DEMANDED, actor="system", subject=actor, person=standing.id, data=data)
            await services.emitter.emit(db, event, now=now)


async def _go_on(
    db: AsyncConnection,
    services: Services,
    attempt: SigninAttempt,
    session: LiveSession,
    standing: Standing,
    *,
    pause: bool,
    now: datetime,
    origin: Origin,
) -> Turn:
    cookie = new_secret(COOKIE)
    if pause:
        turn = Turn(Issue(), flow_cookie=cookie) if await save_attempt(db, attempt, flow_cookie=cookie) else None
    else:
        turn = await take_turn(
            db, services, attempt, session, new_cookie=cookie, standing=standing, now=now, origin=origin
        )
    if turn is None:
        raise RuntimeError("an attempt that this transaction holds must be there to save")
    return turn
