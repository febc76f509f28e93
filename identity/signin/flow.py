"""From the application's request to its answer: begins an attempt, and after each step says where to go.

What comes next is decided inside the transaction (`take_turn`) and answered after it was committed (`respond`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.catalogue import LOGIN_REFUSED
from audit.record import Event, Origin
from base.cookies import clear_cookie, set_cookie
from base.ids import PERSON, show_id
from identity.consents import find_missing
from identity.devices import COOKIE_TTL
from identity.oauth.answers import answer
from identity.oauth.issue import issue_code
from identity.services import Services, origin_of
from identity.sessions import find_live, touch_session
from identity.signin.attempt import (
    find_attempt,
    lock_attempt,
    new_attempt,
    read_flow,
    save_attempt,
    store_attempt,
)
from identity.signin.next_step import next_step
from identity.signin.state import Consent, Issue, Refuse, SignIn, Step
from identity.values import AuthorizeRequest, LiveSession, SigninAttempt

# Deleted or disabled since its request was checked: nothing is sent there any more (S2).
CLIENT_GONE = Refuse("unauthorized_client", "the application is not registered here any more")

_PATHS: Mapping[type[Step], str] = {SignIn: "/signin", Consent: "/consent"}


@dataclass(frozen=True, slots=True)
class Flow:
    """What a browser has under way: `missing` are the scopes that its person has not allowed yet."""

    digest: bytes
    attempt: SigninAttempt
    session: LiveSession | None
    missing: tuple[str, ...]
    step: Step


@dataclass(frozen=True, slots=True)
class Turn:
    """What a step led to. `params` answer the application; the cookies are for the browser to keep.

    `ends_flow`: the browser's flow cookie has done its work. It stays where an attempt ended that was never stored,
    such as one with `prompt=none` in a frame, since it may belong to a sign-in in another window.
    """

    step: Step
    request: AuthorizeRequest | None = None
    params: Mapping[str, str] | None = None
    ends_flow: bool = False
    flow_cookie: str | None = None
    session_cookie: str | None = None
    device_cookie: str | None = None


async def begin(services: Services, request: Request, authorize: AuthorizeRequest | None) -> Response:
    """Answers a checked authorization request (or a plain wish to sign in): with a page, or with the result at once."""
    now, origin = services.clock(), origin_of(request)
    attempt = new_attempt(authorize, ttl=services.settings.attempt_ttl, now=now)
    session = await find_live(services, request)
    step, _ = await look_ahead(services, attempt, session, now=now)
    async with services.database.transaction() as db:
        if session is not None:
            await touch_session(db, services, session.id, now=now)
        if isinstance(step, SignIn | Consent):
            turn = Turn(step, authorize, flow_cookie=await store_attempt(db, attempt))
        else:
            turn = await _finish(db, services, attempt, session, step, now=now, origin=origin)
    return respond(services, request, turn)


async def load_flow(
    services: Services, request: Request, *, now: datetime, lock_in: AsyncConnection | None = None
) -> Flow | None:
    """The flow of this browser with its next step, or None where nothing is under way.

    With `lock_in`, a write transaction, nobody else takes a step of the flow until that ends.
    """
    flow_digest = read_flow(request, services)
    if lock_in is None:
        attempt = await find_attempt(services.database, flow_digest, now=now)
    else:
        attempt = await lock_attempt(lock_in, flow_digest, now=now)
    if flow_digest is None or attempt is None:
        return None
    session = await find_live(services, request)
    step, missing = await look_ahead(services, attempt, session, now=now)
    return Flow(flow_digest, attempt, session, missing, step)


async def look_ahead(
    services: Services, attempt: SigninAttempt, session: LiveSession | None, *, now: datetime
) -> tuple[Step, tuple[str, ...]]:
    """The next step, and the scopes that are still to be allowed. Changes nothing."""
    request = attempt.request
    missing: tuple[str, ...] = ()
    if request is not None:
        client = services.catalogue.find_client(request.client_id)
        if client is None or client.disabled:
            return CLIENT_GONE, ()
        missing = (
            await find_missing(services.database, session.person_id, client, request)
            if session
            else request.asked_scopes
        )
    return next_step(attempt, session, not missing, now), missing


async def take_turn(
    db: AsyncConnection,
    services: Services,
    attempt: SigninAttempt,
    session: LiveSession | None,
    *,
    new_cookie: str | None = None,
    now: datetime,
    origin: Origin,
) -> Turn | None:
    """Stores the attempt and says where the flow goes now; None where somebody else took the step first.

    At the end of the flow the attempt is finished here; before it, it goes on under `new_cookie`, where one is given.
    """
    step, _ = await look_ahead(services, attempt, session, now=now)
    if isinstance(step, SignIn | Consent):
        if not await save_attempt(db, attempt, flow_cookie=new_cookie):
            return None
        return Turn(step, attempt.request, flow_cookie=new_cookie)
    if not await save_attempt(db, replace(attempt, finished_at=now)):
        return None
    turn = await _finish(db, services, attempt, session, step, now=now, origin=origin)
    return replace(turn, ends_flow=True)


async def _finish(
    db: AsyncConnection,
    services: Services,
    attempt: SigninAttempt,
    session: LiveSession | None,
    step: Issue | Refuse,
    *,
    now: datetime,
    origin: Origin,
) -> Turn:
    if isinstance(step, Refuse):
        await services.emitter.emit(db, refused_event(attempt, session, step.error, origin=origin), now=now)
        if step == CLIENT_GONE:
            return Turn(step)
        return Turn(step, attempt.request, {"error": step.error, "error_description": step.description})
    if attempt.request is None or session is None:
        return Turn(step)
    params = await issue_code(db, services, attempt.request, session, now=now, origin=origin)
    return Turn(step, attempt.request, params)


def refused_event(attempt: SigninAttempt | None, session: LiveSession | None, reason: str, *, origin: Origin) -> Event:
    """The trace of a sign-in or a step of it that was refused."""
    person_id = session.person_id if session else None
    return Event(
        type=LOGIN_REFUSED,
        actor=show_id(PERSON, person_id) if person_id else "anonymous",
        outcome="denied",
        subject=show_id(PERSON, person_id) if person_id else None,
        person=person_id,
        client_id=attempt.request.client_id if attempt and attempt.request else None,
        session_id=session.id if session else None,
        origin=origin,
        data={"reason": reason},
    )


def respond(services: Services, request: Request, turn: Turn) -> Response:
    """The answer to a turn, once it was committed. After a POST it is a 303, never a 307 (S8)."""
    settings = services.settings
    path = _PATHS.get(type(turn.step))
    if path is None and turn.request is not None and turn.params is not None:
        response = answer(services, request, turn.request, turn.params)
    elif isinstance(turn.step, Refuse):
        response = _refusal_page(services, request, turn.step)
    else:
        response = RedirectResponse(path or "/", 303)
    response.headers["Cache-Control"] = "no-store"
    if turn.flow_cookie is not None:
        set_cookie(response, settings, "flow", turn.flow_cookie)
    elif turn.ends_flow:
        clear_cookie(response, settings, "flow")
    if turn.session_cookie is not None:
        set_cookie(response, settings, "session", turn.session_cookie)
    if turn.device_cookie is not None:
        set_cookie(response, settings, "device", turn.device_cookie, ttl=COOKIE_TTL)
    return response


def _refusal_page(services: Services, request: Request, step: Refuse) -> Response:
    """A refusal that goes to the person, since there is no application to tell."""
    if step == CLIENT_GONE:
        return services.pages.error(request, 400, "Unknown application", "The application is not registered here.")
    return services.pages.error(request, 403, "Access denied", "The rules of this service do not allow this sign-in.")
