"""`/consent`: what an application asks for, and the person's answer."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.forms import Form, FormRefused
from base.request import read_form
from identity.accounts import find_person
from identity.client_values import STANDARD_SCOPES
from identity.form_tokens import form_token, is_own_form
from identity.person_values import Person
from identity.services import Services, origin_of
from identity.signin import consent_step
from identity.signin.flow import Flow, load_flow, respond
from identity.signin.paths import path_of
from identity.signin.state import Asked, Consent
from identity.signin.step_pages import finish, refuse_step
from identity.values import AuthorizeRequest, LiveSession

PURPOSE = "consent"


@dataclass(frozen=True, slots=True)
class ApiScope:
    """A scope of an API as the page shows it: its name, and the administrator's words, which are text and no more."""

    name: str
    description: str


class ConsentPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET /consent: the question, or wherever the flow of this browser has gone."""
        services, now = self._services, self._services.clock()
        flow = await load_flow(services, request, now=now)
        if flow is None:
            return await refuse_step(services, request, None, "nothing_under_way")
        if isinstance(flow.step, Consent) and flow.attempt.request and flow.session:
            async with services.database.reading() as db:
                person = await find_person(db, flow.session.person_id)
            if person is not None:
                return self._question(request, flow, flow.attempt.request, flow.session, person)
        if isinstance(flow.step, Asked):
            return RedirectResponse(path_of(flow.step), 303)
        return await finish(services, request)

    async def submit(self, request: Request) -> Response:
        """POST /consent: takes `decision=allow` or `decision=deny`."""
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        try:
            form = await read_form(request)
        except FormRefused:
            form = Form({}, {})
        turn = None
        async with services.database.transaction() as db:
            flow = await load_flow(services, request, now=now, lock_in=db)
            reason = self._find_fault(request, form, flow)
            if reason is None and flow and flow.attempt.request and flow.session:
                answer = consent_step.allow if form["decision"] == "allow" else consent_step.deny
                turn = await answer(db, services, flow, flow.attempt.request, flow.session, now=now, origin=origin)
        if turn is None:
            return await refuse_step(services, request, flow, reason or "finished")
        return respond(services, request, turn)

    def _find_fault(self, request: Request, form: Form, flow: Flow | None) -> str | None:
        """Why this answer does not count, or None."""
        if flow is None:
            return "nothing_under_way"
        if not isinstance(flow.step, Consent) or flow.session is None:
            return "out_of_order"
        expected = self._token(flow, flow.session)
        if not is_own_form(request, form, self._services.settings.issuer, expected_token=expected):
            return "foreign_form"
        return None if form.get("decision") in ("allow", "deny") else "empty_form"

    def _token(self, flow: Flow, session: LiveSession) -> str:
        return form_token(self._services.form_key, PURPOSE, flow.digest, session.id)

    def _question(
        self, request: Request, flow: Flow, authorize: AuthorizeRequest, session: LiveSession, person: Person
    ) -> Response:
        services = self._services
        client = services.catalogue.find_client(authorize.client_id)
        api = services.catalogue.find_api(authorize.audience)
        # Asked again although all was allowed (`prompt=consent`): then all of it is shown.
        asked = flow.missing or authorize.asked_scopes
        described = api.scopes if api else {}
        back_to = urlsplit(authorize.redirect_uri)
        return services.pages.render(
            request,
            "consent.html",
            pending_authorization=True,
            ui_locales=flow.ui_locales,
            client_name=client.name if client else authorize.client_id,
            standard_scopes=[scope for scope in asked if scope in STANDARD_SCOPES],
            api_scopes=[ApiScope(scope, described.get(scope, "")) for scope in asked if scope not in STANDARD_SCOPES],
            api_name=api.name if api else authorize.audience,
            return_host=back_to.hostname or back_to.scheme,
            person=person,
            form_token=self._token(flow, session),
        )
