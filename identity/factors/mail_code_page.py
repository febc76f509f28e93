"""`/signin/mail-code`: a code sent to the person's mail address, where the deployment takes that for a second step."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.catalogue import MFA_FAILED, MFA_REFUSED
from audit.record import Event, Origin
from base.forms import Form
from base.ids import PERSON, show_id
from identity.accounts import find_person
from identity.factors import mail_code
from identity.factors.code_page import CodePage
from identity.factors.code_step import CodeKind, find_device_of, is_account_locked, is_asked
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.signin.flow import Flow, load_flow
from identity.signin.paths import PROVING
from identity.signin.step_pages import refuse_step
from identity.values import SigninAttempt, Standing


async def _look_at_mail_code(
    db: AsyncConnection,
    services: Services,
    attempt: SigninAttempt,
    standing: Standing,
    typed: str,
    now: datetime,
    _origin: Origin,
) -> str | None:
    return await mail_code.accept_code(db, services, attempt, standing.id, typed, now=now)


MAIL_CODE = CodeKind("mail_code", MFA_FAILED, _look_at_mail_code)


class MailCodePage(CodePage):
    """The page for one deployment: first a button that sends a code, then the field for it."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, MAIL_CODE)

    def _find_empty(self, form: Form) -> str | None:
        return None if form.get("action") == "send" else super()._find_empty(form)

    async def _take(self, request: Request, flow: Flow, standing: Standing, form: Form, began: float) -> Response:
        if form.get("action") == "send":
            return await self._send(request, flow, standing)
        return await super()._take(request, flow, standing, form, began)

    async def _send(self, request: Request, flow: Flow, standing: Standing) -> Response:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        device_id = await find_device_of(services, request, standing.id)
        # Nobody gets letters about a door that is closed anyway.
        if await is_account_locked(services, standing.id, device_id):
            return await self._refuse(request, flow, standing, "account_locked", "refused")
        if not await mail_code.may_send(services, flow.attempt, standing.id, now=now):
            return await self._refuse(request, flow, standing, "mail_limit", "too_many")
        language = services.pages.language_of(request, flow.ui_locales)
        async with services.database.transaction() as db:
            locked = await load_flow(services, request, now=now, lock_in=db)
            person = await find_person(db, standing.id)
            if locked is None or person is None or not is_asked(locked, "mail_code"):
                is_sent = None
            else:
                is_sent = await mail_code.send_code(
                    db, services, locked.attempt, person, language=language, now=now, origin=origin
                )
        if is_sent is None:
            return await refuse_step(services, request, flow, "replayed")
        if not is_sent:
            return await self._refuse(request, flow, standing, "no_address", "no_address")
        return RedirectResponse(PROVING["mail_code"], 303, {"Cache-Control": "no-store"})

    async def _refuse(self, request: Request, flow: Flow, standing: Standing, reason: str, fault: str) -> Response:
        actor = show_id(PERSON, standing.id)
        event = Event(
            type=MFA_REFUSED,
            actor=actor,
            outcome="denied",
            subject=actor,
            person=standing.id,
            origin=origin_of(request),
            data={"method": "mail_code", "reason": reason},
        )
        await record_refusal(self._services, event)
        return await self._form(request, flow, fault=fault)

    async def _form(
        self, request: Request, flow: Flow, *, fault: str | None = None, address: str = "", sent: bool = False
    ) -> Response:
        services, known = self._services, None
        if flow.standing is not None:
            async with services.database.reading() as db:
                person = await find_person(db, flow.standing.id)
                sent = await mail_code.is_sent(db, services, flow.attempt, now=services.clock())
            known = mail_code.address_of(person) if person else None
        address = mail_code.mask_address(known) if known else ""
        return await super()._form(request, flow, fault=fault, address=address, sent=sent)
