"""What follows when a factor was added: it counts as proven here, and after the first one come backup codes."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.record import Event, Origin
from base.secret_values import digest
from identity.devices import see_device
from identity.enrolling import Enrolling
from identity.factors.backup_codes import make_codes
from identity.factors.codes_view import CodesView, own_locales, show_codes
from identity.factors.shown_codes import keep_shown
from identity.services import Services
from identity.sessions import renew_session
from identity.signin.flow import Turn, respond, set_turn_cookies
from identity.signin.proving import add_proof
from identity.signin.state import Issue
from identity.tables import attempts
from identity.values import LiveSession, Proof, SigninAttempt
from policy.assurance import PASSKEYS

SECURITY_PAGE = "/account/security"
# Its name among the destinations of a sign-in.
_AFTERWARDS = "security"


class EnrolmentVoid(Exception):
    """The account or the session ended meanwhile: the transaction must not be committed."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Where the browser goes after it added a factor. `codes` are the backup codes to show first, or empty."""

    turn: Turn
    enrolling: Enrolling
    codes: tuple[str, ...] = ()
    binding: bytes = b""


async def settle_enrolment(
    db: AsyncConnection,
    services: Services,
    request: Request,
    enrolling: Enrolling,
    method: str,
    *,
    is_first: bool,
    now: datetime,
    origin: Origin,
) -> Enrolled:
    """Counts the new factor as proven, in the transaction that stored it; raises EnrolmentVoid.

    A sign-in goes on with it. A session keeps it, under a new cookie: else its person would be asked for it at once.
    `enrolling` was found with `lock_in=db`.
    """
    proof, flow, standing = Proof(method, now), enrolling.flow, enrolling.standing
    turn = None
    if flow is not None:
        attempt = await _arrive(db, flow.attempt, method)
        turn = await add_proof(
            db, services, request, attempt, standing, proof, begins=False, pause=is_first, now=now, origin=origin
        )
    elif enrolling.session is not None:
        turn = await _keep_proof(db, services, request, enrolling.session, proof, now=now, origin=origin)
    if turn is None:
        raise EnrolmentVoid
    if not is_first or turn.session_cookie is None:
        return Enrolled(turn, enrolling)
    binding = digest(turn.session_cookie)
    codes = await make_codes(db, services, standing.id, now=now, origin=origin)
    await keep_shown(db, services, standing.id, binding, codes, now=now)
    return Enrolled(turn, enrolling, codes, binding)


async def _arrive(db: AsyncConnection, attempt: SigninAttempt, method: str) -> SigninAttempt:
    """Whoever signed in to add a factor of this kind has done so: they are not led to that page once more."""
    if attempt.destination != ("enrol_passkey" if method in PASSKEYS else f"enrol_{method}"):
        return attempt
    # Whoever may add a factor within a sign-in holds its row, so its version stays as it was read.
    await db.execute(update(attempts).where(attempts.c.id == attempt.id).values(destination=_AFTERWARDS))
    return replace(attempt, destination=_AFTERWARDS)


async def _keep_proof(
    db: AsyncConnection,
    services: Services,
    request: Request,
    session: LiveSession,
    proof: Proof,
    *,
    now: datetime,
    origin: Origin,
) -> Turn | None:
    told: list[Event] = []
    device = await see_device(db, services, session.person_id, request, told=told, now=now, origin=origin)
    opened = await renew_session(db, services, session, device_id=device.id, proofs=(proof,), anew=False, now=now)
    if opened is None:
        return None
    await services.emitter.emit_all(db, told, now=now)
    return Turn(Issue(), session_cookie=opened.cookie, device_cookie=device.cookie, keeps_session=opened.session.keep)


async def respond_enrolled(services: Services, request: Request, enrolled: Enrolled) -> Response:
    """The answer, once it was committed: the backup codes, where there are new ones, or the way on."""
    flow = enrolled.enrolling.flow
    if not enrolled.codes:
        if flow is not None:
            return respond(services, request, enrolled.turn)
        response: Response = RedirectResponse(SECURITY_PAGE, 303, {"Cache-Control": "no-store"})
        set_turn_cookies(services, response, enrolled.turn)
        return response
    standing = enrolled.enrolling.standing
    view = CodesView(standing.id, enrolled.binding, enrolled.codes, is_kept=True, ui_locales=own_locales(standing))
    if flow is not None:
        is_pending = flow.attempt.request is not None
        view = replace(view, in_signin=True, pending_authorization=is_pending, ui_locales=flow.ui_locales)
    response = await show_codes(services, request, view)
    set_turn_cookies(services, response, enrolled.turn)
    return response
