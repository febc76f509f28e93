"""Whether a person proved themselves just now: needed for whatever changes what guards the account (S29)."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.cookies import set_cookie
from identity.services import Services
from identity.signin.address_limits import find_begin_wait
from identity.signin.attempt import new_attempt, store_attempt
from identity.signin.destinations import DESTINATIONS
from identity.signin.flow import too_many_page
from identity.values import LiveSession
from policy.assurance import AAL1, AAL2, STRONG, met_by

_MAILED = frozenset({"mail_code", "recovery"})


def is_fresh(services: Services, session: LiveSession, now: datetime) -> bool:
    """Whether the session's person proved themselves within `fresh_for`, with a second factor where they have one; in a
    session whose score asks for more than a password, a code from the mailbox stands in for one."""
    recent = frozenset(proof.method for proof in session.proofs if now - proof.at <= services.settings.fresh_for)
    factors, met = session.standing.factors if session.standing else frozenset(), met_by(recent)
    if factors & STRONG:
        return AAL2 in met
    is_unusual = session.risk is not None and session.risk >= services.settings.risk_thresholds.step_up
    return AAL1 in met and (not is_unusual or AAL2 in met or bool(recent & _MAILED))


async def ask_again(
    services: Services, request: Request, destination: str, *, within: AsyncConnection | None = None
) -> Response:
    """Begins a sign-in that comes back to a page of ours; raises KeyError for a name that is none.

    `within` is the caller's write transaction, where there is one.
    """
    now = services.clock()
    if destination not in DESTINATIONS:
        raise KeyError(destination)
    wait_s = await find_begin_wait(services, request.scope.get("ostiary.address"))
    if wait_s is not None:
        return too_many_page(services, request, wait_s, None)
    attempt = new_attempt(None, ttl=services.settings.attempt_ttl, now=now, destination=destination)
    if within is not None:
        cookie = await store_attempt(within, attempt)
    else:
        async with services.database.transaction() as db:
            cookie = await store_attempt(db, attempt)
    response = RedirectResponse("/signin", 303, {"Cache-Control": "no-store"})
    set_cookie(response, services.settings, "flow", cookie)
    return response
