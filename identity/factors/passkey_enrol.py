"""`/enrol/passkey`: a new passkey for whoever may add a factor here and now (S29)."""

from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response

from audit.catalogue import MFA_FAILED
from audit.record import Event
from base.forms import Form
from base.ids import PERSON, show_id
from identity.accounts import find_person
from identity.enrolling import Enrolling, find_enrolling
from identity.errors import Refused
from identity.factors.codes_view import own_locales
from identity.factors.enrolled import Enrolled, EnrolmentVoid, respond_enrolled, settle_enrolment
from identity.factors.passkey_names import name_of
from identity.factors.passkey_options import find_wait, read_fields, refuse_options, show_options
from identity.factors.passkey_store import (
    ENROLLING,
    add_passkey,
    handle_of,
    list_descriptors,
    make_challenge,
    spend_challenge,
)
from identity.factors.passkey_values import Account, NewPasskey, PasskeyRefused, parse_answer
from identity.factors.passkeys import creation_options, relying_party, verify_registration
from identity.factors.registry import parse_label
from identity.form_tokens import form_token, is_own_form
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.signin.step_pages import refuse_step

PATH = "/enrol/passkey"
PURPOSE = "enrol passkey"
_KNOWN = "This passkey is registered already."


class PasskeyEnrolPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET: the button that asks the browser for a passkey."""
        enrolling = await find_enrolling(self._services, request, "passkey")
        return enrolling if isinstance(enrolling, Response) else self._page(request, enrolling)

    async def options(self, request: Request) -> Response:
        """POST `…/options`: what the browser is asked for, with a challenge for this browser and person alone."""
        services = self._services
        form = await read_fields(request)
        enrolling = await find_enrolling(services, request, "passkey")
        if isinstance(enrolling, Response):
            return refuse_options(403)
        if not self._is_own(request, form, enrolling):
            await refuse_step(services, request, enrolling.flow, "foreign_form")
            return refuse_options(400)
        wait_s = await find_wait(services, request)
        if wait_s is not None:
            return refuse_options(429, retry_after_s=wait_s)
        person_id, now = enrolling.standing.id, services.clock()
        async with services.database.transaction() as db:
            challenge = await make_challenge(db, ENROLLING, enrolling.binding, person_id=person_id, now=now)
            known = await list_descriptors(db, person_id)
            person = await find_person(db, person_id)
        if person is None:
            return refuse_options(403)
        account = Account(handle_of(services.emitter, person_id), person.login, person.shown_name)
        party = relying_party(services.settings)
        return show_options(creation_options(party, account, challenge=challenge, known=known))

    async def submit(self, request: Request) -> Response:
        """POST `credential`, `label`: adds the passkey, and goes on with the sign-in or back to the account's page."""
        services = self._services
        form = await read_fields(request)
        # Looked at before the transaction, which the way to a fresh sign-in would wait for.
        enrolling = await find_enrolling(services, request, "passkey")
        if isinstance(enrolling, Response):
            return enrolling
        if not self._is_own(request, form, enrolling):
            return await refuse_step(services, request, enrolling.flow, "foreign_form")
        if "credential" not in form:
            await refuse_step(services, request, enrolling.flow, "empty_form")
            return self._page(request, enrolling, fault="refused", label=form.get("label", ""))
        try:
            new = await self._verify(enrolling, form["credential"])
            done = await self._enrol(request, form, new, otherwise=self._translate(request, enrolling, "Passkey"))
        except PasskeyRefused as refused:
            await record_refusal(services, _failed_event(enrolling, request, refused.reason))
            return self._page(request, enrolling, fault="refused", label=form.get("label", ""))
        except Refused as refused:
            return self._page(request, enrolling, fault=refused.message, at=refused.field, label=form.get("label", ""))
        except IntegrityError:
            return self._page(request, enrolling, fault=_KNOWN, label=form.get("label", ""))
        except EnrolmentVoid:
            return await refuse_step(services, request, enrolling.flow, "finished")
        return done if isinstance(done, Response) else await respond_enrolled(services, request, done)

    async def _verify(self, enrolling: Enrolling, text: str) -> NewPasskey:
        """The passkey that the browser made; its challenge is spent, whatever comes of it. Raises PasskeyRefused."""
        services, answer = self._services, parse_answer(text)
        async with services.database.transaction() as db:
            is_ours = await spend_challenge(
                db,
                ENROLLING,
                answer.challenge,
                enrolling.binding,
                person_id=enrolling.standing.id,
                now=services.clock(),
            )
        if not is_ours:
            raise PasskeyRefused("unknown_challenge")
        return verify_registration(answer, relying_party(services.settings), expected_challenge=answer.challenge)

    async def _enrol(self, request: Request, form: Form, new: NewPasskey, *, otherwise: str) -> Enrolled | Response:
        """What came of it; a passkey of an unknown maker is called `otherwise`, where the person gave no name."""
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        label = parse_label(form.get("label", ""), otherwise=name_of(new.aaguid) or otherwise)
        async with services.database.transaction() as db:
            enrolling = await find_enrolling(services, request, "passkey", lock_in=db)
            if isinstance(enrolling, Response):
                return enrolling
            if not self._is_own(request, form, enrolling):
                raise EnrolmentVoid
            is_first = await add_passkey(db, services, enrolling.standing.id, new, label=label, now=now, origin=origin)
            return await settle_enrolment(
                db, services, request, enrolling, new.kind, is_first=is_first, now=now, origin=origin
            )

    def _is_own(self, request: Request, form: Form, enrolling: Enrolling) -> bool:
        expected = form_token(self._services.form_key, PURPOSE, enrolling.binding)
        return is_own_form(request, form, self._services.settings.issuer, expected_token=expected)

    def _translate(self, request: Request, enrolling: Enrolling, words: str) -> str:
        pages = self._services.pages
        return pages.translate(pages.language_of(request, _locales(enrolling)), words)

    def _page(
        self, request: Request, enrolling: Enrolling, *, fault: str | None = None, at: str = "", label: str = ""
    ) -> Response:
        services, flow = self._services, enrolling.flow
        return services.pages.render(
            request,
            "factor_passkey_enrol.html",
            status=400 if fault else 200,
            pending_authorization=flow is not None and flow.attempt.request is not None,
            own_script=True,
            ui_locales=_locales(enrolling),
            fault=fault,
            is_about_label=at == "label",
            words=self._translate(request, enrolling, fault) if fault else None,
            label=label,
            in_signin=flow is not None,
            form_token=form_token(services.form_key, PURPOSE, enrolling.binding),
        )


def _locales(enrolling: Enrolling) -> tuple[str, ...]:
    return enrolling.flow.ui_locales if enrolling.flow else own_locales(enrolling.standing)


def _failed_event(enrolling: Enrolling, request: Request, reason: str) -> Event:
    actor = show_id(PERSON, enrolling.standing.id)
    return Event(
        type=MFA_FAILED,
        actor=actor,
        outcome="failure",
        subject=actor,
        person=enrolling.standing.id,
        origin=origin_of(request),
        data={"method": "passkey", "reason": reason},
    )
