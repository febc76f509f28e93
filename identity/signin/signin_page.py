"""`/signin`: the form, and what happens when it is sent."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.cookies import set_cookie
from base.forms import Form, FormRefused
from base.request import read_form
from base.secret_values import digest
from identity.form_tokens import form_token, is_own_form
from identity.password_hashes import HashPoolBusy
from identity.services import Services, origin_of
from identity.sessions import find_live
from identity.signin.address_limits import find_wait
from identity.signin.attempt import new_attempt, store_attempt
from identity.signin.complete import complete_signin
from identity.signin.flow import Flow, load_flow, respond
from identity.signin.password_step import find_account, prove_password
from identity.signin.state import Consent, SignIn
from identity.signin.step_pages import finish, refuse_step, wait_page
from identity.signin.turnstile import Turnstile, TurnstileBusy
from identity.values import AuthorizeRequest

PURPOSE = "signin"
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
        match flow.step:
            case SignIn():
                return self._form(request, flow.digest, flow.attempt.request)
            case Consent():
                return RedirectResponse("/consent", 303)
            case _:
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
        if flow is None or not self._is_own(request, form, flow):
            return await refuse_step(services, request, flow, "foreign_form")
        if not isinstance(flow.step, SignIn):
            return await refuse_step(services, request, flow, "out_of_order")
        if "username" not in form or "password" not in form:
            await refuse_step(services, request, flow, "empty_form")
            return self._form(request, flow.digest, flow.attempt.request, fault="empty")
        wait_s = await find_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            await refuse_step(services, request, flow, "address_limit")
            return wait_page(services, request, 429, wait_s, flow.attempt.request)
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
            if proven is not None:
                turn = await complete_signin(services, request, flow.digest, proven, origin=origin)
        if proven is None:
            await self._wait_for_deadline(began)
            return self._form(request, flow.digest, authorize, fault="refused")
        if turn is None:
            return await refuse_step(services, request, flow, "replayed")
        return respond(services, request, turn)

    async def _wait_for_deadline(self, began: float) -> None:
        """Answers every refusal equally late, so that time does not tell what was wrong (S22)."""
        deadline = began + self._services.settings.refusal_deadline.total_seconds()
        await asyncio.sleep(max(0.0, deadline - asyncio.get_running_loop().time()))

    async def _begin_without_application(self, request: Request) -> Response:
        services, now = self._services, self._services.clock()
        if await find_live(services, request) is not None:
            return RedirectResponse("/", 303)
        attempt = new_attempt(None, ttl=services.settings.attempt_ttl, now=now)
        async with services.database.transaction() as db:
            cookie = await store_attempt(db, attempt)
        page = self._form(request, digest(cookie), None)
        set_cookie(page, services.settings, "flow", cookie)
        return page

    def _is_own(self, request: Request, form: Form, flow: Flow) -> bool:
        expected = form_token(self._services.form_key, PURPOSE, flow.digest)
        return is_own_form(request, form, self._services.settings.issuer, expected_token=expected)

    def _form(
        self, request: Request, flow_digest: bytes, authorize: AuthorizeRequest | None, *, fault: str | None = None
    ) -> Response:
        """The form. What was typed is not shown again: people type passwords into the other field (S46)."""
        client = self._services.catalogue.find_client(authorize.client_id) if authorize else None
        return self._services.pages.render(
            request,
            "signin.html",
            status=_STATUS[fault],
            pending_authorization=authorize is not None,
            ui_locales=authorize.ui_locales if authorize else (),
            client_name=client.name if client else None,
            username=(authorize.login_hint or "") if authorize else "",
            fault=fault,
            form_token=form_token(self._services.form_key, PURPOSE, flow_digest),
        )
