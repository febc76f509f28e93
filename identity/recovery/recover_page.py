"""`/recover`: the forgotten password. Who asks is told the same whoever they asked for, equally late (S22)."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from audit.catalogue import RECOVERY_REFUSED
from audit.record import Event
from identity.names import MAX_TYPED_LENGTH
from identity.recovery.asking import ask_way_back
from identity.recovery.browsers import Browser, browser_token, find_browser, hand_cookie, is_own, meet_browser
from identity.recovery.codes import try_code
from identity.recovery.link_page import go_to, read_posted
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.signin.address_limits import find_wait
from identity.signin.slowing import answer_late
from identity.signin.step_pages import wait_page

PURPOSE = "recover"
CODE_PURPOSE = "recover_code"
_CODE_STATUS = {None: 200, "empty": 400, "refused": 403}


class RecoverPage:
    """The page that asks whose password was forgotten, and the one that takes the code of the letter."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET /recover"""
        if not self._services.settings.has_mail:
            return self._services.pages.render(request, "recovery_no_mail.html")
        browser = await meet_browser(self._services, request)
        return hand_cookie(self._services, self._form(request, browser), browser)

    async def submit(self, request: Request) -> Response:
        """POST /recover: a letter goes out, or not; the answer is the same."""
        began = asyncio.get_running_loop().time()
        services, form = self._services, await read_posted(request)
        browser = await find_browser(services, request)
        if browser is None or not is_own(services, request, form, PURPOSE, browser):
            await self._refuse(request, "foreign_form")
            return go_to("/recover")
        if not services.settings.has_mail:
            return go_to("/recover")
        typed = form.get("username", "").strip()
        if not typed:
            await self._refuse(request, "empty_form")
            return self._form(request, browser, fault="empty")
        if (wait := await self._find_wait(request)) is not None:
            return wait
        language, now = services.pages.language_of(request, browser.ui_locales), services.clock()
        typed = typed[: MAX_TYPED_LENGTH + 1]
        await ask_way_back(services, typed, browser.digest, language=language, now=now, origin=origin_of(request))
        await answer_late(began, services.settings.refusal_deadline, 0)
        return go_to("/recover/code")

    async def show_code(self, request: Request) -> Response:
        """GET /recover/code: what was done, and the field for the code."""
        browser = await find_browser(self._services, request)
        return go_to("/recover") if browser is None else self._code_form(request, browser)

    async def submit_code(self, request: Request) -> Response:
        """POST /recover/code: on to the new password, or the same refusal whatever was wrong."""
        began = asyncio.get_running_loop().time()
        services, form = self._services, await read_posted(request)
        browser = await find_browser(services, request)
        if browser is None or not is_own(services, request, form, CODE_PURPOSE, browser):
            await self._refuse(request, "foreign_form")
            return go_to("/recover")
        if "code" not in form:
            await self._refuse(request, "empty_form")
            return self._code_form(request, browser, fault="empty")
        if (wait := await self._find_wait(request)) is not None:
            return wait
        now = services.clock()
        tried = await try_code(services, browser.digest, form["code"], now=now, origin=origin_of(request))
        if tried.link_text is not None:
            return go_to(f"/recover/{tried.link_text}")
        await answer_late(began, services.settings.refusal_deadline, tried.failures)
        return self._code_form(request, browser, fault="refused")

    async def _find_wait(self, request: Request) -> Response | None:
        """The page that asks to wait, where this address has had its share."""
        wait_s = await find_wait(self._services, request.scope.get("ostiary.address"))
        if wait_s is None:
            return None
        await self._refuse(request, "address_limit")
        return wait_page(self._services, request, 429, wait_s, None)

    async def _refuse(self, request: Request, reason: str) -> None:
        origin = origin_of(request)
        event = Event(
            type=RECOVERY_REFUSED,
            actor="anonymous",
            outcome="denied",
            origin=origin,
            data={"reason": reason},
            personal={"user_agent": origin.user_agent},
        )
        await record_refusal(self._services, event)

    def _form(self, request: Request, browser: Browser, *, fault: str | None = None) -> Response:
        return self._services.pages.render(
            request,
            "recovery_ask.html",
            status=400 if fault else 200,
            ui_locales=browser.ui_locales,
            form_token=browser_token(self._services, PURPOSE, browser),
            fault=fault,
        )

    def _code_form(self, request: Request, browser: Browser, *, fault: str | None = None) -> Response:
        return self._services.pages.render(
            request,
            "recovery_code.html",
            status=_CODE_STATUS[fault],
            ui_locales=browser.ui_locales,
            form_token=browser_token(self._services, CODE_PURPOSE, browser),
            fault=fault,
            minutes=int(self._services.settings.recovery_ttl.total_seconds()) // 60,
        )
