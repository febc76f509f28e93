"""`/account/activity`: what happened to the account, newest first, a page at a time."""

from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from audit.search.of_person import Cursor, FoundEvent, list_person_events, parse_cursor
from identity.account.shell import Shell
from identity.account.words import QUIET, entry_of
from identity.services import Services
from identity.tables import devices

A_PAGE = 30


class ActivityPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "activity")

    async def show(self, request: Request) -> Response:
        """GET /account/activity: from the newest on, or behind the place that `after` names."""
        visit = await self._shell.open(request)
        if isinstance(visit, Response):
            return visit
        services, person_id = self._services, visit.person.id
        after = parse_cursor(request.query_params.get("after", ""))
        async with services.database.reading() as db:
            found = await list_person_events(
                db, services.emitter, services.sealer, person_id, limit=A_PAGE + 1, after=after, but=QUIET
            )
            shown = found[:A_PAGE]
            labels = await _labels(db, person_id, shown)
        older = str(Cursor(shown[-1].at, shown[-1].id)) if len(found) > A_PAGE else None
        say = partial(services.pages.translate, visit.language)
        entries = [entry_of(event, services, person_id, labels, say) for event in shown]
        return self._shell.render(
            visit, "account_activity.html", entries=entries, older=older, is_first=after is None
        )  # fmt: skip


async def _labels(db: AsyncConnection, person_id: bytes, found: list[FoundEvent]) -> dict[bytes, str]:
    seen = {event.device_id for event in found if event.device_id is not None}
    query = select(devices.c.id, devices.c.label).where(devices.c.person_id == person_id, devices.c.id.in_(seen))
    return {bytes(row.id): row.label for row in await db.execute(query)} if seen else {}
