"""`/reset/{token}`: the person completes what an administrator started. Afterwards they sign in as everybody does."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from identity import lockout
from identity.password_hashes import HashPoolBusy
from identity.person_values import Person
from identity.recovery.asking import mailbox_of
from identity.recovery.link_page import LinkDoor, Opened
from identity.recovery.new_passwords import find_faults
from identity.recovery.recovered import go_recovered
from identity.recovery.resets import KIND, complete_reset
from identity.services import Services, origin_of
from identity.setup_form import Fault, say_faults
from identity.signin.address_limits import find_wait
from identity.signin.password_step import NotProven, find_account, prove_password
from identity.signin.slowing import answer_late
from identity.signin.step_pages import wait_page
from identity.signin.turnstile import Turnstile, TurnstileBusy

NOT_PROVEN = Fault("That did not work. Check your password and try again; after several failures you have to wait.")


class ResetPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._door = LinkDoor(services, KIND)
        self._turnstile = Turnstile()

    async def show(self, request: Request) -> Response:
        """GET /reset/{token}"""
        opened = await self._door.look(request)
        return opened if isinstance(opened, Response) else self._page(request, opened, {})

    async def submit(self, request: Request) -> Response:
        """POST /reset/{token}: a new password, or a proof of the one that stays."""
        began = asyncio.get_running_loop().time()
        opened = await self._door.read(request)
        if isinstance(opened, Response):
            return opened
        services = self._services
        wait_s = await find_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            await self._door.refuse(request, "address_limit", opened.person.id)
            return wait_page(services, request, 429, wait_s, None)
        try:
            if opened.link.payload["password"]:
                return await self._choose(request, opened)
            return await self._prove(request, opened, began)
        except HashPoolBusy as busy:
            return wait_page(services, request, 503, busy.retry_after_s, None)
        except TurnstileBusy:
            return wait_page(services, request, 503, 1, None)

    async def _choose(self, request: Request, opened: Opened) -> Response:
        services = self._services
        faults = await find_faults(services, opened.person, opened.form)
        if faults:
            return self._page(request, opened, faults)
        password_hash = await services.hashes.hash(opened.form["password"])
        return await self._complete(request, opened, password_hash=password_hash)

    async def _prove(self, request: Request, opened: Opened, began: float) -> Response:
        """The link alone takes no factor away: whoever found it must know the password, too, and has as few tries."""
        services = self._services
        account = await find_account(services, request, _login_of(opened.person))
        async with self._turnstile.pass_through(account.counter):
            proven = await prove_password(
                services, account, opened.form.get("password", ""), client_id=None, origin=origin_of(request)
            )
            if not isinstance(proven, NotProven) and proven.person.id == opened.person.id:
                return await self._complete(
                    request, opened, counter=proven.counter, old_hash=proven.person.password_hash
                )
        failures = proven.failures if isinstance(proven, NotProven) else 0
        await answer_late(began, services.settings.refusal_deadline, failures)
        return self._page(request, opened, {"password": [NOT_PROVEN]}, status=403)

    async def _complete(
        self,
        request: Request,
        opened: Opened,
        *,
        password_hash: str | None = None,
        counter: bytes | None = None,
        old_hash: str | None = None,
    ) -> Response:
        services, person_id = self._services, opened.person.id
        async with services.database.transaction() as db:
            # Whatever happens to the link: a right password must not count as a failure.
            if counter is not None:
                await lockout.release(db, counter)
            done = await complete_reset(
                db,
                services,
                opened.link,
                person_id,
                password_hash=password_hash,
                proven_hash=old_hash,
                now=services.clock(),
                origin=origin_of(request),
            )
        if done is None:
            return await self._door.refuse(request, "spent_meanwhile", person_id)
        return go_recovered(services, "/reset/done", done.recovered)

    def _page(
        self, request: Request, opened: Opened, faults: Mapping[str, list[Fault]], *, status: int = 400
    ) -> Response:
        services, payload = self._services, opened.link.payload
        return services.pages.render(
            request,
            "recovery_reset.html",
            ui_locales=opened.ui_locales,
            status=status if faults else 200,
            action=f"/reset/{request.path_params['token']}",
            form_token=self._door.token(opened.link),
            person=opened.person,
            chooses=payload["password"],
            removes=payload["factors"],
            min_length=services.settings.password_min_length,
            faults=say_faults(services, services.pages.language_of(request, opened.ui_locales), faults),
        )


def _login_of(person: Person) -> str:
    """What finds the person as a sign-in would."""
    return person.username or mailbox_of(person) or ""
