"""`GET /api/v1/audit/export`: the whole log as lines of JSON, oldest first, streamed with flat memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from audit.export import ExportRange, begin_export, export_events
from identity.services import Services, origin_of
from server.api.audit_events import READ, READ_PERSONAL, security
from server.api.bearer import Caller, bearer_with
from server.api.parameters import Parameters, only_once
from server.api.problems import Problem

MEDIA_TYPE = "application/x-ndjson"
_AT_ONCE = 2
# Lines that travel together; afterwards others get their turn.
_LINES = 100


def router(services: Services) -> APIRouter:
    """The address for one deployment."""
    made, exporting = APIRouter(tags=["audit"], dependencies=[Depends(only_once)]), Exporting(services)
    Reader = Annotated[Caller, Depends(bearer_with(services, READ))]

    @made.get("/api/v1/audit/export", summary="The whole log, a line an event", openapi_extra=security(READ))
    async def export(request: Request, caller: Reader, _: Annotated[Parameters, Query()]) -> Response:
        return await exporting.begin(request, caller)

    return made


class Exporting:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._under_way = 0

    async def begin(self, request: Request, caller: Caller) -> Response:
        """The answer whose body is made while it is read."""
        if self._under_way >= _AT_ONCE:
            raise Problem(429, "too many exports at once: try again later", headers={"Retry-After": "30"})
        services = self._services
        async with services.database.transaction() as db:
            range_ = await begin_export(
                db, services.emitter, now=services.clock(), actor=caller.actor, origin=origin_of(request)
            )
        headers = {"X-Total-Count": str(range_.count)}
        return StreamingResponse(self._lines(range_, READ_PERSONAL in caller.scopes), 200, headers, MEDIA_TYPE)

    async def _lines(self, range_: ExportRange, opens: bool) -> AsyncIterator[bytes]:
        self._under_way += 1
        try:
            buffer, count = bytearray(), 0
            async for event in export_events(self._services.database, self._services.sealer, range_):
                if not opens:
                    event.pop("personal")
                buffer += msgspec.json.encode(event) + b"\n"
                count += 1
                if count % _LINES == 0:
                    yield bytes(buffer)
                    buffer.clear()
                    await asyncio.sleep(0)
            yield bytes(buffer)
        finally:
            self._under_way -= 1
