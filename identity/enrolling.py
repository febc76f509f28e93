"""Who may add a factor here and now."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from identity.services import Services
from identity.sessions import find_live
from identity.signin.flow import Flow, find_assessed, load_flow
from identity.signin.fresh import ask_again, is_fresh
from identity.signin.state import Enrol
from identity.values import LiveSession, Standing

_DESTINATIONS = {"totp": "enrol_totp", "passkey": "enrol_passkey", "backup_codes": "backup_codes"}


@dataclass(frozen=True, slots=True)
class Enrolling:
    """A person who may add a factor. `binding` is what forms and pending secrets are bound to.

    Within a sign-in `flow` is that sign-in, whose next step this is; on the account pages it is None.
    """

    standing: Standing
    binding: bytes
    flow: Flow | None
    session: LiveSession | None


async def find_enrolling(
    services: Services, request: Request, method: str, *, lock_in: AsyncConnection | None = None
) -> Enrolling | Response:
    """Who may add a factor of `method` (`totp`, `passkey`, `backup_codes`), or the way to where they may (S29).

    A sign-in whose next step is to enrol comes first; otherwise the session must be fresh. With `lock_in` nobody else
    takes a step of the sign-in until that transaction ends.
    """
    now = services.clock()
    flow = await load_flow(services, request, now=now, lock_in=lock_in)
    if flow is not None and isinstance(flow.step, Enrol) and method in flow.step.methods and flow.standing is not None:
        return Enrolling(flow.standing, flow.digest, flow, flow.session)
    if flow is not None:
        session = flow.session
    else:
        session = await (find_assessed(services, request, now=now) if lock_in is None else find_live(services, request))
    if session is None or session.standing is None:
        return RedirectResponse("/signin", 303)
    if not is_fresh(services, session, now):
        return await ask_again(services, request, _DESTINATIONS[method], within=lock_in)
    return Enrolling(session.standing, session.cookie_digest, None, session)
