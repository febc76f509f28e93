"""`/unlock/{token}`: the way past a door that somebody else's failures closed (S24).

This browser becomes one of the person's, so its failures count apart. Nobody is signed in by it, and the closed counter
stays closed for everybody else.
"""

from starlette.requests import Request
from starlette.responses import Response

from audit.catalogue import LOCKOUT_PASSED
from audit.record import Event
from base.cookies import set_cookie
from base.ids import PERSON, show_id
from identity import links, lockout
from identity.devices import COOKIE_TTL, SeenDevice, see_device
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.recovery.link_page import LinkDoor, Opened, go_to, lock_active
from identity.services import Services, origin_of
from identity.unlocking import CODE_METHODS

KIND = "unlock"


class UnlockPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._door = LinkDoor(services, KIND)

    async def show(self, request: Request) -> Response:
        """GET /unlock/{token}"""
        opened = await self._door.look(request)
        if isinstance(opened, Response):
            return opened
        return self._services.pages.render(
            request,
            "recovery_unlock.html",
            ui_locales=opened.ui_locales,
            action=f"/unlock/{request.path_params['token']}",
            form_token=self._door.token(opened.link),
            person=opened.person,
        )

    async def submit(self, request: Request) -> Response:
        """POST /unlock/{token}"""
        opened = await self._door.read(request)
        if isinstance(opened, Response):
            return opened
        device = await self._pass(request, opened)
        if device is None:
            return await self._door.refuse(request, "spent_meanwhile", opened.person.id)
        response = go_to("/signin")
        if device.cookie is not None:
            set_cookie(response, self._services.settings, "device", device.cookie, ttl=COOKIE_TTL)
        return response

    async def _pass(self, request: Request, opened: Opened) -> SeenDevice | None:
        services, now, origin, person_id = self._services, self._services.clock(), origin_of(request), opened.person.id
        async with services.database.transaction() as db:
            if not await lock_active(db, person_id):
                return None
            if await links.spend_link(db, KIND, opened.link.digest, now=now) is None:
                return None
            told: list[Event] = []
            device = await see_device(db, services, person_id, request, told=told, now=now, origin=origin)
            # Where this browser was known, one of its own counters was the closed one. Those of the person as a whole
            # stay: they bound what is tried in all, through however many letters.
            await lockout.release(db, lockout.device_key(services.emitter, device.id))
            for method in CODE_METHODS:
                await lockout.release(db, lockout.code_key(services.emitter, method, person_id, device.id))
            if device.is_new and not device.is_first:
                about = {"device": device.id}
                await notify(db, services, person_id, Notice.NEW_DEVICE, now=now, origin=origin, about=about)
            told.append(
                Event(
                    type=LOCKOUT_PASSED,
                    actor="anonymous",
                    subject=show_id(PERSON, person_id),
                    person=person_id,
                    device_id=device.id,
                    origin=origin,
                )
            )
            await services.emitter.emit_all(db, told, now=now)
        return device
