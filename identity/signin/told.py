"""What a step of a sign-in leaves in the log, and what the person is told of one that was unusual."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOGIN_SUCCEEDED, RISK_CRITICAL, EventType
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity.assessing.notes import note_of, place_fields
from identity.assessing.seen import Assessed
from identity.devices import SeenDevice
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.services import Services
from identity.values import LiveSession, Proof, SigninAttempt
from policy.values import Decision, Effect
from risk.values import CRITICAL_FROM


def proof_event(kind: EventType, attempt: SigninAttempt, proof: Proof, assessed: Assessed, *, origin: Origin) -> Event:
    """Tells that something was proven."""
    actor = show_id(PERSON, attempt.person_id or b"")
    return Event(
        type=kind,
        actor=actor,
        subject=actor,
        person=attempt.person_id,
        client_id=attempt.request.client_id if attempt.request else None,
        session_id=attempt.session_id,
        origin=origin,
        data={"method": proof.method},
        risk=note_of(assessed.assessment),
        place=place_fields(assessed.sighting.place),
    )


def succeeded_event(
    session: LiveSession, device: SeenDevice, client_id: str | None, assessed: Assessed | None, *, origin: Origin
) -> Event:
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
        data={"methods": sorted(session.methods), "new_device": device.is_new},
        risk=note_of(assessed.assessment) if assessed else None,
        place=place_fields(assessed.sighting.place) if assessed else None,
    )


def critical_events(
    attempt: SigninAttempt, decision: Decision | None, assessed: Assessed, *, origin: Origin
) -> list[Event]:
    """Tells, at once and loudly, of a sign-in that looks very much like somebody else's; nothing otherwise."""
    person_id, score = attempt.person_id, assessed.assessment.score
    if person_id is None or score < CRITICAL_FROM:
        return []
    is_denied = decision is not None and decision.effect is Effect.DENY
    event = Event(
        type=RISK_CRITICAL,
        actor=show_id(PERSON, person_id),
        outcome="denied" if is_denied else "success",
        person=person_id,
        client_id=attempt.request.client_id if attempt.request else None,
        session_id=attempt.session_id,
        origin=origin,
        data={"to": score, "threshold": CRITICAL_FROM, "why": "sign_in", "effect": "deny" if is_denied else "step_up"},
        risk=note_of(assessed.assessment),
        place=place_fields(assessed.sighting.place),
    )
    return [event]


async def tell_unusual(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    device: SeenDevice,
    *,
    now: datetime,
    origin: Origin,
) -> None:
    """Writes to the person that this sign-in was unusual, unless they are told of a new device already."""
    if device.is_new and not device.is_first:
        return
    about = {"device": device.id}
    await notify(db, services, person_id, Notice.UNUSUAL_SIGNIN, now=now, origin=origin, about=about)
