"""Answers in JSON, and the one reader of JSON bodies."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from base.request import header, read_body
from server.api.problems import Problem

BODY_BYTES = 1024 * 1024
_KINDS = ("application/json", "application/json;charset=utf-8")


def json_response(body: object, headers: dict[str, str] | None = None) -> Response:
    """200 with this body."""
    return Response(msgspec.json.encode(body), 200, headers, "application/json")


async def read_json_body(request: Request) -> bytes:
    """The bytes of a JSON body, at most 1 MiB, unparsed; raises Problem, BodyTooLarge."""
    kind = (header(request.scope, b"content-type") or "").lower().replace(" ", "").replace('"', "")
    if kind not in _KINDS:
        raise Problem(415, "expected Content-Type: application/json")
    if header(request.scope, b"content-encoding") not in (None, "identity"):
        raise Problem(415, "expected a body without Content-Encoding")
    return await read_body(request.receive, limit=BODY_BYTES)
