"""`GET /api/v1/audit/events` and `/api/v1/audit/events/{id}`: search, and one event with what its leaf commits to."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from audit.catalogue import AUDIT_SEARCHED
from audit.reading import EventReader, StoredEvent, as_json, without_personal
from audit.record import Event
from audit.search.events import find_event, search_events
from audit.search.filter import Place, parse_cursor, show_cursor
from base.ids import EVENT, parse_id
from identity.services import Services, origin_of
from server.api.answers import json_response
from server.api.audit_filters import EventParameters, parse_filter
from server.api.bearer import Caller, bearer_with, check_scope
from server.api.parameters import Parameters, only_once
from server.api.people import PeopleBySub
from server.api.problems import Problem, wrong_field

READ, READ_PERSONAL = "audit:read", "audit:read_personal"
# So that searches leave the database's connections to those who sign in.
_AT_ONCE = 2


def router(services: Services) -> APIRouter:
    """The addresses for one deployment."""
    made, search = APIRouter(tags=["audit"], dependencies=[Depends(only_once)]), Search(services)
    Reader = Annotated[Caller, Depends(bearer_with(services, READ))]

    @made.get("/api/v1/audit/events", summary="Events, newest first", openapi_extra=security(READ))
    async def list_events(request: Request, caller: Reader, asked: Annotated[EventParameters, Query()]) -> Response:
        return await search.page(request, caller, asked)

    @made.get("/api/v1/audit/events/{event}", summary="One event", openapi_extra=security(READ))
    async def show_event(
        request: Request,
        caller: Reader,
        event: Annotated[str, Path(description="`evt_…`")],
        _: Annotated[Parameters, Query()],
    ) -> Response:
        return await search.show(request, caller, event)

    return made


def security(scope: str) -> dict[str, object]:
    """What the document says of who may call."""
    return {"security": [{"service": [scope]}]}


class Search:
    """The two endpoints. Every series of pages begins with an event that tells of the search."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._people = PeopleBySub(services.database)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def page(self, request: Request, caller: Caller, asked: EventParameters) -> Response:
        """A page of what the filters let through."""
        services, index = self._services, self._services.emitter.index
        filter_ = await parse_filter(asked, self._people)
        if filter_.address is not None or filter_.network is not None:
            # Whoever can ask for one address after the other learns them all.
            await check_scope(services, request, caller, READ_PERSONAL, why=": address and network ask for it")
        after: Place | None = None
        if asked.after is None:
            await self._tell(request, caller, asked.told())
        else:
            after = parse_cursor(asked.after, filter_, index)
            if after is None:
                raise wrong_field("after", "the `next` of a page of this very search")
        async with self._turns, services.database.reading() as db:
            found = await search_events(db, index, filter_, limit=asked.limit, after=after)
            opened = await EventReader(services.sealer).open_all(db, found.rows)
        return json_response(
            {
                "events": [_shown(event, caller) for event in opened],
                "next": found.next and show_cursor(found.next, filter_, index),
                "scanned_until": found.scanned_until and found.scanned_until.isoformat(),
            }
        )

    async def show(self, request: Request, caller: Caller, text: str) -> Response:
        """One event, with its body: the bytes that the ledger's leaf commits to."""
        services, event_id = self._services, parse_id(EVENT, text)
        opened: Sequence[StoredEvent] = ()
        if event_id is not None:
            await self._tell(request, caller, {"id": text})
            async with services.database.reading() as db:
                opened = await EventReader(services.sealer).open_all(db, await find_event(db, event_id))
        if not opened:
            raise Problem(404, "there is no event with this id")
        return json_response({**_shown(opened[0], caller), "body": opened[0].body})

    async def _tell(self, request: Request, caller: Caller, filters: dict[str, object]) -> None:
        services = self._services
        event = Event(
            type=AUDIT_SEARCHED,
            actor=caller.actor,
            client_id=caller.client.client_id,
            origin=origin_of(request),
            data={"filters": filters},
        )
        async with services.database.transaction() as db:
            await services.emitter.emit(db, event, now=services.clock())


def _shown(event: StoredEvent, caller: Caller) -> dict[str, object]:
    """The event as this caller may see it: personal fields are left out without their scope."""
    shown = as_json(event)
    return shown if READ_PERSONAL in caller.scopes else without_personal(shown)
