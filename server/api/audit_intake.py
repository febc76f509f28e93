"""`POST /api/v1/audit/events`: events of other services, a batch a request, all or nothing."""

import hashlib
from collections import Counter
from datetime import datetime
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
from server.api.idempotency import idempotency_key
from server.api.parameters import Parameters, only_once
from server.api.people import PeopleBySub
from server.api.problems import Problem, wrong_field

WRITE = "audit:write"
# Each holds a megabyte and its turn at the database; who comes too many is asked to wait. A sender that lets its bodies
# trickle, or sends without end, takes its own places alone.
_OF_ONE_SENDER = 24
_AT_ONCE = 48


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
        self._of_sender: Counter[str] = Counter()
        self._storing = 0

    async def take(self, request: Request, caller: Caller) -> Response:
        """Stores a batch; every refusal of one leaves an event."""
        sender = caller.client.client_id
        if self._of_sender[sender] >= _OF_ONE_SENDER:
            raise _too_many()
        self._of_sender[sender] += 1
        try:
            taken = await self._take(request, caller)
        finally:
            self._of_sender[sender] -= 1
            # Without it every sender there ever was would stay in memory.
            self._of_sender += Counter()
        answer = {"received": taken.received, "stored": taken.stored, "repeated": taken.received - taken.stored}
        return json_response(answer, {"Idempotency-Replayed": "true"} if taken.was_known else None)

    async def _take(self, request: Request, caller: Caller) -> Taken:
        key, now = idempotency_key(request), self._services.clock()
        body = await read_json_body(request)
        if self._storing >= _AT_ONCE:
            raise _too_many()
        self._storing += 1
        try:
            return await self._store(request, caller, body, key=key, now=now)
        finally:
            self._storing -= 1

    async def _store(self, request: Request, caller: Caller, body: bytes, *, key: str | None, now: datetime) -> Taken:
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


def _too_many() -> Problem:
    return Problem(429, "too many batches at once: wait, then send it again", headers={"Retry-After": "1"})
