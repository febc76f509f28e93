"""`/register`: anyone may ask for an account, where the deployment lets them; the mailbox alone is told more (S22)."""

import asyncio
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from audit.catalogue import LINK_NOT_TAKEN, REGISTRATION_ASKED
from audit.record import Event, Origin
from identity.accounts import find_person_by_login
from identity.mail.letter_values import Fact, LetterKind
from identity.mail.notices import send_letter
from identity.names import EmailAddress, InvalidName, normalise_email
from identity.person_values import Person
from identity.recovery.browsers import Browser, browser_token, find_browser, hand_cookie, is_own, meet_browser
from identity.recovery.invitations import Invitation, make_invitation
from identity.recovery.limits import may_send
from identity.recovery.link_page import go_to, read_posted
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.signin.address_limits import find_wait
from identity.signin.slowing import answer_late
from identity.signin.step_pages import wait_page

PURPOSE = "register"


class RegisterPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET /register"""
        if not self._is_open:
            return self._closed(request)
        browser = await meet_browser(self._services, request)
        return hand_cookie(self._services, self._form(request, browser), browser)

    async def submit(self, request: Request) -> Response:
        """POST /register: a letter goes out, whoever has the address; which one, the answer does not tell."""
        began = asyncio.get_running_loop().time()
        services, form = self._services, await read_posted(request)
        if not self._is_open:
            return self._closed(request)
        browser = await find_browser(services, request)
        if browser is None or not is_own(services, request, form, PURPOSE, browser):
            await self._refuse(request, "foreign_form")
            return go_to("/register")
        typed = form.get("email", "").strip()
        try:
            address = normalise_email(typed)
        except InvalidName as invalid:
            await self._refuse(request, "faulty_address")
            return self._form(request, browser, typed=typed, fault=invalid.fault.text)
        wait_s = await find_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            await self._refuse(request, "address_limit")
            return wait_page(services, request, 429, wait_s, None)
        language = services.pages.language_of(request, browser.ui_locales)
        await self._ask(address, language=language, now=services.clock(), origin=origin_of(request))
        await answer_late(began, services.settings.refusal_deadline, 0)
        return go_to("/register/sent")

    async def show_sent(self, request: Request) -> Response:
        """GET /register/sent"""
        if not self._is_open:
            return self._closed(request)
        return self._services.pages.render(request, "recovery_registered.html")

    @property
    def _is_open(self) -> bool:
        # Without mail nobody could show that an address is theirs.
        return self._services.settings.open_registration and self._services.settings.has_mail

    async def _ask(self, address: EmailAddress, *, language: str, now: datetime, origin: Origin) -> None:
        services = self._services
        within = await may_send(services, PURPOSE, address.key, now=now)
        async with services.database.transaction() as db:
            person = await find_person_by_login(db, address.key)
            await services.emitter.emit(db, self._event(address, person, origin, within), now=now)
            if not within:
                return
            if person is None:
                invitation = Invitation(address.display, None, is_admin=False, via="registration")
                link = await make_invitation(db, services, invitation, now=now)
                facts: dict[str, Fact] = {"link": link, "expires_at": now + services.settings.invite_ttl}
                await send_letter(
                    db, services, LetterKind.REGISTER, to=address.display, language=language, facts=facts, now=now
                )
            elif person.state == "active":
                # To the address as the account has it, never to what was typed.
                to = next(email.address for email in person.emails if normalise_email(email.address).key == address.key)
                await send_letter(
                    db,
                    services,
                    LetterKind.ALREADY_REGISTERED,
                    to=to,
                    language=language,
                    person_id=person.id,
                    facts={"link": f"{services.settings.issuer}/signin"},
                    now=now,
                )

    def _event(self, address: EmailAddress, person: Person | None, origin: Origin, within: bool) -> Event:
        digest = self._services.emitter.index("typed", address.key).hex()
        data = {"found": person is not None, **({} if person else {"typed_digest": digest})}
        outcome = "success" if within else "denied"
        return Event(type=REGISTRATION_ASKED, actor="anonymous", outcome=outcome, origin=origin, data=data)

    async def _refuse(self, request: Request, reason: str) -> None:
        data = {"kind": PURPOSE, "reason": reason}
        event = Event(
            type=LINK_NOT_TAKEN, actor="anonymous", outcome="denied", origin=origin_of(request), data=data
        )  # fmt: skip
        await record_refusal(self._services, event)

    def _closed(self, request: Request) -> Response:
        return self._services.pages.error(request, 404, "Page not found", "There is nothing at this address.")

    def _form(self, request: Request, browser: Browser, *, typed: str = "", fault: str | None = None) -> Response:
        services = self._services
        words = (
            services.pages.translate(services.pages.language_of(request, browser.ui_locales), fault) if fault else None
        )
        return services.pages.render(
            request,
            "recovery_register.html",
            status=400 if fault else 200,
            ui_locales=browser.ui_locales,
            form_token=browser_token(services, PURPOSE, browser),
            email=typed,
            fault=words,
        )
