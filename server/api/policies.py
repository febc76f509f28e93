"""`/api/v1/policies`: the set of policies in force, those that were, and the drafts."""

import asyncio
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from identity.services import Services
from policy.checking import check_set
from policy.sets import KeptSet, find_newest, find_set, list_sets
from server.api.answers import json_response, read_json_body
from server.api.audit_events import security
from server.api.bearer import Caller, bearer_with
from server.api.parameters import Paging, Parameters, only_once
from server.api.policy_activation import Activation
from server.api.policy_bodies import ACTIVATION, CHECK, parse_set
from server.api.problems import Problem, wrong_field
from server.policy_documents import shown_activation, shown_findings, shown_text

READ, WRITE = "policies:read", "policies:write"
_PATH = "/api/v1/policies"
# A check keeps a core busy for tens of milliseconds.
_CHECKS_AT_ONCE = 2
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def router(services: Services) -> APIRouter:
    """The addresses for one deployment."""
    made, sets = APIRouter(tags=["policies"], dependencies=[Depends(only_once)]), Sets(services)
    activation = Activation(services)
    Reader = Annotated[Caller, Depends(bearer_with(services, READ))]
    Writer = Annotated[Caller, Depends(bearer_with(services, WRITE))]
    Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="of a revision")]
    reading, writing = security(READ), security(WRITE)

    @made.get(_PATH, summary="What is and was in force, the newest first", openapi_extra=reading)
    async def listing(_: Reader, asked: Annotated[Paging, Query()]) -> Response:
        return await sets.listing(asked)

    @made.get(_PATH + "/active", summary="The set in force", openapi_extra=reading)
    async def active(_: Reader, __: Annotated[Parameters, Query()]) -> Response:
        return await sets.one(None)

    @made.put(_PATH + "/active", summary="Puts a set in force", openapi_extra=writing | ACTIVATION)
    async def activate(request: Request, caller: Writer, _: Annotated[Parameters, Query()]) -> Response:
        return await activation.activate(request, caller)

    @made.post(_PATH + "/check", summary="What is wrong or odd about a set", openapi_extra=reading | CHECK)
    async def check(request: Request, _: Reader, __: Annotated[Parameters, Query()]) -> Response:
        return await sets.check(request)

    @made.get(_PATH + "/{revision}", summary="The set of one revision", openapi_extra=reading)
    async def revision(_: Reader, revision: Number, __: Annotated[Parameters, Query()]) -> Response:
        return await sets.one(revision)

    return made


class Sets:
    """What can be read of sets, and whether one could be put in force."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns = asyncio.Semaphore(_CHECKS_AT_ONCE)

    async def listing(self, asked: Paging) -> Response:
        """A page, without the texts."""
        before = _parse_after(asked.after)
        async with self._services.database.reading() as db:
            found = await list_sets(db, limit=asked.limit + 1, before=before)
        page = found[: asked.limit]
        following = str(page[-1].revision) if len(found) > len(page) else None
        return json_response({"sets": [shown_activation(each) for each in page], "next": following})

    async def one(self, revision: int | None) -> Response:
        """A set with its texts; None is the one in force. Its ETag is its number."""
        async with self._services.database.reading() as db:
            kept = await find_newest(db) if revision is None else await find_set(db, revision)
        if kept is None:
            raise Problem(404, "there is no such revision")
        return json_response(_shown(kept), {"ETag": f'"{kept.revision}"'})

    async def check(self, request: Request) -> Response:
        """Changes nothing, and looks at nothing but what was sent."""
        text = parse_set(await read_json_body(request))
        async with self._turns:
            checked = await asyncio.to_thread(check_set, text)
        findings = shown_findings(checked.findings)
        return json_response({"is_usable": not checked.errors, "policies": len(checked.policies), "findings": findings})


def _parse_after(after: str | None) -> int | None:
    """The last revision of the page before; raises Problem."""
    if after is None:
        return None
    if not _NUMBER.fullmatch(after):
        raise wrong_field("after", "`next` of the page before")
    return int(after)


def _shown(kept: KeptSet) -> dict[str, object]:
    return {**shown_activation(kept.activation), **shown_text(kept.text)}
