"""What a step of a sign-in leaves in the log, and what the person is told of one that was unusual."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOGIN_NEW_COUNTRY, LOGIN_SUCCEEDED, POLICY_FAILED, RISK_CRITICAL, EventType
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity.assessing.notes import note_of, place_fields
from identity.assessing.seen import Assessed
from identity.devices import SeenDevice
from identity.mail.letter_values import Fact, Notice
from identity.mail.notices import notify
from identity.services import Services
from identity.values import LiveSession, Proof, SigninAttempt
from policy.signin_question import ACTION
from policy.values import POLICY_ERROR, Decision, Effect
from risk.values import CRITICAL_FROM


def revision_of(attempt: SigninAttempt | None) -> int | None:
    """The set of policies that decided about the attempt last, where one did."""
    return (attempt.decision.revision or None) if attempt is not None and attempt.decision is not None else None


def failed_event(attempt: SigninAttempt, *, origin: Origin) -> Event | None:
    """Tells, at once and loudly, of policies that failed instead of deciding about the attempt (S41)."""
    if attempt.decision is None or POLICY_ERROR not in attempt.decision.reasons:
        return None
    return Event(
        type=POLICY_FAILED,
        actor="system",
        outcome="failure",
        person=attempt.person_id,
        client_id=attempt.request.client_id if attempt.request else None,
        origin=origin,
        data={"action": ACTION},
        policy_revision=revision_of(attempt),
    )


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
        policy_revision=revision_of(attempt),
    )


def succeeded_event(
    session: LiveSession, device: SeenDevice, attempt: SigninAttempt, assessed: Assessed | None, *, origin: Origin
) -> Event:
    """Tells that a person signed in."""
    actor = show_id(PERSON, session.person_id)
    return Event(
        type=LOGIN_SUCCEEDED,
        actor=actor,
        subject=actor,
        person=session.person_id,
        client_id=attempt.request.client_id if attempt.request else None,
        session_id=session.id,
        device_id=device.id,
        origin=origin,
        data={"methods": sorted(session.methods), "new_device": device.is_new},
        risk=note_of(assessed.assessment) if assessed else None,
        place=place_fields(assessed.sighting.place) if assessed else None,
        policy_revision=revision_of(attempt),
    )


def critical_events(
    attempt: SigninAttempt, decision: Decision | None, assessed: Assessed, *, origin: Origin
) -> list[Event]:
    """Tells, at once and loudly, of a sign-in that looks very much like somebody else's; nothing otherwise."""
    person_id, score = attempt.person_id, assessed.assessment.score
    if person_id is None or score < CRITICAL_FROM:
        return []
    is_denied = decision is not None and decision.effect is Effect.DENY
    holds = decision is not None and any(each.kind == "prove" for each in decision.obligations)
    effect = "refused" if is_denied else "strong_factor" if holds else "notice"
    event = Event(
        type=RISK_CRITICAL,
        actor=show_id(PERSON, person_id),
        outcome="denied" if is_denied else "success",
        person=person_id,
        client_id=attempt.request.client_id if attempt.request else None,
        session_id=attempt.session_id,
        origin=origin,
        data={"to": score, "threshold": CRITICAL_FROM, "why": "sign_in", "effect": effect},
        risk=note_of(assessed.assessment),
        place=place_fields(assessed.sighting.place),
        policy_revision=revision_of(attempt),
    )
    return [event]


def new_country(assessed: Assessed, device: SeenDevice) -> str | None:
    """The code of the country that this sign-in came from, where the person never signed in from there before.

    The history does not learn from every sign-in; where the device was seen there already, that was told.
    """
    country = assessed.sighting.place.country
    is_new = any(reason.signal == "country_new" for reason in assessed.assessment.reasons)
    return country if is_new and country != device.last_country else None


def new_country_event(session: LiveSession, device: SeenDevice, assessed: Assessed, *, origin: Origin) -> Event:
    """Tells that a person signed in from there for the first time."""
    actor = show_id(PERSON, session.person_id)
    return Event(
        type=LOGIN_NEW_COUNTRY,
        actor=actor,
        subject=actor,
        person=session.person_id,
        session_id=session.id,
        device_id=device.id,
        origin=origin,
        risk=note_of(assessed.assessment),
        place=place_fields(assessed.sighting.place),
    )


async def tell_person(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    device: SeenDevice,
    *,
    country: str | None,
    is_unusual: bool,
    now: datetime,
    origin: Origin,
) -> None:
    """Writes one letter about a sign-in to its person, where there is something to tell: a new device (and in it the
    new country), a new country, or that it was not usual in another way."""
    about: dict[str, Fact | bytes] = {"device": device.id, **({"country": country} if country else {})}
    if device.is_new and not device.is_first:
        notice = Notice.NEW_DEVICE
    elif country:
        notice = Notice.NEW_COUNTRY
    elif is_unusual:
        notice = Notice.UNUSUAL_SIGNIN
    else:
        return
    await notify(db, services, person_id, notice, now=now, origin=origin, about=about)
