"""`/signin/totp` and `/signin/backup-code`: a code as the second step of a sign-in."""

import asyncio
import math
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.catalogue import BACKUP_CODE_FAILED, MFA_FAILED
from audit.record import Origin
from base.forms import Form, FormRefused
from base.request import read_form
from identity.accounts import find_person
from identity.factors import backup_codes, totp_store
from identity.factors.code_step import CodeKind, NotAccepted, is_asked, take_code
from identity.form_tokens import form_token
from identity.services import Services
from identity.signin.address_limits import find_wait
from identity.signin.browser_facts import note_browser_facts
from identity.signin.flow import Flow, load_flow, respond
from identity.signin.paths import PROVING, path_of
from identity.signin.slowing import answer_late
from identity.signin.state import Asked, Prove
from identity.signin.step_pages import finish, is_own_step, refuse_step, wait_page
from identity.values import SigninAttempt, Standing

_AT_RISK = frozenset({"risk_high", "risk_critical"})
# 403: credentials were given and are not enough (RFC 9110 §15.5.4).
STATUS = {None: 200, "empty": 400, "refused": 403, "too_many": 429, "no_address": 403}


async def _look_at_totp(
    db: AsyncConnection,
    services: Services,
    _attempt: SigninAttempt,
    standing: Standing,
    typed: str,
    now: datetime,
    _origin: Origin,
) -> str | None:
    return await totp_store.accept_code(db, services, standing.id, typed, now=now)


async def _look_at_backup_code(
    db: AsyncConnection,
    services: Services,
    _attempt: SigninAttempt,
    standing: Standing,
    typed: str,
    now: datetime,
    origin: Origin,
) -> str | None:
    left = await backup_codes.spend_code(db, services, standing.id, typed, now=now, origin=origin)
    return "wrong_code" if left is None else None


TOTP = CodeKind("totp", MFA_FAILED, _look_at_totp)
BACKUP_CODE = CodeKind("backup_code", BACKUP_CODE_FAILED, _look_at_backup_code)


class CodePage:
    """The page of one kind of code for one deployment."""

    def __init__(self, services: Services, kind: CodeKind) -> None:
        self._services = services
        self._kind = kind
        self._purpose = f"signin {kind.method}"

    async def show(self, request: Request) -> Response:
        """GET: the form, or wherever the flow of this browser has gone."""
        services = self._services
        flow = await load_flow(services, request, now=services.clock())
        if flow is None:
            return RedirectResponse("/signin", 303)
        if not isinstance(flow.step, Asked):
            return await finish(services, request)
        if not is_asked(flow, self._kind.method):
            return RedirectResponse(path_of(flow.step), 303)
        return await self._form(request, flow)

    async def submit(self, request: Request) -> Response:
        """POST: takes the code, or says that it did not work, in the same words whatever was wrong."""
        began = asyncio.get_running_loop().time()
        services = self._services
        try:
            form = await read_form(request)
        except FormRefused:
            form = Form({}, {})
        flow = await load_flow(services, request, now=services.clock())
        if flow is None or not is_own_step(services, request, form, flow, self._purpose):
            return await refuse_step(services, request, flow, "foreign_form")
        if not is_asked(flow, self._kind.method) or flow.standing is None:
            return await refuse_step(services, request, flow, "out_of_order")
        note_browser_facts(request, form)
        fault = self._find_empty(form)
        if fault is not None:
            await refuse_step(services, request, flow, "empty_form")
            return await self._form(request, flow, fault=fault)
        wait_s = await find_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            await refuse_step(services, request, flow, "address_limit")
            return wait_page(services, request, 429, wait_s, flow.attempt.request)
        return await self._take(request, flow, flow.standing, form, began)

    def _find_empty(self, form: Form) -> str | None:
        """What is missing in the form, or None."""
        return None if "code" in form else "empty"

    async def _take(self, request: Request, flow: Flow, standing: Standing, form: Form, began: float) -> Response:
        services = self._services
        remember = form.get("remember") == "yes" and self._remember_days > 0
        taken = await take_code(services, request, self._kind, standing, form["code"], remember=remember)
        if taken is None:
            return await refuse_step(services, request, flow, "replayed")
        if isinstance(taken, NotAccepted):
            await answer_late(began, services.settings.refusal_deadline, taken.failures)
            return await self._form(request, flow, fault="refused")
        return respond(services, request, taken)

    @property
    def _remember_days(self) -> int:
        """For how many days a browser may be remembered after this kind of code; 0 for not at all."""
        if self._kind.method != "totp":
            return 0
        return math.ceil(self._services.settings.remember_device.total_seconds() / 86400)

    async def _form(
        self, request: Request, flow: Flow, *, fault: str | None = None, address: str = "", sent: bool = False
    ) -> Response:
        services, authorize = self._services, flow.attempt.request
        person = None
        if flow.standing is not None:
            async with services.database.reading() as db:
                person = await find_person(db, flow.standing.id)
        client = services.catalogue.find_client(authorize.client_id) if authorize else None
        return services.pages.render(
            request,
            "factor_code.html",
            status=STATUS[fault],
            pending_authorization=authorize is not None,
            own_script=True,
            ui_locales=flow.ui_locales,
            method=self._kind.method,
            action=PROVING[self._kind.method],
            person=person,
            client_name=client.name if client else None,
            others=other_ways(flow, self._kind.method),
            remember_days=self._remember_days,
            is_unusual=is_unusual(flow),
            fault=fault,
            form_token=form_token(services.form_key, self._purpose, flow.digest),
            address=address,
            sent=sent,
        )


def is_unusual(flow: Flow) -> bool:
    """Whether more is asked for because of the score, which the person is told."""
    decision = flow.attempt.decision
    return decision is not None and not _AT_RISK.isdisjoint(decision.reasons)


def other_ways(flow: Flow, method: str) -> dict[str, str]:
    """The pages of the other methods that would do, by one method of each."""
    ways: dict[str, str] = {}
    for other in flow.step.methods if isinstance(flow.step, Prove) else ():
        ways.setdefault(PROVING[other], other)
    ways.pop(PROVING[method], None)
    return ways
