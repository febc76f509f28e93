"""`/signin`: the form, and what happens when it is sent."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.cookies import set_cookie
from base.forms import Form, FormRefused
from base.request import read_form
from base.secret_values import digest
from identity.form_tokens import form_token
from identity.password_hashes import HashPoolBusy
from identity.services import Services, origin_of
from identity.sessions import find_live
from identity.signin.address_limits import find_begin_wait, find_wait
from identity.signin.attempt import new_attempt, store_attempt
from identity.signin.browser_facts import note_browser_facts
from identity.signin.complete import complete_signin
from identity.signin.flow import Flow, load_flow, respond, too_many_page
from identity.signin.password_step import NotProven, ProvenPassword, find_account, prove_password
from identity.signin.paths import path_of
from identity.signin.slowing import answer_late, count_typed
from identity.signin.state import Asked, Enrol, Prove, SignIn
from identity.signin.step_pages import finish, is_own_step, refuse_step, wait_page
from identity.signin.turnstile import Turnstile, TurnstileBusy

PURPOSE = "signin"
# Steps at which a password is a new beginning: all but consent, which is about whoever is signed in.
Beginnable = SignIn | Prove | Enrol
# 403: credentials were given and are not enough (RFC 9110 §15.5.4).
_STATUS = {None: 200, "empty": 400, "refused": 403}


class SigninPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turnstile = Turnstile()

    async def show(self, request: Request) -> Response:
        """GET /signin: the form, or wherever the flow of this browser has gone."""
        services = self._services
        flow = await load_flow(services, request, now=services.clock())
        if flow is None:
            return await self._begin_without_application(request)
        # Whoever is asked for a second factor may begin again as somebody else; looking at the form changes nothing.
        if isinstance(flow.step, SignIn) or (isinstance(flow.step, Beginnable) and "again" in request.query_params):
            return self._form(request, flow)
        if isinstance(flow.step, Asked):
            return RedirectResponse(path_of(flow.step), 303)
        return await finish(services, request)

    async def submit(self, request: Request) -> Response:
        """POST /signin: signs the person in, or says that it did not work, in the same words whatever was wrong."""
        began = asyncio.get_running_loop().time()
        services = self._services
        try:
            form = await read_form(request)
        except FormRefused:
            form = Form({}, {})
        flow = await load_flow(services, request, now=services.clock())
        if flow is None or not is_own_step(services, request, form, flow, PURPOSE):
            return await refuse_step(services, request, flow, "foreign_form")
        if not isinstance(flow.step, Beginnable):
            return await refuse_step(services, request, flow, "out_of_order")
        if "username" not in form or "password" not in form:
            await refuse_step(services, request, flow, "empty_form")
            return self._form(request, flow, fault="empty")
        wait_s = await find_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            await refuse_step(services, request, flow, "address_limit")
            return wait_page(services, request, 429, wait_s, flow.attempt.request)
        note_browser_facts(request, form)
        try:
            return await self._prove(request, flow, form, began)
        except HashPoolBusy as busy:
            return wait_page(services, request, 503, busy.retry_after_s, flow.attempt.request)
        except TurnstileBusy:
            return wait_page(services, request, 503, 1, flow.attempt.request)

    async def _prove(self, request: Request, flow: Flow, form: Form, began: float) -> Response:
        services, origin, authorize = self._services, origin_of(request), flow.attempt.request
        account = await find_account(services, request, form["username"])
        turn = None
        # The place is held until a right password has released the counter again.
        async with self._turnstile.pass_through(account.counter):
            client_id = authorize.client_id if authorize else None
            proven = await prove_password(services, account, form["password"], client_id=client_id, origin=origin)
            if isinstance(proven, ProvenPassword):
                keep = form.get("keep") == "yes"
                turn = await complete_signin(services, request, flow.digest, proven, keep=keep, origin=origin)
        if isinstance(proven, NotProven):
            failures = await count_typed(services, account.typed_digest)
            await answer_late(began, services.settings.refusal_deadline, failures)
            return self._form(request, flow, fault="refused")
        if turn is None:
            return await refuse_step(services, request, flow, "replayed")
        return respond(services, request, turn)

    async def _begin_without_application(self, request: Request) -> Response:
        services, now = self._services, self._services.clock()
        if await find_live(services, request) is not None:
            return RedirectResponse("/", 303)
        wait_s = await find_begin_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            return too_many_page(services, request, wait_s, None)
        attempt = new_attempt(None, ttl=services.settings.attempt_ttl, now=now)
        async with services.database.transaction() as db:
            cookie = await store_attempt(db, attempt)
        page = self._form(request, Flow(digest(cookie), attempt, None, SignIn()))
        set_cookie(page, services.settings, "flow", cookie)
        return page

    def _form(self, request: Request, flow: Flow, *, fault: str | None = None) -> Response:
        """The form. What was typed is not shown again: people type passwords into the other field (S46)."""
        services, authorize = self._services, flow.attempt.request
        client = services.catalogue.find_client(authorize.client_id) if authorize else None
        return services.pages.render(
            request,
            "signin.html",
            status=_STATUS[fault],
            pending_authorization=authorize is not None,
            own_script=True,
            ui_locales=flow.ui_locales,
            client_name=client.name if client else None,
            username=(authorize.login_hint or "") if authorize else "",
            fault=fault,
            is_again=flow.session is not None,
            keeps=bool(services.settings.session_keep),
            is_kept=flow.session is not None and flow.session.keep,
            recovers=services.settings.has_mail,
            registers=services.settings.open_registration,
            form_token=form_token(services.form_key, PURPOSE, flow.digest),
        )
