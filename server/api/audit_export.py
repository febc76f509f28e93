"""`GET /api/v1/audit/export`: the whole log as lines of JSON, oldest first, streamed with flat memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from audit.export import ExportRange, begin_export, export_events
from audit.reading import without_personal
from base.lines import to_line
from identity.services import Services, origin_of
from server.api.audit_events import READ, READ_PERSONAL, security
from server.api.bearer import Caller, bearer_with, load_caller
from server.api.parameters import Parameters, only_once
from server.api.problems import Problem

MEDIA_TYPE = "application/x-ndjson"
_AT_ONCE = 2
# Lines that travel together; afterwards others get their turn, and whoever reads must still be allowed to.
_LINES = 100
# Who takes nothing for so long makes room for somebody who does.
_PATIENCE_S = 30.0


def router(services: Services) -> APIRouter:
    """The address for one deployment."""
    made, exporting = APIRouter(tags=["audit"], dependencies=[Depends(only_once)]), Exporting(services)
    Reader = Annotated[Caller, Depends(bearer_with(services, READ))]

    @made.get("/api/v1/audit/export", summary="The whole log, a line an event", openapi_extra=security(READ))
    async def export(request: Request, caller: Reader, _: Annotated[Parameters, Query()]) -> Response:
        return await exporting.begin(request, caller)

    return made


class _Stream(StreamingResponse):
    """An answer whose reader must keep reading; however it ends, `ended` is called."""

    def __init__(self, lines: AsyncIterator[bytes], count: int, ended: Callable[[], None]) -> None:
        super().__init__(lines, 200, {"X-Total-Count": str(count)}, MEDIA_TYPE)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers."""

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            self._ended()


class Exporting:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._under_way = 0

    async def begin(self, request: Request, caller: Caller) -> Response:
        """The answer whose body is made while it is read."""
        if self._under_way >= _AT_ONCE:
            raise Problem(429, "too many exports at once: try again later", headers={"Retry-After": "30"})
        # Before anything is waited for: others ask at the same time.
        self._under_way += 1
        try:
            services, now = self._services, self._services.clock()
            async with services.database.transaction() as db:
                origin = origin_of(request)
                range_ = await begin_export(db, services.emitter, now=now, actor=caller.actor, origin=origin)
        except BaseException:
            self._end()
            raise
        return _Stream(self._lines(request, caller, range_, began_at=now), range_.count, self._end)

    def _end(self) -> None:
        self._under_way -= 1

    async def _lines(
        self, request: Request, caller: Caller, range_: ExportRange, *, began_at: datetime
    ) -> AsyncIterator[bytes]:
        opens, lines = READ_PERSONAL in caller.scopes, list[bytes]()
        async for event in export_events(self._services.database, self._services.sealer, range_):
            lines.append(to_line(event if opens else without_personal(event)) + b"\n")
            if len(lines) == _LINES:
                await self._check_still_allowed(request, opens=opens, began_at=began_at)
                yield b"".join(lines)
                lines.clear()
                await asyncio.sleep(0)
        yield b"".join(lines)

    async def _check_still_allowed(self, request: Request, *, opens: bool, began_at: datetime) -> None:
        """Breaks the answer off once the token is revoked, or its application lost what it needs.

        A token that only expires meanwhile, as one does in a long export, was good when the export began.
        """
        try:
            caller = await load_caller(self._services, request, READ, now=began_at)
        except Problem:
            raise ClientDisconnect from None
        if opens and READ_PERSONAL not in caller.scopes:
            raise ClientDisconnect
