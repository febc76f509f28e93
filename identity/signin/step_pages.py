"""What the step pages share: finishing a flow, refusing a step, asking to wait."""

from starlette.requests import Request
from starlette.responses import Response

from base.forms import Form
from identity.form_tokens import form_token, is_own_form
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.signin.flow import Flow, load_flow, refused_event, respond, take_turn, too_many_page
from identity.values import AuthorizeRequest


async def finish(services: Services, request: Request) -> Response:
    """Goes on with a flow whose next step needs no page of its own."""
    now, origin = services.clock(), origin_of(request)
    async with services.database.transaction() as db:
        flow = await load_flow(services, request, now=now, lock_in=db)
        turn = None
        if flow is not None:
            turn = await take_turn(db, services, flow.attempt, flow.session, now=now, origin=origin)
    if turn is None:
        return await refuse_step(services, request, flow, "finished")
    return respond(services, request, turn)


def is_own_step(services: Services, request: Request, form: Form, flow: Flow, purpose: str) -> bool:
    """Whether a posted step was sent from our own form of this flow."""
    expected = form_token(services.form_key, purpose, flow.digest)
    return is_own_form(request, form, services.settings.issuer, expected_token=expected)


async def refuse_step(services: Services, request: Request, flow: Flow | None, reason: str) -> Response:
    """Leaves the trace of a step that cannot be taken, and gives the page for it; nothing else changes (S17).

    Another browser's, replayed, out of order, or not sent from a form of ours.
    """
    attempt, session = (flow.attempt, flow.session) if flow else (None, None)
    await record_refusal(services, refused_event(attempt, session, reason, origin=origin_of(request)))
    return services.pages.error(
        request,
        400,
        "This page is out of date",
        "The sign-in was finished, took too long, or was begun in another browser. "
        "Go back to the application and begin again; your browser must accept cookies.",
        ui_locales=attempt.request.ui_locales if attempt and attempt.request else (),
    )


def wait_page(
    services: Services, request: Request, status: int, retry_after_s: int, authorize: AuthorizeRequest | None
) -> Response:
    """429 or 503: nothing was looked at, and the same form works again a little later."""
    if status == 429:
        return too_many_page(services, request, retry_after_s, authorize)
    ui_locales = authorize.ui_locales if authorize else ()
    title, message = "One moment, please", "Many people are signing in right now. Go back and try again."
    return services.pages.error(request, status, title, message, ui_locales=ui_locales, retry_after_s=retry_after_s)
