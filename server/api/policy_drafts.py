"""`/api/v1/policies/drafts`: sets that are being written. `ETag` counts how often one was."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from identity.services import Services, origin_of
from policy.drafts import NAME_EXPECTED, Draft, DraftChanged, find_draft, is_draft_name, list_drafts, remove_draft
from policy.drafts import write_draft as store_draft
from policy.sets import find_newest
from server.api.answers import json_response, read_json_body
from server.api.audit_events import security
from server.api.bearer import Caller, bearer_with
from server.api.if_match import ANY, parse_if_match
from server.api.parameters import Parameters, only_once
from server.api.policy_bodies import DRAFT, DRAFT_GONE, WantedDraft, parse_draft
from server.api.problems import Problem, wrong_field
from server.policy_documents import shown_draft, shown_text

_READ, _WRITE = "policies:read", "policies:write"
_PATH = "/api/v1/policies/drafts"
_CHANGED = "the draft is not as you know it: read it again"


def router(services: Services) -> APIRouter:
    """The addresses for one deployment."""
    made, drafts = APIRouter(tags=["policies"], dependencies=[Depends(only_once)]), Drafts(services)
    Reader = Annotated[Caller, Depends(bearer_with(services, _READ))]
    Writer = Annotated[Caller, Depends(bearer_with(services, _WRITE))]
    Name = Annotated[str, Path(description="of a draft")]
    one, reading, writing = _PATH + "/{name}", security(_READ), security(_WRITE)

    @made.get(_PATH, summary="Every draft", openapi_extra=reading)
    async def listing(_: Reader, __: Annotated[Parameters, Query()]) -> Response:
        return await drafts.listing()

    @made.get(one, summary="One draft", openapi_extra=reading)
    async def show(_: Reader, name: Name, __: Annotated[Parameters, Query()]) -> Response:
        return await drafts.show(name)

    @made.put(one, summary="Writes a draft", openapi_extra=writing | DRAFT)
    async def write(request: Request, caller: Writer, name: Name, _: Annotated[Parameters, Query()]) -> Response:
        return await drafts.write(request, caller, name)

    @made.delete(one, summary="Removes a draft", status_code=204, openapi_extra=writing | DRAFT_GONE)
    async def remove(request: Request, caller: Writer, name: Name, _: Annotated[Parameters, Query()]) -> Response:
        return await drafts.remove(request, caller, name)

    return made


class Drafts:
    """The four endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def listing(self) -> Response:
        """All of them, without the texts: there are a few."""
        async with self._services.database.reading() as db:
            return json_response({"drafts": [shown_draft(each) for each in await list_drafts(db)]})

    async def show(self, name: str) -> Response:
        """One with its texts."""
        async with self._services.database.reading() as db:
            draft = await find_draft(db, name)
        if draft is None:
            raise Problem(404, "there is no such draft")
        return _answer(draft)

    async def write(self, request: Request, caller: Caller, name: str) -> Response:
        """Makes a draft, or writes the one that the caller knows anew; it may have faults."""
        services = self._services
        if not is_draft_name(name):
            raise wrong_field("name", NAME_EXPECTED, status=422)
        wanted, known = parse_draft(await read_json_body(request)), parse_if_match(request)
        try:
            async with services.database.transaction() as db:
                draft, newest = await find_draft(db, name), await find_newest(db)
                assert newest is not None  # noqa: S101 - written at the first start
                if wanted.based_on is not None and wanted.based_on > newest.revision:
                    raise wrong_field("based_on", f"at most {newest.revision}, the revision in force", status=422)
                written = await store_draft(
                    db,
                    services.emitter,
                    name,
                    wanted.text,
                    based_on=_based_on(wanted, draft, newest.revision),
                    is_shadow=bool(draft and draft.is_shadow) if wanted.is_shadow is None else wanted.is_shadow,
                    expected_version=draft.version if draft and known == ANY else known,
                    now=services.clock(),
                    actor=caller.actor,
                    origin=origin_of(request),
                )
        except DraftChanged:
            raise Problem(412, _CHANGED) from None
        return _answer(written)

    async def remove(self, request: Request, caller: Caller, name: str) -> Response:
        """Takes a draft away; with `If-Match` only as the caller knows it."""
        services, known = self._services, parse_if_match(request)
        try:
            async with services.database.transaction() as db:
                is_gone = await remove_draft(
                    db,
                    services.emitter,
                    name,
                    expected_version=known or None,
                    now=services.clock(),
                    actor=caller.actor,
                    origin=origin_of(request),
                )
        except DraftChanged:
            raise Problem(412, _CHANGED) from None
        if not is_gone:
            raise Problem(404, "there is no such draft")
        return Response(status_code=204)


def _based_on(wanted: WantedDraft, draft: Draft | None, newest: int) -> int:
    return wanted.based_on or (draft.based_on if draft else newest)


def _answer(draft: Draft) -> Response:
    return json_response({**shown_draft(draft), **shown_text(draft.text)}, {"ETag": f'"{draft.version}"'})
