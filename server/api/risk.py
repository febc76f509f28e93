"""`/api/v1/risk/signals`: what services report of people, sessions and addresses, and taking it back."""

import hashlib
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from audit.reports.requests import RequestKeyReused, find_requested, keep_request
from base.ids import parse_id, show_id
from identity.assessing.reporting import (
    Reporter,
    Subject,
    count_report,
    find_subject,
    take_report,
    withdraw_report,
)
from identity.services import Services, origin_of
from risk.reports import MOST_AT_ONCE, SIGNAL, Report, TooManyReports, find_report
from server.api.answers import json_response, read_json_body
from server.api.audit_events import security
from server.api.bearer import Caller, bearer_with
from server.api.idempotency import idempotency_key
from server.api.parameters import Parameters, only_once
from server.api.problems import Problem, wrong_field
from server.api.risk_document import DOCUMENT, Signal, no_such, parse_signal, refuse_subject

WRITE = "risk:write"
_READ_PEOPLE, _WRITE_PEOPLE = "users:read", "users:write"
_PATH = "/api/v1/risk/signals"


def router(services: Services) -> APIRouter:
    """The addresses for one deployment."""
    made, signals = APIRouter(tags=["risk"], dependencies=[Depends(only_once)]), Signals(services)
    Writer = Annotated[Caller, Depends(bearer_with(services, WRITE))]
    Id = Annotated[str, Path(description="`sig_…`")]
    reports, withdraws = "Reports a person, a session or an address", "Takes a report back"

    @made.post(_PATH, summary=reports, status_code=201, openapi_extra=security(WRITE) | DOCUMENT)
    async def report(request: Request, caller: Writer, _: Annotated[Parameters, Query()]) -> Response:
        return await signals.report(request, caller)

    @made.delete(_PATH + "/{signal}", summary=withdraws, status_code=204, openapi_extra=security(WRITE))
    async def withdraw(request: Request, caller: Writer, signal: Id, _: Annotated[Parameters, Query()]) -> Response:
        return await signals.withdraw(request, caller, signal)

    return made


class Signals:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def report(self, request: Request, caller: Caller) -> Response:
        """Stores a report, or answers as the first time; either way the sessions that it is about have counted it."""
        services, key, now = self._services, idempotency_key(request), self._services.clock()
        body = await read_json_body(request)
        # Of a report of risk: the same key for anything else is another request.
        digest = hashlib.sha256(b"risk signal\0" + body).digest()
        found, was_known = await self._find_known(caller, key, digest), True
        if found is None:
            signal = parse_signal(body)
            subject = await self._find_subject(caller, signal)
            found, was_known = await self._take(request, caller, signal, subject, key=key, digest=digest, now=now)
        # Also the second time: the first may have broken off between the two.
        await count_report(services, found, origin=origin_of(request), now=now)
        headers = {"Location": f"{_PATH}/{show_id(SIGNAL, found.id)}"}
        answer = json_response(_shown(found), headers | ({"Idempotency-Replayed": "true"} if was_known else {}))
        answer.status_code = 201
        return answer

    async def withdraw(self, request: Request, caller: Caller, signal_id: str) -> Response:
        """Takes back what this caller reported, or what anybody did, for who may write people."""
        services, now, report_id = self._services, self._services.clock(), parse_id(SIGNAL, signal_id)
        async with services.database.transaction() as db:
            report = await find_report(db, report_id) if report_id else None
            is_theirs = report is not None and (
                report.source == caller.client.client_id or _WRITE_PEOPLE in caller.scopes
            )
            if report is None or not is_theirs:
                raise Problem(404, "there is no report with this id that you may take back")
            reporter = _reporter(request, caller)
            if not await withdraw_report(db, services, report, reporter, now=now):
                raise Problem(404, "there is no report with this id that you may take back")
        await count_report(services, report, origin=reporter.origin, now=now)
        return Response(status_code=204)

    async def _find_subject(self, caller: Caller, signal: Signal) -> Subject:
        """Whom it is about. Who may not read people is not told whether there is somebody with this id."""
        subject = await find_subject(self._services, signal.about, signal.subject)
        if subject is None:
            refuse_subject(signal.about)
        if not subject.is_known and _READ_PEOPLE in caller.scopes:
            raise no_such(signal.about)
        return subject

    async def _take(
        self,
        request: Request,
        caller: Caller,
        signal: Signal,
        subject: Subject,
        *,
        key: str | None,
        digest: bytes,
        now: datetime,
    ) -> tuple[Report, bool]:
        """The report that is stored now, or that another process stored for the same request a moment ago."""
        services, reporter, client_id = self._services, _reporter(request, caller), caller.client.client_id
        try:
            async with services.database.transaction() as db:
                report = await take_report(
                    db,
                    services,
                    subject,
                    reporter,
                    kind=signal.kind,
                    weight=signal.weight,
                    expires_at=now + signal.lasts,
                    note=signal.note,
                    now=now,
                )
                shown = show_id(SIGNAL, report.id)
                if key and not await keep_request(db, client_id, key, digest=digest, report_id=shown, now=now):
                    raise _AnsweredMeanwhile
        except TooManyReports:
            raise Problem(429, f"{MOST_AT_ONCE} reports of yours about this are in force: take some back") from None
        except _AnsweredMeanwhile:
            known = await self._find_known(caller, key, digest)
            if known is None:
                raise Problem(409, "the same request was answered a moment ago: send it again") from None
            return known, True
        return report, False

    async def _find_known(self, caller: Caller, key: str | None, digest: bytes) -> Report | None:
        if key is None:
            return None
        async with self._services.database.reading() as db:
            shown = await _requested(db, caller, key, digest)
            if shown is None:
                return None
            report = await find_report(db, parse_id(SIGNAL, shown) or b"")
        if report is None:
            raise Problem(409, "the report of this Idempotency-Key was taken back, or has expired")
        return report


class _AnsweredMeanwhile(Exception):
    """Undoes what this request would have stored a second time."""


async def _requested(db: AsyncConnection, caller: Caller, key: str, digest: bytes) -> str | None:
    try:
        return await find_requested(db, caller.client.client_id, key, digest=digest)
    except RequestKeyReused:
        raise wrong_field(
            "Idempotency-Key", "a new key: this one was used with another request", status=422
        ) from None  # fmt: skip


def _reporter(request: Request, caller: Caller) -> Reporter:
    return Reporter(caller.client.client_id, caller.client.client_id, origin_of(request))


def _shown(report: Report) -> dict[str, object]:
    return {
        "id": show_id(SIGNAL, report.id),
        "kind": report.kind,
        "weight": report.weight,
        "expires_at": report.expires_at.isoformat(),
    }
