"""`/account/data`: everything that is kept about the person, to take away."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from audit.catalogue import PERSON_DATA_TAKEN
from audit.record import Event
from identity.account.data_file import write_data_file
from identity.account.shell import Shell
from identity.services import Services
from identity.within_session import within_session


class DataPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "data")

    async def show(self, request: Request) -> Response:
        """GET /account/data"""
        visit = await self._shell.open(request)
        if isinstance(visit, Response):
            return visit
        return self._shell.render(visit, "account_data.html", is_fresh=self._shell.is_fresh(visit))

    async def submit(self, request: Request) -> Response:
        """POST /account/data: the file; that it was taken is told first."""
        sent = await self._shell.receive(request, fresh=True)
        if isinstance(sent, Response):
            return sent
        services = self._services
        event = Event(
            type=PERSON_DATA_TAKEN,
            actor=sent.actor,
            subject=sent.actor,
            person=sent.person.id,
            session_id=sent.session.id,
            device_id=sent.session.device_id,
            origin=sent.origin,
        )
        async with within_session(services, sent.session) as db:
            await services.emitter.emit(db, event, now=sent.now)
        headers = {
            "Content-Disposition": f'attachment; filename="account-{sent.now:%Y-%m-%d}.json"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        content = write_data_file(services, sent.person.id, now=sent.now)
        return StreamingResponse(content, headers=headers, media_type="application/json")
