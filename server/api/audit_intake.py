"""`POST /api/v1/audit/events`: events of other services, a batch a request, all or nothing."""

import hashlib
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from audit.catalogue import INTAKE_REFUSED, all_types
from audit.intake.schema import NoBatch, WrongEvents, parse_batch
from audit.intake.taking import Intake, KeyReused, Sender, Taken
from audit.record import Event
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from server.api.answers import json_response, read_json_body
from server.api.audit_events import security
from server.api.audit_intake_document import BATCH
from server.api.bearer import Caller, bearer_with
from server.api.parameters import Parameters, only_once
from server.api.people import PeopleBySub
from server.api.problems import Problem, wrong_field

WRITE = "audit:write"
# Each holds a megabyte and its turn at the database; who comes too many is asked to wait.
_AT_ONCE = 24
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


def router(services: Services) -> APIRouter:
    """The address for one deployment."""
    made, taking = APIRouter(tags=["audit"], dependencies=[Depends(only_once)]), Taking(services)
    Writer = Annotated[Caller, Depends(bearer_with(services, WRITE))]

    @made.post("/api/v1/audit/events", summary="Takes a batch of events", openapi_extra=security(WRITE) | BATCH)
    async def take_events(request: Request, caller: Writer, _: Annotated[Parameters, Query()]) -> Response:
        return await taking.take(request, caller)

    return made


class Taking:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._intake = Intake(services.database, services.emitter, PeopleBySub(services.database))
        self._own_names = frozenset(all_types())
        self._under_way = 0

    async def take(self, request: Request, caller: Caller) -> Response:
        """Stores a batch; every refusal of one leaves an event."""
        if self._under_way >= _AT_ONCE:
            raise Problem(429, "too many batches at once: wait, then send it again", headers={"Retry-After": "1"})
        self._under_way += 1
        try:
            taken = await self._take(request, caller)
        finally:
            self._under_way -= 1
        answer = {"received": taken.received, "stored": taken.stored, "repeated": taken.received - taken.stored}
        return json_response(answer, {"Idempotency-Replayed": "true"} if taken.was_known else None)

    async def _take(self, request: Request, caller: Caller) -> Taken:
        key, now = _idempotency_key(request), self._services.clock()
        body = await read_json_body(request)
        sender = Sender(
            client_id=caller.client.client_id,
            name=caller.client.name,
            request_id=request.scope.get("ostiary.request_id"),
        )
        try:
            sent = parse_batch(body, now=now, own_names=self._own_names)
            return await self._intake.take(sent, sender, key=key, digest=hashlib.sha256(body).digest(), now=now)
        except NoBatch as refused:
            await self._record(request, caller, "no batch")
            raise Problem(400, str(refused), errors=[{"field": "events", "expected": str(refused)}]) from None
        except WrongEvents as refused:
            await self._record(request, caller, "wrong events", refused=len(refused.faults))
            errors = [{"index": each.index, "field": each.field, "expected": each.expected} for each in refused.faults]
            raise Problem(422, f"{refused}; nothing of the batch was stored", errors=errors) from None
        except KeyReused:
            await self._record(request, caller, "idempotency key of another batch")
            raise wrong_field(
                "Idempotency-Key", "a new key: this one was used with another batch", status=422
            ) from None  # fmt: skip

    async def _record(self, request: Request, caller: Caller, reason: str, *, refused: int | None = None) -> None:
        data: dict[str, object] = {"reason": reason} | ({"refused": refused} if refused is not None else {})
        event = Event(
            type=INTAKE_REFUSED,
            actor=caller.actor,
            outcome="failure",
            client_id=caller.client.client_id,
            origin=origin_of(request),
            data=data,
        )
        await record_refusal(self._services, event)


def _idempotency_key(request: Request) -> str | None:
    given = [value for name, value in request.scope["headers"] if name == b"idempotency-key"]
    if not given:
        return None
    text = str(given[0], "latin-1")
    if len(given) > 1 or not _KEY.fullmatch(text):
        raise wrong_field("Idempotency-Key", "one header of 1 to 128 visible ASCII characters")
    return text
