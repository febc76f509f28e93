"""`POST /account/security/password`: the form on the security page that changes the password."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from base.cookies import set_cookie
from identity.account.password_change import account_of, change_password
from identity.account.security_page import PATH, SecurityPage
from identity.account.shell import Sent, Shell, go_back
from identity.account.state import has_second_factor
from identity.password_hashes import HashPoolBusy
from identity.passwords import find_hash
from identity.services import Services
from identity.setup_form import Fault, find_password_faults
from identity.signin.password_step import ProvenPassword, prove_password
from identity.signin.slowing import answer_late
from identity.signin.step_pages import wait_page
from identity.signin.turnstile import Turnstile, TurnstileBusy

NOT_RIGHT = Fault("This is not your current password, or there were too many failures; then wait a while.")
MISSING = Fault("must be filled in")


class PasswordForm:
    """The form for one deployment: fields `current`, `password`, `password_repeat`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "security")
        self._page = SecurityPage(services)
        self._turnstile = Turnstile()

    async def submit(self, request: Request) -> Response:
        """Changes the password, or shows the page again with what is wrong."""
        began = asyncio.get_running_loop().time()
        sent = await self._shell.receive(request)
        if isinstance(sent, Response):
            return sent
        async with self._services.database.reading() as db:
            stored = await find_hash(db, sent.person.id)
        # The current password is a fresh proof by itself; a second factor, or no password yet, wants more (S29).
        if (stored is None or has_second_factor(sent.standing)) and not self._shell.is_fresh(sent):
            return await self._shell.ask_again(request)
        try:
            return await self._change(sent, stored, began)
        except HashPoolBusy as busy:
            return wait_page(self._services, request, 503, busy.retry_after_s, None)
        except TurnstileBusy:
            return wait_page(self._services, request, 503, 1, None)

    async def _change(self, sent: Sent, stored: str | None, began: float) -> Response:
        services, form, person = self._services, sent.form, sent.person
        if stored is not None and "current" not in form:
            return await self._page.page(sent, faults={"current": [MISSING]})
        context = [person.username or "", person.shown_name, *(email.address for email in person.emails)]
        faults = await find_password_faults(
            services, form.get("password", ""), form.get("password_repeat", ""), context
        )  # fmt: skip
        if faults:
            return await self._page.page(sent, faults=faults)
        # Before the proof, whose place among the counted failures must not be left behind by a crowd here.
        new_hash = await services.hashes.hash(form["password"])
        if stored is None:
            return await self._store(sent, None, new_hash)
        account = account_of(services, sent.session, sent.standing, stored)
        async with self._turnstile.pass_through(account.counter):
            proven = await prove_password(services, account, form["current"], client_id=None, origin=sent.origin)
            if isinstance(proven, ProvenPassword):
                return await self._store(sent, proven, new_hash)
        await answer_late(began, services.settings.refusal_deadline, proven.failures)
        return await self._page.page(sent, faults={"current": [NOT_RIGHT]})

    async def _store(self, sent: Sent, proven: ProvenPassword | None, new_hash: str) -> Response:
        services, settings = self._services, self._services.settings
        async with services.database.transaction() as db:
            opened = await change_password(
                db, services, sent.session, proven=proven, new_hash=new_hash, now=services.clock(), origin=sent.origin
            )
        if opened is None:
            return await self._shell.ask_again(sent.request)
        response = go_back(PATH, "password")
        keeps = settings.session_keep if opened.session.keep and settings.session_keep else None
        set_cookie(response, settings, "session", opened.cookie, ttl=keeps)
        return response
