"""`/verify/{token}`: the reader of a mailbox says that the address is theirs.

The page says whose account it becomes part of: a letter that a stranger caused would make it part of the stranger's.
"""

from starlette.requests import Request
from starlette.responses import Response

from identity.recovery.emails import KIND, find_address, verify_email
from identity.recovery.link_page import LinkDoor, Opened, go_to, lock_active
from identity.services import Services, origin_of
from identity.sessions import find_live


class VerifyPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._door = LinkDoor(services, KIND)

    async def show(self, request: Request) -> Response:
        """GET /verify/{token}"""
        services, opened = self._services, await self._door.look(request)
        if isinstance(opened, Response):
            return opened
        async with services.database.reading() as db:
            address = await find_address(db, opened.link)
        if address is None:
            return await self._door.refuse(request, "address_removed", opened.person.id)
        session = await find_live(services, request)
        return services.pages.render(
            request,
            "recovery_verify.html",
            ui_locales=opened.ui_locales,
            action=f"/verify/{request.path_params['token']}",
            form_token=self._door.token(opened.link),
            address=address,
            person=opened.person,
            is_somebody_else=session is not None and session.person_id != opened.person.id,
        )

    async def submit(self, request: Request) -> Response:
        """POST /verify/{token}"""
        opened = await self._door.read(request)
        if isinstance(opened, Response):
            return opened
        match await self._verify(request, opened):
            case "verified":
                return go_to("/verify/done")
            case "taken":
                return await self._taken_page(request, opened)
            case _:
                return await self._door.refuse(request, "spent_meanwhile", opened.person.id)

    async def _verify(self, request: Request, opened: Opened) -> str:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        async with services.database.transaction() as db:
            if not await lock_active(db, opened.person.id):
                return "gone"
            return await verify_email(db, services, opened.link, opened.person.id, now=now, origin=origin)

    async def _taken_page(self, request: Request, opened: Opened) -> Response:
        await self._door.refuse(request, "address_taken", opened.person.id)
        return self._services.pages.error(
            request,
            409,
            "This address belongs to another account",
            "It was verified there first. Sign in to that account, or use another address for this one.",
            ui_locales=opened.ui_locales,
        )
