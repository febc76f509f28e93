"""A typed code as a step of a sign-in, of whatever kind: counted before it is looked at, told, slowed (S17, S23, S25).

Each kind has a counter of its own, which a new sign-in does not reset. Refusals look the same, whatever was wrong.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.catalogue import LOCKOUT_STARTED, MFA_REFUSED, EventType
from audit.record import Event, Origin
from base.clock import to_seconds
from base.ids import PERSON, show_id
from base.statements import Statement
from identity import lockout
from identity.assessing.signins import note_failure
from identity.devices import read_device
from identity.lockout import Reservation
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.services import Services, origin_of
from identity.signin.attempt import save_attempt
from identity.signin.flow import Flow, Turn, load_flow
from identity.signin.proving import add_proof
from identity.signin.state import Prove
from identity.values import Proof, SigninAttempt, Standing

# Says why a code is not accepted; None where it is, and then it was spent in this transaction.
Look = Callable[[AsyncConnection, Services, SigninAttempt, Standing, str, datetime, Origin], Awaitable[str | None]]

_FIND_DEVICE = Statement(
    "find device of a person",
    (("person", "bytea"), ("device", "bytea")),
    ("SELECT id FROM devices WHERE person_id = :person AND cookie_digest = :device AND revoked_at IS NULL",),
    "SELECT n, id FROM input JOIN devices d ON d.person_id = input.person AND d.cookie_digest = input.device"
    " WHERE d.revoked_at IS NULL",
)


# Wrong codes in a row after which a method is closed until an administrator opens it (NIST SP 800-63B-4 §3.2.2): five
# every quarter of an hour would find a code of six digits one day.
MOST_IN_ALL = 100
YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class CodeKind:
    """A kind of code: its method, the event of a failure, and who looks at one."""

    method: str
    failed: EventType
    look: Look


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """The code was not accepted; the more failures there were, the later that is answered."""

    failures: int


@dataclass(frozen=True, slots=True)
class _Try:
    """One code of one sign-in."""

    kind: CodeKind
    standing: Standing
    device_id: bytes | None
    origin: Origin


class StepVoid(Exception):
    """The account or the session ended meanwhile: the code is not spent, for nothing came of it."""


async def take_code(
    services: Services, request: Request, kind: CodeKind, standing: Standing, typed: str, *, remember: bool
) -> Turn | NotAccepted | None:
    """Where the sign-in goes after this code, or that it was not accepted; None where the step was taken already.

    What happened is committed and told.
    """
    device_id = await find_device_of(services, request, standing.id)
    tried = _Try(kind, standing, device_id, origin_of(request))
    if await is_account_locked(services, standing.id, device_id):
        await _give_up(services, request, tried)
        return NotAccepted(services.settings.lockout_failures)
    try:
        return await _look(services, request, tried, typed, remember=remember)
    except StepVoid:
        return None


async def find_device_of(services: Services, request: Request, person_id: bytes) -> bytes | None:
    """The person's device behind the browser's cookie, or None."""
    cookie_digest = read_device(request, services)
    if cookie_digest is None:
        return None
    row = await services.database.find(_FIND_DEVICE, (person_id, cookie_digest))
    return None if row is None else cast(bytes, row[0])


async def is_account_locked(services: Services, person_id: bytes, device_id: bytes | None) -> bool:
    """Whether the door that this browser's wrong passwords knock at is closed (S23, S24)."""
    emitter = services.emitter
    key = lockout.device_key(emitter, device_id) if device_id else lockout.person_key(emitter, person_id)
    return await lockout.is_closed(services.database, key, now=services.clock())


async def _look(
    services: Services, request: Request, tried: _Try, typed: str, *, remember: bool
) -> Turn | NotAccepted | None:
    """Counts, looks and settles in one transaction: whoever tries the same counter waits for its end (S23)."""
    now, origin, settings = services.clock(), tried.origin, services.settings
    limit, duration = settings.lockout_failures, settings.lockout_duration
    async with services.database.transaction() as db:
        flow = await load_flow(services, request, now=now, lock_in=db)
        if flow is None or flow.standing is None or not is_asked(flow, tried.kind.method):
            # Somebody sent the step twice: impatient clicks must not lock the door.
            return None
        key = lockout.code_key(services.emitter, tried.kind.method, tried.standing.id, tried.device_id)
        reservation = await lockout.reserve_within(db, key, limit=limit, duration=duration, now=now)
        in_all = lockout.all_codes_key(services.emitter, tried.kind.method, tried.standing.id)
        if reservation is not None:
            place = await lockout.reserve_within(db, in_all, limit=MOST_IN_ALL, duration=YEAR, kept=True, now=now)
            reservation = place if place is None or place.locks_until is not None else reservation
        if reservation is None:
            data = {"method": tried.kind.method, "reason": "locked"}
            await services.emitter.emit(db, _event(tried, MFA_REFUSED, "denied", data), now=now)
            return NotAccepted(limit)
        reason = await tried.kind.look(db, services, flow.attempt, flow.standing, typed, now, origin)
        if reason is not None:
            await _record_failure(db, services, tried, reservation, reason, now=now)
            return NotAccepted(reservation.failures)
        await lockout.release(db, key)
        await lockout.release(db, in_all)
        proof = Proof(tried.kind.method, now)
        turn = await add_proof(
            db, services, request, flow.attempt, flow.standing, proof, remember=remember, now=now, origin=origin
        )
        if turn is None:
            raise StepVoid
        return turn


def is_asked(flow: Flow, method: str) -> bool:
    """Whether the flow waits for a proof of this method."""
    return isinstance(flow.step, Prove) and method in flow.step.methods


async def _record_failure(
    db: AsyncConnection, services: Services, tried: _Try, reservation: Reservation, reason: str, *, now: datetime
) -> None:
    data = {"method": tried.kind.method, "reason": reason}
    public = tried.kind.failed.public
    told = {name: value for name, value in data.items() if name in public}
    events = [_event(tried, tried.kind.failed, "failure", told)]
    until = reservation.locks_until
    if until is not None:
        locked = {"failures": reservation.failures, "until": to_seconds(until), "scope": tried.kind.method}
        events.append(_event(tried, LOCKOUT_STARTED, "denied", locked))
    await services.emitter.emit_all(db, events, now=now)
    await note_failure(db, services, tried.origin, tried.standing.id, now=now)
    if until is not None:
        about = {"until": until}
        await notify(db, services, tried.standing.id, Notice.LOCKED, now=now, origin=tried.origin, about=about)


async def _give_up(services: Services, request: Request, tried: _Try) -> None:
    """Ends the pending step, since the account was locked: what was proven in this sign-in counts no more (S23).

    A session that is alive goes on; a step up within it is refused as long as the door is closed (S18).
    """
    now = services.clock()
    data = {"method": tried.kind.method, "reason": "account_locked"}
    async with services.database.transaction() as db:
        flow = await load_flow(services, request, now=now, lock_in=db)
        if flow is not None and flow.attempt.proofs and flow.attempt.session_id is None:
            await save_attempt(db, replace(flow.attempt, proofs=(), person_id=None))
        await services.emitter.emit(db, _event(tried, MFA_REFUSED, "denied", data), now=now)


def _event(tried: _Try, kind: EventType, outcome: str, data: Mapping[str, object]) -> Event:
    person_id = tried.standing.id
    actor = show_id(PERSON, person_id)
    return Event(
        type=kind,
        actor=actor,
        outcome=outcome,
        subject=actor,
        person=person_id,
        device_id=tried.device_id,
        origin=tried.origin,
        data=data,
    )
