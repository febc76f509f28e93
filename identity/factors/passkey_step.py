"""A passkey as a step of a sign-in: as its beginning, by whoever holds it, or as one more proof of a known person.

Whatever does not hold looks the same from outside (S22). Guessing is no way in here, so failures are counted only
after they happened, apart from those of passwords, and close the door late (docs/decisions/0010).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.catalogue import LOCKOUT_STARTED, LOGIN_FAILED, LOGIN_REFUSED, MFA_FAILED, MFA_REFUSED, EventType
from audit.record import Event, Origin
from base.clock import to_seconds
from base.ids import PERSON, show_id
from identity import lockout
from identity.factors.code_step import NotAccepted, find_device_of, is_account_locked
from identity.factors.passkey_store import SIGNING_IN, find_passkey, record_use, spend_challenge
from identity.factors.passkey_values import Answer, Assertion, PasskeyRefused, StoredPasskey, parse_answer
from identity.factors.passkeys import relying_party, verify_assertion
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.services import Services, origin_of
from identity.signin.attempt import save_attempt
from identity.signin.flow import Flow, Turn, load_flow
from identity.signin.proving import add_proof
from identity.signin.state import Prove, SignIn
from identity.standing import find_standing
from identity.values import Proof, Standing
from policy.assurance import PASSKEYS

# NIST SP 800-63B-4 §3.2.2: at most 100 consecutive failures of one authenticator.
MOST_FAILURES = 100


@dataclass(frozen=True, slots=True)
class _Try:
    """One answer in one sign-in: `stored` is the passkey that it names, where there is one."""

    flow: Flow
    origin: Origin
    stored: StoredPasskey | None = None
    device_id: bytes | None = None

    @property
    def begins(self) -> bool:
        """Whether nobody had said before who it is."""
        return isinstance(self.flow.step, SignIn)


def wanted_kinds(flow: Flow) -> frozenset[str]:
    """The kinds of passkey that would do now; empty where the flow waits for something else."""
    if isinstance(flow.step, SignIn):
        return PASSKEYS
    return PASSKEYS & set(flow.step.methods) if isinstance(flow.step, Prove) else frozenset()


def known_person(flow: Flow) -> bytes | None:
    """Whose passkey it must be; None where whoever holds one may begin."""
    return flow.standing.id if isinstance(flow.step, Prove) and flow.standing is not None else None


async def take_passkey(
    services: Services, request: Request, flow: Flow, text: str, *, keep: bool, remember: bool
) -> Turn | NotAccepted | None:
    """Where the sign-in goes after this answer, or that it was not accepted; None where the step was taken already.

    What happened is committed and told. `flow` waits for a passkey, and the form was its own.
    """
    tried = _Try(flow, origin_of(request))
    try:
        answer = parse_answer(text)
        tried = await _find_named(services, request, tried, answer)
        assertion, standing = await _verify(services, tried, answer)
    except PasskeyRefused as refused:
        return await _record_failure(services, tried, refused.reason)
    return await _let_in(services, request, tried, assertion, standing, keep=keep, remember=remember)


async def _find_named(services: Services, request: Request, tried: _Try, answer: Answer) -> _Try:
    """Spends the challenge and finds the passkey; raises PasskeyRefused where either is not what this flow wants."""
    flow, now = tried.flow, services.clock()
    async with services.database.transaction() as db:
        is_ours = await spend_challenge(
            db, SIGNING_IN, answer.challenge, flow.digest, person_id=known_person(flow), now=now
        )
        stored = await find_passkey(db, answer.credential_id)
    if not is_ours:
        raise PasskeyRefused("unknown_challenge")
    if stored is None:
        raise PasskeyRefused("unknown_credential")
    if not tried.begins and stored.person_id != known_person(flow):
        raise PasskeyRefused("other_person")
    if stored.kind not in wanted_kinds(flow):
        raise PasskeyRefused("wrong_kind")
    return replace(tried, stored=stored, device_id=await find_device_of(services, request, stored.person_id))


async def _verify(services: Services, tried: _Try, answer: Answer) -> tuple[Assertion, Standing]:
    stored = tried.stored
    if stored is None:
        raise PasskeyRefused("unknown_credential")
    if await lockout.is_closed(services.database, _counter(services, tried, stored), now=services.clock()):
        raise PasskeyRefused("locked")
    party = relying_party(services.settings)
    # The challenge was found among ours, and spent, by its digest.
    assertion = verify_assertion(
        answer, party, expected_challenge=answer.challenge, stored=stored, is_person_known=not tried.begins
    )
    if not tried.begins and await is_account_locked(services, stored.person_id, tried.device_id):
        raise PasskeyRefused("account_locked")
    standing = await find_standing(services.database, stored.person_id, mail_code=services.settings.has_mail)
    if standing is None or standing.state != "active":
        raise PasskeyRefused("account_not_active")
    return assertion, standing


def _counter(services: Services, tried: _Try, stored: StoredPasskey) -> bytes:
    """The failures of one passkey, apart in a browser where its person signed in before (S24)."""
    where = stored.id + (tried.device_id or b"")
    return lockout.code_key(services.emitter, "passkey", where, None)


async def _let_in(
    services: Services,
    request: Request,
    tried: _Try,
    assertion: Assertion,
    standing: Standing,
    *,
    keep: bool,
    remember: bool,
) -> Turn | NotAccepted | None:
    stored, now, origin = tried.stored, services.clock(), tried.origin
    async with services.database.transaction() as db:
        flow = await load_flow(services, request, now=now, lock_in=db)
        if flow is None or stored is None or not _still_wants(flow, tried, stored):
            return None
        if await record_use(db, services, stored, assertion, now=now, origin=origin):
            await lockout.release(db, _counter(services, tried, stored))
            attempt = replace(flow.attempt, keep=keep) if tried.begins else flow.attempt
            proof = Proof(stored.kind, now)
            remember = remember and not tried.begins
            return await add_proof(
                db,
                services,
                request,
                attempt,
                standing,
                proof,
                begins=tried.begins,
                remember=remember,
                now=now,
                origin=origin,
            )
    return await _record_failure(services, tried, "unknown_credential")


def _still_wants(flow: Flow, tried: _Try, stored: StoredPasskey) -> bool:
    return stored.kind in wanted_kinds(flow) and known_person(flow) == known_person(tried.flow)


async def _record_failure(services: Services, tried: _Try, reason: str) -> NotAccepted:
    now, stored, settings = services.clock(), tried.stored, services.settings
    reservation = None
    if stored is not None and reason not in ("locked", "account_locked"):
        key = _counter(services, tried, stored)
        duration = settings.lockout_duration
        reservation = await lockout.reserve(services.database, key, limit=MOST_FAILURES, duration=duration, now=now)
    async with services.database.transaction() as db:
        await services.emitter.emit(db, _failure_event(tried, reason), now=now)
        if reason == "account_locked":
            await _give_up(db, services, tried)
        if stored is not None and reservation is not None and reservation.locks_until is not None:
            until = reservation.locks_until
            locked = {"failures": reservation.failures, "until": to_seconds(until), "scope": "passkey"}
            await services.emitter.emit(db, _event(tried, LOCKOUT_STARTED, "denied", locked), now=now)
            about = {"until": until}
            await notify(db, services, stored.person_id, Notice.LOCKED, now=now, origin=tried.origin, about=about)
    return NotAccepted(reservation.failures if reservation else 1)


async def _give_up(db: AsyncConnection, services: Services, tried: _Try) -> None:
    """Ends a second step whose account was locked meanwhile: the password before it may have been guessed (S23).

    The person begins anew with the passkey alone, which no lockout of passwords keeps out.
    """
    attempt = tried.flow.attempt
    if attempt.proofs and attempt.session_id is None:
        await save_attempt(db, replace(attempt, proofs=(), person_id=None))


def _failure_event(tried: _Try, reason: str) -> Event:
    is_refused = reason in ("locked", "account_locked")
    outcome = "denied" if is_refused else "failure"
    if tried.begins:
        return _event(tried, LOGIN_REFUSED if is_refused else LOGIN_FAILED, outcome, {"reason": f"passkey_{reason}"})
    method = tried.stored.kind if tried.stored else "passkey"
    return _event(tried, MFA_REFUSED if is_refused else MFA_FAILED, outcome, {"method": method, "reason": reason})


def _event(tried: _Try, kind: EventType, outcome: str, data: Mapping[str, object]) -> Event:
    flow, stored = tried.flow, tried.stored
    person_id = known_person(flow) or (stored.person_id if stored else None)
    subject = show_id(PERSON, person_id) if person_id else None
    return Event(
        type=kind,
        actor=subject if subject and not tried.begins else "anonymous",
        outcome=outcome,
        subject=subject,
        person=person_id,
        client_id=flow.attempt.request.client_id if flow.attempt.request else None,
        device_id=tried.device_id,
        origin=tried.origin,
        data=data,
    )
