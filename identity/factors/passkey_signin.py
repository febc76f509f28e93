"""`/signin/passkey`: a passkey instead of name and password, or as the second step of a sign-in."""

import asyncio
import math

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.forms import Form
from identity.accounts import find_person
from identity.factors.code_page import is_unusual, other_ways
from identity.factors.code_step import NotAccepted
from identity.factors.passkey_options import find_wait, read_fields, refuse_options, show_options
from identity.factors.passkey_step import known_person, take_passkey, wanted_kinds
from identity.factors.passkey_store import SIGNING_IN, list_descriptors, make_challenge
from identity.factors.passkeys import relying_party, request_options
from identity.form_tokens import form_token
from identity.services import Services
from identity.signin import address_limits
from identity.signin.browser_facts import note_browser_facts
from identity.signin.flow import Flow, load_flow, respond
from identity.signin.paths import PROVING, path_of
from identity.signin.signin_page import PURPOSE
from identity.signin.slowing import answer_late
from identity.signin.state import Asked, Prove
from identity.signin.step_pages import finish, is_own_step, refuse_step, wait_page

PATH = PROVING["passkey"]
# 403: credentials were given and are not enough (RFC 9110 §15.5.4).
_STATUS = {None: 200, "empty": 400, "refused": 403}


class PasskeySigninPage:
    """The page for one deployment. Its form is a part of the sign-in page as well, so both have one token."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET: the button that asks the browser for a passkey, or wherever the flow of this browser has gone."""
        services = self._services
        flow = await load_flow(services, request, now=services.clock())
        if flow is None:
            return RedirectResponse("/signin", 303)
        if not isinstance(flow.step, Asked):
            return await finish(services, request)
        if not wanted_kinds(flow):
            return RedirectResponse(path_of(flow.step), 303)
        return await self._page(request, flow)

    async def options(self, request: Request) -> Response:
        """POST `…/options`: what the browser is asked for. The same for everybody, until a person is known (S22)."""
        services = self._services
        form = await read_fields(request)
        flow = await load_flow(services, request, now=services.clock())
        if flow is None or not self._is_own(request, form, flow):
            await refuse_step(services, request, flow, "foreign_form")
            return refuse_options(400)
        kinds = wanted_kinds(flow)
        if not kinds:
            await refuse_step(services, request, flow, "out_of_order")
            return refuse_options(403)
        wait_s = await find_wait(services, request)
        if wait_s is not None:
            return refuse_options(429, retry_after_s=wait_s)
        person_id, now = known_person(flow), services.clock()
        async with services.database.transaction() as db:
            challenge = await make_challenge(db, SIGNING_IN, flow.digest, person_id=person_id, now=now)
            known = await list_descriptors(db, person_id, kinds) if person_id is not None else []
        return show_options(request_options(relying_party(services.settings), challenge=challenge, known=known))

    async def submit(self, request: Request) -> Response:
        """POST `credential`: takes the answer, or says that it did not work, in the same words whatever was wrong."""
        began = asyncio.get_running_loop().time()
        services = self._services
        form = await read_fields(request)
        flow = await load_flow(services, request, now=services.clock())
        if flow is None or not self._is_own(request, form, flow):
            return await refuse_step(services, request, flow, "foreign_form")
        if not wanted_kinds(flow):
            return await refuse_step(services, request, flow, "out_of_order")
        if "credential" not in form:
            await refuse_step(services, request, flow, "empty_form")
            return await self._page(request, flow, fault="empty")
        wait_s = await address_limits.find_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            await refuse_step(services, request, flow, "address_limit")
            return wait_page(services, request, 429, wait_s, flow.attempt.request)
        note_browser_facts(request, form)
        keep, remember = form.get("keep") == "yes", form.get("remember") == "yes" and self._remember_days > 0
        taken = await take_passkey(services, request, flow, form["credential"], keep=keep, remember=remember)
        if taken is None:
            return await refuse_step(services, request, flow, "replayed")
        if isinstance(taken, NotAccepted):
            await answer_late(began, services.settings.refusal_deadline, taken.failures)
            return await self._page(request, flow, fault="refused")
        return respond(services, request, taken)

    @property
    def _remember_days(self) -> int:
        return math.ceil(self._services.settings.remember_device.total_seconds() / 86400)

    def _is_own(self, request: Request, form: Form, flow: Flow) -> bool:
        return is_own_step(self._services, request, form, flow, PURPOSE)

    async def _page(self, request: Request, flow: Flow, *, fault: str | None = None) -> Response:
        services, authorize, person = self._services, flow.attempt.request, None
        person_id = known_person(flow)
        if person_id is not None:
            async with services.database.reading() as db:
                person = await find_person(db, person_id)
        client = services.catalogue.find_client(authorize.client_id) if authorize else None
        return services.pages.render(
            request,
            "factor_passkey.html",
            status=_STATUS[fault],
            pending_authorization=authorize is not None,
            own_script=True,
            ui_locales=flow.ui_locales,
            person=person,
            client_name=client.name if client else None,
            others=other_ways(flow, "passkey"),
            keeps=person is None and bool(services.settings.session_keep),
            remember_days=self._remember_days if isinstance(flow.step, Prove) else 0,
            is_unusual=person is not None and is_unusual(flow),
            fault=fault,
            form_token=form_token(services.form_key, PURPOSE, flow.digest),
        )
