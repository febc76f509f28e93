"""`GET /api/v1/feed` and `/api/v1/feed/entries/{seq}`: how far revocations came, for people and their tools."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.responses import Response

from base.secret_values import b64url
from feed.overview import (
    Batch,
    StoredFollower,
    find_entry,
    list_followers,
    load_place,
    newest_batches,
    words_of,
)
from identity.services import Services
from server.api.answers import json_response
from server.api.audit_events import security
from server.api.bearer import Caller, bearer_with
from server.api.parameters import Paging, only_once
from server.api.problems import Problem, wrong_field
from server.feed import SCOPE

_MOST = 2**53 - 1
BATCHES = 20
# No client id and no name of a follower holds it.
_BETWEEN = "/"


def router(services: Services) -> APIRouter:
    """The addresses for one deployment."""
    made, overview = APIRouter(tags=["feed"], dependencies=[Depends(only_once)]), Overview(services)
    Reader = Annotated[Caller, Depends(bearer_with(services, SCOPE))]

    @made.get("/api/v1/feed", summary="Where the feed stands, and who follows it", openapi_extra=security(SCOPE))
    async def show(_: Reader, asked: Annotated[Paging, Query()]) -> Response:
        return await overview.show(asked)

    @made.get(
        "/api/v1/feed/entries/{seq}", summary="One entry, and where it is in force", openapi_extra=security(SCOPE)
    )
    async def entry(_: Reader, seq: Annotated[Annotated[int, Field(ge=1, le=_MOST)], Path()]) -> Response:
        return await overview.entry(seq)

    return made


class Overview:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, asked: Paging) -> Response:
        """The log's place, the newest batches, and a page of followers by client and name."""
        after, now = _parse_after(asked.after), self._services.clock()
        async with self._services.database.reading() as db:
            place = await load_place(db, now=now)
            found = await list_followers(db, place, limit=asked.limit + 1, after=after, now=now)
            batches = await newest_batches(db, place, limit=BATCHES, now=now)
        shown = found[: asked.limit]
        following = _BETWEEN.join((shown[-1].client_id, shown[-1].name)) if len(found) > asked.limit else None
        document = {
            **msgspec.to_builtins(place),
            "batches": [show_batch(each) for each in batches],
            "followers": [show_follower(each) for each in shown],
            "next": following,
        }
        return json_response(document)

    async def entry(self, seq: int) -> Response:
        """One entry as its line says it, with the chain after it and how far it came."""
        async with self._services.database.reading() as db:
            found = await find_entry(db, seq, now=self._services.clock())
        if found is None:
            raise Problem(404, "the feed has no entry of this number: it was not given yet, or the entry has expired")
        says = msgspec.json.decode(found.line)
        told = {"line": found.line.decode(), "chain": b64url(found.chain)}
        return json_response({**says, **told, "batch": found.batch and show_batch(found.batch)})


def show_follower(follower: StoredFollower) -> dict[str, object]:
    """One follower, as the API and the command line tell it."""
    told: dict[str, object] = msgspec.to_builtins(follower)
    return {"client": told.pop("client_id"), **told}


def show_batch(batch: Batch) -> dict[str, object]:
    """One batch, with its words."""
    return {**msgspec.to_builtins(batch), "words": words_of(batch)}


def _parse_after(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    client_id, between, name = text.partition(_BETWEEN)
    if not (client_id and between and name) or not text.isprintable():
        raise wrong_field("after", "the `next` of a page of followers")
    return client_id, name
