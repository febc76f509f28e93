"""`/enrol/totp`: a QR code for an authenticator app, and a code of the app that proves it."""

from starlette.requests import Request
from starlette.responses import Response

from audit.catalogue import MFA_FAILED
from audit.record import Event
from base.forms import Form, FormRefused
from base.ids import PERSON, show_id
from base.request import read_form
from identity.accounts import find_person
from identity.enrolling import Enrolling, find_enrolling
from identity.errors import Refused
from identity.factors.codes_view import own_locales
from identity.factors.enrolled import Enrolled, EnrolmentVoid, respond_enrolled, settle_enrolment
from identity.factors.qr import draw_qr
from identity.factors.registry import parse_label
from identity.factors.totp import group_secret, otpauth_link
from identity.factors.totp_store import PendingTotp, confirm_pending, find_pending, load_pending
from identity.form_tokens import form_token, is_own_form
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.signin.step_pages import refuse_step

PURPOSE = "enrol totp"
_DEFAULT_LABEL = "Authenticator app"


class TotpPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET: the QR code. A reload shows the same one."""
        enrolling = await find_enrolling(self._services, request, "totp")
        return enrolling if isinstance(enrolling, Response) else await self._form(request, enrolling)

    async def submit(self, request: Request) -> Response:
        """POST `code`, `label`: adds the app, and goes on with the sign-in or back to the account's page."""
        services = self._services
        try:
            form = await read_form(request)
        except FormRefused:
            form = Form({}, {})
        # Looked at before the transaction, which the way to a fresh sign-in would wait for.
        enrolling = await find_enrolling(services, request, "totp")
        if isinstance(enrolling, Response):
            return enrolling
        if not self._is_own(request, form, enrolling):
            return await refuse_step(services, request, enrolling.flow, "foreign_form")
        if "code" not in form:
            await refuse_step(services, request, enrolling.flow, "empty_form")
            return await self._form(request, enrolling, fault="empty", label=form.get("label", ""))
        try:
            language = services.pages.language_of(request, _locales(enrolling))
            done = await self._enrol(request, form, otherwise=services.pages.translate(language, _DEFAULT_LABEL))
        except Refused as refused:
            return await self._form(
                request, enrolling, fault=refused.message, at=refused.field, label=form.get("label", "")
            )
        except EnrolmentVoid:
            return await refuse_step(services, request, enrolling.flow, "finished")
        if isinstance(done, Response):
            return done
        if isinstance(done, str):
            if done == "wrong":
                await record_refusal(services, _failed_event(enrolling, request))
            return await self._form(request, enrolling, fault=done, label=form.get("label", ""))
        return await respond_enrolled(services, request, done)

    async def _enrol(self, request: Request, form: Form, *, otherwise: str) -> Enrolled | Response | str:
        """What came of it; a text names what was wrong with the code. Without a label the app is called `otherwise`."""
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        label = parse_label(form.get("label", ""), otherwise=otherwise)
        async with services.database.transaction() as db:
            enrolling = await find_enrolling(services, request, "totp", lock_in=db)
            if isinstance(enrolling, Response):
                return enrolling
            if not self._is_own(request, form, enrolling):
                raise EnrolmentVoid
            person_id = enrolling.standing.id
            pending = await find_pending(db, services, person_id, enrolling.binding, now=now)
            if pending is None:
                return "expired"
            is_first = await confirm_pending(
                db, services, person_id, pending, form["code"], label=label, now=now, origin=origin
            )
            if is_first is None:
                return "wrong"
            return await settle_enrolment(
                db, services, request, enrolling, "totp", is_first=is_first, now=now, origin=origin
            )

    def _is_own(self, request: Request, form: Form, enrolling: Enrolling) -> bool:
        expected = form_token(self._services.form_key, PURPOSE, enrolling.binding)
        return is_own_form(request, form, self._services.settings.issuer, expected_token=expected)

    async def _form(
        self, request: Request, enrolling: Enrolling, *, fault: str | None = None, at: str = "code", label: str = ""
    ) -> Response:
        services, flow = self._services, enrolling.flow
        async with services.database.transaction() as db:
            pending = await load_pending(db, services, enrolling.standing.id, enrolling.binding, now=services.clock())
            person = await find_person(db, enrolling.standing.id)
        language = services.pages.language_of(request, _locales(enrolling))
        link = self._link(pending, person.login if person else "")
        return services.pages.render(
            request,
            "factor_totp.html",
            status=400 if fault else 200,
            pending_authorization=flow is not None and flow.attempt.request is not None,
            ui_locales=_locales(enrolling),
            qr=draw_qr(link),
            link=link,
            key=group_secret(pending.secret),
            digits=pending.parameters.digits,
            fault=fault,
            fault_at=at if fault else "",
            words=services.pages.translate(language, fault) if fault else None,
            label=label,
            in_signin=flow is not None,
            form_token=form_token(services.form_key, PURPOSE, enrolling.binding),
        )

    def _link(self, pending: PendingTotp, account: str) -> str:
        issuer = self._services.settings.service_name
        return otpauth_link(pending.secret, pending.parameters, issuer=issuer, account=account)


def _locales(enrolling: Enrolling) -> tuple[str, ...]:
    return enrolling.flow.ui_locales if enrolling.flow else own_locales(enrolling.standing)


def _failed_event(enrolling: Enrolling, request: Request) -> Event:
    actor = show_id(PERSON, enrolling.standing.id)
    return Event(
        type=MFA_FAILED,
        actor=actor,
        outcome="failure",
        subject=actor,
        person=enrolling.standing.id,
        origin=origin_of(request),
        data={"method": "totp", "reason": "not_confirmed"},
    )
