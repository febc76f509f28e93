"""`/enrol/backup-codes`: how many are left, a new set, download, and the proof that they were saved (S26)."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.forms import Form, FormRefused
from base.request import read_form
from identity.accounts import find_person
from identity.enrolling import Enrolling, find_enrolling
from identity.factors.backup_codes import confirm_code, make_codes
from identity.factors.codes_view import PURPOSE, CodesView, own_locales, show_codes
from identity.factors.enrolled import SECURITY_PAGE
from identity.factors.registry import KINDS
from identity.factors.shown_codes import find_shown, keep_shown, wipe_shown
from identity.form_tokens import form_token, is_own_form
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.services import Services, origin_of
from identity.signin.flow import Flow, load_flow
from identity.signin.step_pages import refuse_step

PATH = "/enrol/backup-codes"
_METHOD = "backup_codes"
_NO_STORE = {"Cache-Control": "no-store"}


class CodesPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET: how many are left. The codes themselves are never shown by a GET."""
        enrolling = await find_enrolling(self._services, request, _METHOD)
        if isinstance(enrolling, Response):
            return enrolling
        if not enrolling.standing.factors & KINDS:
            return RedirectResponse(SECURITY_PAGE, 303)
        return await self._page(request, enrolling)

    async def submit(self, request: Request) -> Response:
        """POST `action`: `make` a new set and show it, `confirm` with a `code` of it, or `done`."""
        form = await _read(request)
        enrolling = await self._enrolling(request, form)
        if isinstance(enrolling, Response):
            return enrolling
        match form.get("action"):
            case "make":
                return await self._make(request, enrolling)
            case "confirm":
                return await self._confirm(request, enrolling, form)
            case "done":
                async with self._services.database.transaction() as db:
                    await wipe_shown(db, enrolling.standing.id)
                return await self._go_on(request)
            case _:
                return await refuse_step(self._services, request, None, "empty_form")

    async def download(self, request: Request) -> Response:
        """POST /enrol/backup-codes/download: the set that was just shown here, as a text file."""
        services = self._services
        enrolling = await self._enrolling(request, await _read(request))
        if isinstance(enrolling, Response):
            return enrolling
        async with services.database.reading() as db:
            codes = await find_shown(db, services, enrolling.standing.id, enrolling.binding, now=services.clock())
            person = await find_person(db, enrolling.standing.id)
        if not codes:
            return RedirectResponse(PATH, 303, _NO_STORE)
        language = services.pages.language_of(request, await self._ui_locales(request, enrolling))
        said = services.pages.translate(language, "Backup codes: each one signs you in once.")
        told = (services.settings.service_name, person.login if person else "", said)
        headers = {
            **_NO_STORE,
            "Content-Disposition": 'attachment; filename="backup-codes.txt"',
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        body = "\r\n".join((*told, "", *codes, ""))
        return Response(body, headers=headers, media_type="text/plain; charset=utf-8")

    async def _enrolling(self, request: Request, form: Form) -> Enrolling | Response:
        """Who sent this form of ours, or why it does not count."""
        services = self._services
        enrolling = await find_enrolling(services, request, _METHOD)
        if isinstance(enrolling, Response):
            return enrolling
        expected = form_token(services.form_key, PURPOSE, enrolling.binding)
        if not is_own_form(request, form, services.settings.issuer, expected_token=expected):
            return await refuse_step(services, request, enrolling.flow, "foreign_form")
        if not enrolling.standing.factors & KINDS:
            return await refuse_step(services, request, enrolling.flow, "out_of_order")
        return enrolling

    async def _make(self, request: Request, enrolling: Enrolling) -> Response:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        person_id = enrolling.standing.id
        async with services.database.transaction() as db:
            codes = await make_codes(db, services, person_id, now=now, origin=origin)
            await keep_shown(db, services, person_id, enrolling.binding, codes, now=now)
            # Whoever has got in could make a way back for themselves (S29).
            about = {"method": "backup_codes"}
            await notify(db, services, person_id, Notice.FACTOR_ADDED, now=now, origin=origin, about=about)
        return await self._page(request, enrolling, codes=codes)

    async def _confirm(self, request: Request, enrolling: Enrolling, form: Form) -> Response:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        person_id = enrolling.standing.id
        async with services.database.transaction() as db:
            is_theirs = await confirm_code(db, services, person_id, form.get("code", ""), now=now, origin=origin)
            if is_theirs:
                await wipe_shown(db, person_id)
        if not is_theirs:
            return await self._page(request, enrolling, fault="wrong")
        return await self._go_on(request)

    async def _go_on(self, request: Request) -> Response:
        """Back into the sign-in that was paused for the codes, or to the page that the person came from."""
        flow = await self._paused(request)
        return RedirectResponse("/signin" if flow is not None else SECURITY_PAGE, 303, _NO_STORE)

    async def _paused(self, request: Request) -> Flow | None:
        """The sign-in of this browser that goes on after the codes, or None."""
        flow = await load_flow(self._services, request, now=self._services.clock())
        if flow is None or flow.session is None or flow.attempt.session_id != flow.session.id:
            return None
        return flow

    async def _ui_locales(self, request: Request, enrolling: Enrolling) -> tuple[str, ...]:
        flow = await self._paused(request)
        return flow.ui_locales if flow is not None else own_locales(enrolling.standing)

    async def _page(
        self, request: Request, enrolling: Enrolling, *, codes: tuple[str, ...] = (), fault: str | None = None
    ) -> Response:
        services, person_id = self._services, enrolling.standing.id
        flow = await self._paused(request)
        is_kept = bool(codes)
        if not codes:
            async with services.database.reading() as db:
                is_kept = bool(await find_shown(db, services, person_id, enrolling.binding, now=services.clock()))
        locales = own_locales(enrolling.standing)
        view = CodesView(person_id, enrolling.binding, codes, is_kept, ui_locales=locales, fault=fault)
        if flow is not None:
            is_pending = flow.attempt.request is not None
            view = replace(view, in_signin=True, pending_authorization=is_pending, ui_locales=flow.ui_locales)
        return await show_codes(services, request, view)


async def _read(request: Request) -> Form:
    try:
        return await read_form(request)
    except FormRefused:
        return Form({}, {})
