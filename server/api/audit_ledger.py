"""`GET /api/v1/audit/checkpoints` and `/api/v1/audit/proof`: what an outsider needs to check the log (RFC 9162)."""

import base64
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from audit.ledger.checkpoints import (
    StoredCheckpoint,
    list_checkpoints,
    log_size,
    prove_consistency,
    prove_inclusion,
    root_of,
)
from audit.ledger.tiles import leaf_hashes
from identity.services import Services
from server.api.answers import json_response
from server.api.audit_events import READ, security
from server.api.bearer import Caller, bearer_with
from server.api.parameters import Paging, Parameters, only_once
from server.api.problems import Problem, wrong_field

_MOST = 2**62
Number = Annotated[int, Field(ge=0, le=_MOST)]


class ProofParameters(Parameters):
    """Either the event at `seq` within the log of `size` events, or that the log of `from` begins that of `to`."""

    seq: Number | None = None
    size: Number | None = None
    from_: Annotated[Number | None, Field(alias="from")] = None
    to: Number | None = None


def router(services: Services) -> APIRouter:
    """The addresses for one deployment."""
    made, ledger = APIRouter(tags=["audit"], dependencies=[Depends(only_once)]), Ledger(services)
    Reader = Annotated[Caller, Depends(bearer_with(services, READ))]

    @made.get("/api/v1/audit/checkpoints", summary="Signed checkpoints", openapi_extra=security(READ))
    async def checkpoints(_: Reader, asked: Annotated[Paging, Query()]) -> Response:
        return await ledger.page(asked)

    @made.get("/api/v1/audit/proof", summary="A proof of inclusion or consistency", openapi_extra=security(READ))
    async def proof(_: Reader, asked: Annotated[ProofParameters, Query()]) -> Response:
        return await ledger.prove(asked)

    return made


class Ledger:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def page(self, asked: Paging) -> Response:
        """A page of checkpoints, the newest first; `after` is the size of the last one."""
        before = None
        if asked.after is not None:
            if not (asked.after.isascii() and asked.after.isdigit() and len(asked.after) <= 18):
                raise wrong_field("after", "the `next` of a page of checkpoints")
            before = int(asked.after)
        async with self._services.database.reading() as db:
            found = await list_checkpoints(db, limit=asked.limit + 1, before=before)
        shown = found[: asked.limit]
        following = str(shown[-1].size) if len(found) > asked.limit else None
        return json_response({"checkpoints": [_shown(each) for each in shown], "next": following})

    async def prove(self, asked: ProofParameters) -> Response:
        """The proof that was asked for; `size` and `to` are the log's size now where they are left out."""
        if (asked.seq is None) == (asked.from_ is None):
            raise Problem(400, "expected seq and size, or from and to")
        async with self._services.database.reading() as db:
            newest = await log_size(db)
            if asked.seq is not None:
                _refuse("to", asked.to)
                return json_response(await _inclusion(db, asked.seq, asked.size, newest))
            _refuse("size", asked.size)
            return json_response(await _consistency(db, asked.from_ or 0, asked.to, newest))


def _refuse(field: str, value: int | None) -> None:
    if value is not None:
        raise wrong_field(field, "seq and size, or from and to")


async def _inclusion(db: AsyncConnection, seq: int, size: int | None, newest: int) -> dict[str, object]:
    size = newest if size is None else size
    if size > newest:
        raise wrong_field("size", f"at most the log's size, {newest}")
    if seq >= size:
        raise wrong_field("seq", f"less than the size, {size}")
    (leaf,) = await leaf_hashes(db, seq, 1)
    proof = await prove_inclusion(db, seq, size)
    root = await root_of(db, size)
    told = {"leaf": _text(leaf), "root": _text(root), "proof": [_text(each) for each in proof]}
    return {"seq": seq, "size": size, **told}


async def _consistency(db: AsyncConnection, old: int, new: int | None, newest: int) -> dict[str, object]:
    new = newest if new is None else new
    if new > newest:
        raise wrong_field("to", f"at most the log's size, {newest}")
    if not 0 < old <= new:
        raise wrong_field("from", f"1 to {new}")
    proof = await prove_consistency(db, old, new)
    roots = {"from_root": _text(await root_of(db, old)), "to_root": _text(await root_of(db, new))}
    return {"from": old, "to": new, **roots, "proof": [_text(each) for each in proof]}


def _text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _shown(checkpoint: StoredCheckpoint) -> dict[str, object]:
    return {
        "size": checkpoint.size,
        "root": _text(checkpoint.root),
        "at": checkpoint.at.isoformat(),
        "note": checkpoint.note,
        "published_at": checkpoint.published_at and checkpoint.published_at.isoformat(),
    }
