"""`/enrol`: a sign-in that needs, or is offered, a second factor; which one, or later."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.catalogue import MFA_PUT_OFF
from audit.record import Event
from base.clock import to_seconds
from base.dates import reader_of
from base.forms import Form, FormRefused
from base.ids import PERSON, show_id
from base.request import read_form
from identity.form_tokens import form_token
from identity.services import Services, origin_of
from identity.signin.flow import Flow, load_flow, respond, take_turn
from identity.signin.paths import path_of
from identity.signin.state import Asked, Enrol
from identity.signin.step_pages import finish, is_own_step, refuse_step

PURPOSE = "enrol"


class EnrolPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET /enrol: the choice, or wherever the flow of this browser has gone."""
        services = self._services
        flow = await load_flow(services, request, now=services.clock())
        if flow is None:
            return RedirectResponse("/signin", 303)
        if not isinstance(flow.step, Asked):
            return await finish(services, request)
        if not isinstance(flow.step, Enrol):
            return RedirectResponse(path_of(flow.step), 303)
        return self._page(request, flow, flow.step)

    async def submit(self, request: Request) -> Response:
        """POST /enrol `decision=later`: goes on without, where that is still allowed."""
        services, now = self._services, self._services.clock()
        try:
            form = await read_form(request)
        except FormRefused:
            form = Form({}, {})
        turn = None
        async with services.database.transaction() as db:
            flow = await load_flow(services, request, now=now, lock_in=db)
            reason = self._find_fault(request, form, flow)
            if reason is None and flow is not None and flow.session is not None:
                attempt = replace(flow.attempt, put_off=True)
                origin = origin_of(request)
                await services.emitter.emit(db, _put_off_event(flow, request), now=now)
                turn = await take_turn(db, services, attempt, flow.session, now=now, origin=origin)
        if turn is None:
            return await refuse_step(services, request, flow, reason or "finished")
        return respond(services, request, turn)

    def _find_fault(self, request: Request, form: Form, flow: Flow | None) -> str | None:
        """Why this answer does not count, or None."""
        if flow is None:
            return "nothing_under_way"
        if not isinstance(flow.step, Enrol) or not flow.step.may_put_off:
            return "out_of_order"
        if not is_own_step(self._services, request, form, flow, PURPOSE):
            return "foreign_form"
        return None if form.get("decision") == "later" else "empty_form"

    def _page(self, request: Request, flow: Flow, step: Enrol) -> Response:
        services, authorize = self._services, flow.attempt.request
        client = services.catalogue.find_client(authorize.client_id) if authorize else None
        locale = flow.standing.locale if flow.standing else None
        reader = reader_of(services.pages.language_of(request, flow.ui_locales), locale=locale)
        return services.pages.render(
            request,
            "enrol.html",
            pending_authorization=authorize is not None,
            ui_locales=flow.ui_locales,
            reader=reader,
            methods=step.methods,
            may_put_off=step.may_put_off,
            due_at=flow.standing.enrol_due_at if flow.standing else None,
            client_name=client.name if client else None,
            form_token=form_token(services.form_key, PURPOSE, flow.digest),
        )


def _put_off_event(flow: Flow, request: Request) -> Event:
    standing = flow.standing
    person = standing.id if standing else b""
    actor = show_id(PERSON, person)
    due = standing.enrol_due_at if standing else None
    return Event(
        type=MFA_PUT_OFF,
        actor=actor,
        subject=actor,
        person=person,
        session_id=flow.session.id if flow.session else None,
        origin=origin_of(request),
        data={"due_at": to_seconds(due) if due else None},
    )
