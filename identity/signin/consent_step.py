"""The consent step: what the person answers, remembered and told in one transaction."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOGIN_DENIED
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity import consents
from identity.services import Services
from identity.signin.attempt import save_attempt
from identity.signin.flow import Flow, Turn, take_turn
from identity.signin.state import Refuse
from identity.values import AuthorizeRequest, LiveSession

_DENIED = Refuse("access_denied", "the person did not allow it")


async def allow(
    db: AsyncConnection,
    services: Services,
    flow: Flow,
    request: AuthorizeRequest,
    session: LiveSession,
    *,
    now: datetime,
    origin: Origin,
) -> Turn | None:
    """Remembers what was allowed, and goes on."""
    await consents.remember(db, services, session.person_id, request, session_id=session.id, now=now, origin=origin)
    attempt = replace(flow.attempt, consented=True, person_id=session.person_id, session_id=session.id)
    return await take_turn(db, services, attempt, session, now=now, origin=origin)


async def deny(
    db: AsyncConnection,
    services: Services,
    flow: Flow,
    request: AuthorizeRequest,
    session: LiveSession,
    *,
    now: datetime,
    origin: Origin,
) -> Turn:
    """Ends the attempt; the application learns that the person said no, and nothing is remembered."""
    if not await save_attempt(db, replace(flow.attempt, finished_at=now)):
        raise RuntimeError("an attempt that this transaction holds must be there to save")
    actor = show_id(PERSON, session.person_id)
    event = Event(
        type=LOGIN_DENIED,
        actor=actor,
        outcome="denied",
        subject=actor,
        person=session.person_id,
        client_id=request.client_id,
        session_id=session.id,
        origin=origin,
        data={"scopes": list(request.asked_scopes), "audience": request.audience},
    )
    await services.emitter.emit(db, event, now=now)
    params = {"error": _DENIED.error, "error_description": _DENIED.description}
    return Turn(_DENIED, request, params, ends_flow=True)
