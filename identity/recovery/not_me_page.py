"""`/not-me/{token}`: a person says that something was not them. A mail scanner's GET does nothing."""

from starlette.requests import Request
from starlette.responses import Response

from identity.recovery.added_since import find_added
from identity.recovery.link_page import LinkDoor, go_to
from identity.recovery.not_me import KIND, end_all
from identity.services import Services, origin_of


class NotMePage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._door = LinkDoor(services, KIND)

    async def show(self, request: Request) -> Response:
        """GET /not-me/{token}: what will happen, in plain words."""
        opened = await self._door.look(request)
        if isinstance(opened, Response):
            return opened
        async with self._services.database.reading() as db:
            added = await find_added(db, opened.person.id, opened.link)
        return self._services.pages.render(
            request,
            "recovery_not_me.html",
            ui_locales=opened.ui_locales,
            action=f"/not-me/{request.path_params['token']}",
            form_token=self._door.token(opened.link),
            person=opened.person,
            about=str(opened.link.payload["about"]),
            added=added,
        )

    async def submit(self, request: Request) -> Response:
        """POST /not-me/{token}: ends everything, and goes on to a new password."""
        opened = await self._door.read(request)
        if isinstance(opened, Response):
            return opened
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        async with services.database.transaction() as db:
            text = await end_all(db, services, opened.link, opened.person.id, now=now, origin=origin)
        if text is None:
            return await self._door.refuse(request, "spent_meanwhile", opened.person.id)
        return go_to(f"/recover/{text}")
