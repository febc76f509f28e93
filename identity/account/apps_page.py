"""`/account/apps`: the applications that the person let in, and the way to take that back."""

from starlette.requests import Request
from starlette.responses import Response

from identity.account.app_list import list_apps
from identity.account.shell import Shell, go_back
from identity.revocation import end_client_grants
from identity.services import Services
from identity.within_session import within_session

PATH = "/account/apps"


class AppsPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "apps")

    async def show(self, request: Request) -> Response:
        """GET /account/apps"""
        visit = await self._shell.open(request)
        if isinstance(visit, Response):
            return visit
        async with self._services.database.reading() as db:
            apps = await list_apps(db, self._services, visit.person.id, now=visit.now)
        return self._shell.render(visit, "account_apps.html", apps=apps)

    async def submit(self, request: Request) -> Response:
        """POST /account/apps: takes back everything from the application `client`."""
        sent = await self._shell.receive(request)
        if isinstance(sent, Response):
            return sent
        services, client_id = self._services, sent.form.get("client", "")
        async with within_session(services, sent.session) as db:
            listed = {app.id for app in await list_apps(db, services, sent.person.id, now=sent.now)}
            if client_id in listed:
                await end_client_grants(
                    db, services, sent.person.id, client_id, now=sent.now, actor=sent.actor, origin=sent.origin
                )
        return go_back(PATH, "withdrawn") if client_id in listed else self._shell.missing(sent)
