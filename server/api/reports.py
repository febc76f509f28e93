"""`/api/v1/reports`: the reports that are kept, each in every form, and new ones on demand."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from audit.catalogue import REPORT_READ
from audit.record import Event, Origin
from audit.reports.compose import compose_period
from audit.reports.forms import Form, NoSuchTable, Written, write_report
from audit.reports.model import Report, UnreadableReport
from audit.reports.opening import hide_people, open_report
from audit.reports.page import page_policy
from audit.reports.pdf import PdfFailed
from audit.reports.requests import RequestKeyReused, find_requested, keep_request
from audit.reports.store import KeptReport, find_kept, find_report, keep_report, list_reports
from audit.reports.words import load_words
from identity.services import Services, origin_of
from server.api.answers import json_response, read_json_body
from server.api.audit_events import READ_PERSONAL, security
from server.api.bearer import Caller, bearer_with
from server.api.idempotency import idempotency_key
from server.api.parameters import Parameters, only_once
from server.api.problems import Problem, wrong_field
from server.api.report_parameters import (
    DOCUMENT,
    Asked,
    FormParameters,
    ListParameters,
    parse_place,
    parse_wanted,
    period_of_day,
    show_place,
)
from server.api.turns import Turns
from server.reporting import report_sections

READ, WRITE = "reports:read", "reports:write"
_PATH = "/api/v1/reports"
# The page brings its own policy, which meta elements cannot make whole: nobody may frame it.
_UNFRAMED = "; frame-ancestors 'none'"


def router(services: Services) -> APIRouter:
    """The addresses for one deployment."""
    made, reports = APIRouter(tags=["reports"], dependencies=[Depends(only_once)]), Reports(services)
    Reader = Annotated[Caller, Depends(bearer_with(services, READ))]
    Writer = Annotated[Caller, Depends(bearer_with(services, WRITE))]
    Id = Annotated[str, Path(description="`rpt_…`")]

    @made.get(_PATH, summary="Reports, newest first", openapi_extra=security(READ))
    async def list_kept(_: Reader, asked: Annotated[ListParameters, Query()]) -> Response:
        return await reports.page(asked)

    @made.post(_PATH, summary="Makes a report", status_code=201, openapi_extra=security(WRITE) | DOCUMENT)
    async def make(request: Request, caller: Writer, _: Annotated[Parameters, Query()]) -> Response:
        return await reports.make(request, caller)

    @made.get(_PATH + "/{report}", summary="A report in one of its forms", openapi_extra=security(READ))
    async def show(
        request: Request, caller: Reader, report: Id, asked: Annotated[FormParameters, Query()]
    ) -> Response:  # fmt: skip
        return await reports.show(request, caller, report, asked)

    return made


@dataclass(frozen=True, slots=True)
class _Request:
    """Who asks for a new report, and by what the same request is known when it comes again."""

    caller: Caller
    key: str | None
    digest: bytes
    origin: Origin


class Reports:
    """The three endpoints. Making and writing take turns: a process is busy with one report at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sections = report_sections()
        self._turns = Turns(most_waiting=4, patience_s=30)

    async def page(self, asked: ListParameters) -> Response:
        """A page of what is kept; what the reports say is not read for it."""
        about, after = period_of_day(asked.day), parse_place(asked.after)
        async with self._services.database.reading() as db:
            found = await list_reports(db, limit=asked.limit + 1, kind=asked.kind, about=about, after=after)
        shown = found[: asked.limit]
        following = show_place(shown[-1]) if len(found) > asked.limit else None
        return json_response({"reports": [_shown(each) for each in shown], "next": following})

    async def show(self, request: Request, caller: Caller, report_id: str, asked: FormParameters) -> Response:
        """The report, opened as far as this caller may see it, and the event that says so."""
        form = Form(asked.format)
        if asked.table is not None and form is not Form.CSV:
            raise wrong_field("table", "format=csv beside it")
        async with self._turns.taken():
            report = await self._load(report_id)
            if asked.language not in (None, report.language):
                raise Problem(409, f"this report was made in the language {report.language}: make one by POST")
            await self._tell(request, caller, report, form)
            written = await self._written(caller, report, form, asked.table)
        headers = {"Content-Disposition": f'attachment; filename="{written.name}"'}
        if form is Form.HTML:
            headers = {"Content-Security-Policy": page_policy() + _UNFRAMED}
        elif form is Form.JSON:
            headers = {}
        return Response(written.body, 200, headers, written.media_type)

    async def _load(self, report_id: str) -> Report:
        try:
            async with self._services.database.reading() as db:
                report = await find_report(db, report_id)
        except UnreadableReport:
            raise Problem(409, "this report was made by another version of the server") from None
        if report is None:
            raise Problem(404, "there is no report with this id")
        return report

    async def _written(self, caller: Caller, report: Report, form: Form, table: str | None) -> Written:
        words = load_words(report.language, self._sections.folders)
        if READ_PERSONAL in caller.scopes:
            shown = await open_report(self._services.audit, self._sections, report)
        else:
            shown = hide_people(report, words)
        try:
            return await write_report(shown, words, form, table=table)
        except NoSuchTable as fault:
            raise wrong_field("table", str(fault).removeprefix("expected ")) from None
        except PdfFailed:
            raise Problem(503, "the PDF could not be set: take another form", headers={"Retry-After": "60"}) from None

    async def _tell(self, request: Request, caller: Caller, report: Report, form: Form) -> None:
        event = Event(
            type=REPORT_READ,
            actor=caller.actor,
            subject=report.id,
            client_id=caller.client.client_id,
            origin=origin_of(request),
            data={"format": form.value, "fields": "personal" if READ_PERSONAL in caller.scopes else "public"},
        )
        services = self._services
        async with services.database.transaction() as db:
            await services.emitter.emit(db, event, now=services.clock())

    async def make(self, request: Request, caller: Caller) -> Response:
        """A new report, kept; or that of the first request with this key."""
        key, now = idempotency_key(request), self._services.clock()
        body = await read_json_body(request)
        asked = parse_wanted(body, now=now)
        # Of a report: the same key for a batch of events is another request.
        known = _Request(caller, key, hashlib.sha256(b"report\0" + body).digest(), origin_of(request))
        async with self._turns.taken():
            report_id = await self._find_known(known)
            was_known = report_id is not None
            if report_id is None:
                report_id = await self._make(known, asked)
        async with self._services.database.reading() as db:
            kept = await find_kept(db, report_id)
        if kept is None:
            raise Problem(409, "the report of this Idempotency-Key was removed")
        headers = {"Location": f"{_PATH}/{report_id}"} | ({"Idempotency-Replayed": "true"} if was_known else {})
        answer = json_response(_shown(kept), headers)
        answer.status_code = 201
        return answer

    async def _find_known(self, asked: _Request) -> str | None:
        if asked.key is None:
            return None
        try:
            async with self._services.database.reading() as db:
                return await find_requested(db, asked.caller.actor, asked.key, digest=asked.digest)
        except RequestKeyReused:
            raise wrong_field(
                "Idempotency-Key", "a new key: this one was used with another request", status=422
            ) from None  # fmt: skip

    async def _make(self, request: _Request, asked: Asked) -> str:
        services, actor, now = self._services, request.caller.actor, self._services.clock()
        report = await compose_period(
            services.audit, self._sections, asked.period, kind=asked.kind, language=asked.language, made_by=actor,
            now=now,
        )  # fmt: skip
        async with services.database.transaction() as db:
            if request.key is None or await keep_request(
                db, actor, request.key, digest=request.digest, report_id=report.id, now=now
            ):
                await keep_report(db, services.emitter, report, actor=actor, now=now, origin=request.origin)
                return report.id
        # Another process answered the same request a moment ago.
        return await self._find_known(request) or report.id


def _shown(kept: KeptReport) -> dict[str, object]:
    return {
        "id": kept.id,
        "kind": kept.kind,
        "from": kept.from_at.isoformat(),
        "until": kept.until_at.isoformat(),
        "created_at": kept.created_at.isoformat(),
        "log_size": kept.size,
    }
