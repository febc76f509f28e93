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
from identity.assessing.notes import note_of
from identity.assessing.rescoring import rescore_browser
from identity.assessing.sightings import see
from identity.client_values import Client
from identity.consents import find_missing
from identity.devices import COOKIE_TTL, read_device
from identity.oauth.answers import answer
from identity.oauth.issue import issue_code
from identity.redirect_uris import find_redirect_uri
from identity.services import Services, origin_of
from identity.sessions import find_live, touch_session
from identity.signin.address_limits import find_begin_wait
from identity.signin.attempt import (
    find_with_person,
    lock_with_person,
    new_attempt,
    read_flow,
    save_attempt,
    store_attempt,
)
from identity.signin.destinations import DESTINATIONS
from identity.signin.facts import facts_of, is_outdated
from identity.signin.next_step import TAKEN_OVER, UNUSUAL, Evidence, next_step, weigh
from identity.signin.paths import path_of
from identity.signin.state import Asked, Issue, Refuse, Step
from identity.signin.told import failed_event, revision_of
from identity.signin.whence import whence_of
from identity.standing import find_standing
from identity.values import AuthorizeRequest, LiveSession, SigninAttempt, Standing

# Deleted, disabled or changed since its request was checked: nothing is sent there any more (S2).
CLIENT_GONE = Refuse("unauthorized_client", "the application is not registered here any more")
URI_GONE = Refuse("unauthorized_client", "the address to go back to is not registered here any more")


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where an attempt stands: `attempt` with the decision of now, whose it is, and the scopes not allowed yet."""

    attempt: SigninAttempt
    step: Step
    standing: Standing | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """What a browser has under way: `standing` is the person whom it is about, None before one is known."""

    digest: bytes
    attempt: SigninAttempt
    session: LiveSession | None
    step: Step
    standing: Standing | None = None
    missing: tuple[str, ...] = ()

    @property
    def ui_locales(self) -> tuple[str, ...]:
        """The languages to try: what the application asks for, then the person's; the browser's come after them."""
        asked = self.attempt.request.ui_locales if self.attempt.request else ()
        own = self.standing.locale if self.standing else None
        return (*asked, own) if own else asked


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
    keeps_session: bool = False
    destination: str | None = None


async def begin(services: Services, request: Request, authorize: AuthorizeRequest | None) -> Response:
    """Answers a checked authorization request (or a plain wish to sign in): with a page, or with the result at once."""
    now, origin = services.clock(), origin_of(request)
    attempt = new_attempt(authorize, ttl=services.settings.attempt_ttl, now=now)
    attempt = replace(attempt, whence=whence_of(services, request))
    session = await find_assessed(services, request, authorize, now=now)
    outlook = await look_ahead(services, attempt, session, now=now)
    if isinstance(outlook.step, Asked):
        wait_s = await find_begin_wait(services, origin.address)
        if wait_s is not None:
            return too_many_page(services, request, wait_s, authorize)
    async with services.database.transaction() as db:
        if session is not None:
            await touch_session(db, services, session.id, now=now)
        if isinstance(outlook.step, Asked):
            turn = Turn(outlook.step, authorize, flow_cookie=await store_attempt(db, attempt))
        else:
            turn = await _finish(db, services, attempt, session, outlook.step, now=now, origin=origin)
    return respond(services, request, turn)


async def find_assessed(
    services: Services, request: Request, authorize: AuthorizeRequest | None = None, *, now: datetime
) -> LiveSession | None:
    """The live session of this browser after another look at it: its cookie may have been stolen meanwhile.

    `authorize` names the application that is about to be opened, where there is one.
    """
    session = await find_live(services, request)
    if session is None:
        return None
    cookie, opens = read_device(request, services), authorize.client_id if authorize else None
    seeing = see(services, request, has_cookie=cookie is not None, now=now)
    has_changed = await rescore_browser(
        services, session, seeing, cookie=cookie, opens=opens, now=now, origin=origin_of(request)
    )
    return await find_live(services, request) if has_changed else session


async def load_flow(
    services: Services, request: Request, *, now: datetime, lock_in: AsyncConnection | None = None
) -> Flow | None:
    """The flow of this browser with its next step, or None where nothing is under way.

    With `lock_in`, a write transaction, nobody else takes a step of the flow until that ends. Without it a live session
    is looked at again: whoever begins without its cookie and brings it later is looked at, too.
    """
    flow_digest, mail_code = read_flow(request, services), services.settings.has_mail
    if lock_in is None:
        found = await find_with_person(services.database, flow_digest, mail_code=mail_code, now=now)
    else:
        found = await lock_with_person(lock_in, flow_digest, mail_code=mail_code, now=now)
    if flow_digest is None or found is None:
        return None
    attempt, pending = replace(found[0], whence=whence_of(services, request)), found[1]
    if lock_in is None:
        session = await find_assessed(services, request, attempt.request, now=now)
    else:
        session = await find_live(services, request)
    outlook = await look_ahead(services, attempt, session, now=now, pending=pending)
    return Flow(flow_digest, outlook.attempt, session, outlook.step, outlook.standing, outlook.missing)


async def look_ahead(
    services: Services,
    attempt: SigninAttempt,
    session: LiveSession | None,
    *,
    now: datetime,
    standing: Standing | None = None,
    pending: Standing | None = None,
) -> Outlook:
    """Where the attempt stands. Changes nothing.

    `standing` is the person's, where the caller knows it better; `pending` that of whoever the attempt's proofs are,
    as `find_with_person` found it.
    """
    request = attempt.request
    client = services.catalogue.find_client(request.client_id) if request else None
    gone = _find_gone(client, request) if request is not None else None
    if gone is not None:
        return Outlook(attempt, gone)
    evidence = weigh(attempt, session, now)
    if standing is None and evidence.session is not None:
        standing = evidence.session.standing
    elif standing is None and evidence.person_id is not None:
        mail_code = services.settings.has_mail
        standing = pending or await find_standing(services.database, evidence.person_id, mail_code=mail_code)
    if standing is not None and is_outdated(evidence, standing):
        attempt, evidence = replace(attempt, proofs=(), session_id=None), Evidence()
    missing: tuple[str, ...] = ()
    if request is not None and client is not None:
        person = evidence.session.person_id if evidence.session else None
        missing = await find_missing(services.database, person, client, request) if person else request.asked_scopes
    decision = None
    if standing is not None and evidence.methods:
        decision = services.decide(facts_of(services, attempt, standing, evidence, now))
    attempt = replace(attempt, decision=decision)
    step = next_step(attempt, session, not missing, now, fresh_for=services.settings.fresh_for)
    return Outlook(attempt, step, standing, missing)


def _find_gone(client: Client | None, request: AuthorizeRequest) -> Refuse | None:
    """Why nothing is sent to the application any more, or None."""
    if client is None or client.disabled:
        return CLIENT_GONE
    # What was registered when the request was checked is mostly there as it was.
    is_there = request.redirect_uri in client.redirect_uris
    return None if is_there or find_redirect_uri(client.redirect_uris, request.redirect_uri) else URI_GONE


async def take_turn(
    db: AsyncConnection,
    services: Services,
    attempt: SigninAttempt,
    session: LiveSession | None,
    *,
    new_cookie: str | None = None,
    standing: Standing | None = None,
    now: datetime,
    origin: Origin,
) -> Turn | None:
    """Stores the attempt and says where the flow goes now; None where somebody else took the step first.

    At the end of the flow the attempt is finished here; before it, it goes on under `new_cookie`, where one is given.
    """
    outlook = await look_ahead(services, attempt, session, now=now, standing=standing)
    attempt, step = outlook.attempt, outlook.step
    if isinstance(step, Asked):
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
        told = refused_event(attempt, session, step.error, origin=origin), failed_event(attempt, origin=origin)
        await services.emitter.emit_all(db, [each for each in told if each is not None], now=now)
        if step in (CLIENT_GONE, URI_GONE):
            return Turn(step)
        return Turn(step, attempt.request, {"error": step.error, "error_description": step.description})
    if attempt.request is None or session is None:
        return Turn(step, destination=attempt.destination)
    params = await issue_code(db, services, attempt.request, session, now=now, origin=origin)
    return Turn(step, attempt.request, params)


def refused_event(attempt: SigninAttempt | None, session: LiveSession | None, reason: str, *, origin: Origin) -> Event:
    """The trace of a sign-in or a step of it that was refused."""
    person_id = session.person_id if session else None
    if attempt is not None and attempt.proofs:
        person_id = attempt.person_id
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
        risk=note_of(attempt.assessment) if attempt is not None else None,
        policy_revision=revision_of(attempt),
    )


def respond(services: Services, request: Request, turn: Turn) -> Response:
    """The answer to a turn, once it was committed. After a POST it is a 303, never a 307 (S8)."""
    if turn.request is not None and turn.params is not None:
        response = answer(services, request, turn.request, turn.params)
    elif isinstance(turn.step, Refuse):
        response = _refusal_page(services, request, turn.step)
    elif isinstance(turn.step, Issue):
        response = RedirectResponse(DESTINATIONS.get(turn.destination or "", "/"), 303)
    else:
        response = RedirectResponse(path_of(turn.step), 303)
    response.headers["Cache-Control"] = "no-store"
    set_turn_cookies(services, response, turn)
    return response


def set_turn_cookies(services: Services, response: Response, turn: Turn) -> None:
    """Hands the browser what a turn gave it; for a page of one's own in place of `respond`."""
    settings = services.settings
    if turn.flow_cookie is not None:
        set_cookie(response, settings, "flow", turn.flow_cookie)
    elif turn.ends_flow:
        clear_cookie(response, settings, "flow")
    if turn.session_cookie is not None:
        kept = settings.session_keep if turn.keeps_session else None
        set_cookie(response, settings, "session", turn.session_cookie, ttl=kept)
    if turn.device_cookie is not None:
        set_cookie(response, settings, "device", turn.device_cookie, ttl=COOKIE_TTL)


def too_many_page(
    services: Services, request: Request, retry_after_s: int, authorize: AuthorizeRequest | None
) -> Response:
    """429: nothing was looked at, and the same works again a little later."""
    return services.pages.error(
        request,
        429,
        "Too many attempts",
        "There were too many sign-ins from your network. Wait a while and try again.",
        ui_locales=authorize.ui_locales if authorize else (),
        retry_after_s=retry_after_s,
    )


def _refusal_page(services: Services, request: Request, step: Refuse) -> Response:
    """A refusal that goes to the person, since there is no application to tell."""
    if step == CLIENT_GONE:
        return services.pages.error(request, 400, "Unknown application", "The application is not registered here.")
    if step == URI_GONE:
        text = "The address to go back to is not registered for this application: redirect_uri."
        return services.pages.error(request, 400, "This sign-in link does not work", text)
    text = "The rules of this service do not allow this sign-in."
    if step == UNUSUAL:
        text = (
            "This sign-in looks unlike your others, and there is nothing to prove it with."
            " Sign in from a device and a network that you have used before, or ask for help."
        )
    elif step == TAKEN_OVER:
        text = "Somebody else may have been in this account. Choose a new password by mail first."
    return services.pages.error(request, 403, "Access denied", text)
