"""`/enrol/backup-codes`: how many are left, a new set, download, and the proof that they were saved (S26)."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.catalogue import MFA_FAILED
from audit.record import Event
from base.forms import Form, FormRefused
from base.ids import PERSON, show_id
from base.request import read_form
from identity.accounts import find_person
from identity.enrolling import Enrolling, find_enrolling
from identity.factors.backup_codes import confirm_code, make_codes
from identity.factors.codes_view import PURPOSE, CodesView, own_locales, show_codes
from identity.factors.enrolled import SECURITY_PAGE
from identity.factors.shown_codes import find_shown, keep_shown, wipe_shown
from identity.form_tokens import form_token, is_own_form
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.sessions import find_live
from identity.signin.flow import Flow, load_flow
from identity.signin.step_pages import refuse_step
from identity.within_session import SessionEnded, within_session
from policy.assurance import STRONG

PATH = "/enrol/backup-codes"
_METHOD = "backup_codes"
# They only say that the codes were saved. Reading them off a printer may take longer than a proof stays fresh, and
# signing in again would give up the sign-in that waits for it.
_HAND_OUT_NOTHING = frozenset({"confirm", "done"})
_NO_STORE = {"Cache-Control": "no-store"}
# Sets that one person may make in an hour: each is told, and takes away the one before.
MOST_MADE = 10
_WINDOW_S = 3600


class CodesPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET: how many are left. The codes themselves are never shown by a GET."""
        enrolling = await find_enrolling(self._services, request, _METHOD)
        if isinstance(enrolling, Response):
            return enrolling
        if not enrolling.standing.factors & STRONG:
            return RedirectResponse(SECURITY_PAGE, 303)
        return await self._page(request, enrolling)

    async def submit(self, request: Request) -> Response:
        """POST `action`: `make` a new set and show it, `confirm` with a `code` of it, or `done`."""
        form = await _read(request)
        enrolling = await self._enrolling(request, form, is_fresh=form.get("action") not in _HAND_OUT_NOTHING)
        if isinstance(enrolling, Response):
            return enrolling
        try:
            return await self._act(request, enrolling, form)
        except SessionEnded:
            return RedirectResponse("/signin", 303, _NO_STORE)

    async def _act(self, request: Request, enrolling: Enrolling, form: Form) -> Response:
        """Does what the form says; raises SessionEnded."""
        match form.get("action"):
            case "make":
                return await self._make(request, enrolling)
            case "confirm":
                return await self._confirm(request, enrolling, form)
            case "done":
                async with self._changing(enrolling) as db:
                    await wipe_shown(db, enrolling.standing.id)
                return await self._go_on(request)
            case _:
                return await refuse_step(self._services, request, None, "empty_form")

    def _changing(self, enrolling: Enrolling) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction in which the session is alive; entering it raises SessionEnded."""
        if enrolling.session is None:
            raise SessionEnded
        return within_session(self._services, enrolling.session)

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

    async def _enrolling(self, request: Request, form: Form, *, is_fresh: bool = True) -> Enrolling | Response:
        """Who sent this form of ours, or why it does not count. Without `is_fresh` it is enough to be signed in."""
        services = self._services
        if is_fresh:
            enrolling = await find_enrolling(services, request, _METHOD)
        else:
            enrolling = await self._signed_in(request)
        if isinstance(enrolling, Response):
            return enrolling
        expected = form_token(services.form_key, PURPOSE, enrolling.binding)
        if not is_own_form(request, form, services.settings.issuer, expected_token=expected):
            return await refuse_step(services, request, enrolling.flow, "foreign_form")
        if not enrolling.standing.factors & STRONG:
            return await refuse_step(services, request, enrolling.flow, "out_of_order")
        return enrolling

    async def _signed_in(self, request: Request) -> Enrolling | Response:
        """Whoever is signed in here, however long ago they proved it."""
        session = await find_live(self._services, request)
        if session is None or session.standing is None:
            return RedirectResponse("/signin", 303, _NO_STORE)
        return Enrolling(session.standing, session.cookie_digest, None, session)

    async def _make(self, request: Request, enrolling: Enrolling) -> Response:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        person_id = enrolling.standing.id
        verdict = await services.rates.hit(f"codes:{person_id.hex()}", limit=MOST_MADE, window_s=_WINDOW_S, now=now)
        if not verdict.allowed:
            return self._wait(request, enrolling, verdict.retry_after_s)
        async with self._changing(enrolling) as db:
            codes = await make_codes(db, services, person_id, now=now, origin=origin)
            await keep_shown(db, services, person_id, enrolling.binding, codes, now=now)
            # Whoever has got in could make a way back for themselves (S29).
            about = {"method": "backup_codes"}
            await notify(db, services, person_id, Notice.FACTOR_ADDED, now=now, origin=origin, about=about)
        return await self._page(request, enrolling, codes=codes)

    async def _confirm(self, request: Request, enrolling: Enrolling, form: Form) -> Response:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        person_id = enrolling.standing.id
        async with self._changing(enrolling) as db:
            is_theirs = await confirm_code(db, services, person_id, form.get("code", ""), now=now, origin=origin)
            if is_theirs:
                await wipe_shown(db, person_id)
        if not is_theirs:
            await record_refusal(services, _failed_event(enrolling, request))
            return await self._page(request, enrolling, fault="wrong")
        return await self._go_on(request)

    def _wait(self, request: Request, enrolling: Enrolling, retry_after_s: int) -> Response:
        return self._services.pages.error(
            request,
            429,
            "Too many new backup codes",
            "You made new backup codes many times within an hour. The last ones that you made work. Wait a while.",
            ui_locales=own_locales(enrolling.standing),
            retry_after_s=retry_after_s,
        )

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


def _failed_event(enrolling: Enrolling, request: Request) -> Event:
    actor = show_id(PERSON, enrolling.standing.id)
    return Event(
        type=MFA_FAILED,
        actor=actor,
        outcome="failure",
        subject=actor,
        person=enrolling.standing.id,
        origin=origin_of(request),
        data={"method": "backup_code", "reason": "not_confirmed"},
    )


async def _read(request: Request) -> Form:
    try:
        return await read_form(request)
    except FormRefused:
        return Form({}, {})
