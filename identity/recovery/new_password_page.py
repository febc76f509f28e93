"""`/recover/{token}`: the holder of a recovery link chooses a new password. It skips no second factor (S27)."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from audit.catalogue import RECOVERY_DONE
from audit.record import Event
from base.ids import PERSON, show_id
from identity import links
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.password_hashes import HashPoolBusy
from identity.recovery.asking import RECOVER
from identity.recovery.link_page import LinkDoor, Opened, lock_active
from identity.recovery.new_passwords import find_faults, replace_password
from identity.recovery.password_links import is_stale
from identity.recovery.recovered import go_recovered, note_recovered
from identity.services import Services, origin_of
from identity.setup_form import Fault, say_faults
from identity.signin.address_limits import find_wait
from identity.signin.step_pages import wait_page


class NewPasswordPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._door = LinkDoor(services, RECOVER)

    async def show(self, request: Request) -> Response:
        """GET /recover/{token}"""
        opened = await self._door.look(request)
        return opened if isinstance(opened, Response) else self._page(request, opened, {})

    async def submit(self, request: Request) -> Response:
        """POST /recover/{token}: sets the password, ends all sessions; a form with faults leaves the link as it is."""
        opened = await self._door.read(request)
        if isinstance(opened, Response):
            return opened
        services = self._services
        wait_s = await find_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            await self._door.refuse(request, "address_limit", opened.person.id)
            return wait_page(services, request, 429, wait_s, None)
        faults = await find_faults(services, opened.person, opened.form)
        if faults:
            return self._page(request, opened, faults)
        try:
            password_hash = await services.hashes.hash(opened.form["password"])
        except HashPoolBusy as busy:
            return wait_page(services, request, 503, busy.retry_after_s, None)
        recovered = await self._complete(request, opened, password_hash)
        if recovered is None:
            return await self._door.refuse(request, "spent_meanwhile", opened.person.id)
        return go_recovered(services, "/recover/done", recovered)

    async def _complete(self, request: Request, opened: Opened, password_hash: str) -> str | None:
        """What this browser is known by afterwards, if the link did it: once, for an active account, and only while
        the old password is there."""
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        person_id = opened.person.id
        async with services.database.transaction() as db:
            if not await lock_active(db, person_id) or await is_stale(db, opened.link):
                return None
            if await links.spend_link(db, RECOVER, opened.link.digest, now=now) is None:
                return None
            await replace_password(db, services, person_id, password_hash, why="recovery", now=now, origin=origin)
            actor = show_id(PERSON, person_id)
            done = Event(
                type=RECOVERY_DONE, actor=actor, subject=actor, person=person_id, origin=origin, data={"by": "link"}
            )
            await services.emitter.emit(db, done, now=now)
            await notify(db, services, person_id, Notice.PASSWORD_CHANGED, now=now, origin=origin)
            return await note_recovered(db, person_id, now=now)

    def _page(self, request: Request, opened: Opened, faults: Mapping[str, list[Fault]]) -> Response:
        services = self._services
        return services.pages.render(
            request,
            "recovery_new_password.html",
            ui_locales=opened.ui_locales,
            status=400 if faults else 200,
            action=f"/recover/{request.path_params['token']}",
            form_token=self._door.token(opened.link),
            person=opened.person,
            min_length=services.settings.password_min_length,
            faults=say_faults(services, services.pages.language_of(request, opened.ui_locales), faults),
        )
