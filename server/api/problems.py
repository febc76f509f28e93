"""Faults as problem documents (RFC 9457), with the paths of the fields at fault and the request's id."""

from collections.abc import Mapping, Sequence

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: "The request is not right",
    401: "No access",
    403: "Not allowed",
    404: "Nothing is here",
    405: "Not possible here",
    409: "Not possible now",
    410: "It is not there any more",
    412: "It is not as you know it",
    413: "Too much was sent",
    415: "Not this kind of content",
    422: "The content is not right",
    428: "Say what you know",
    429: "Too much at once",
    503: "Not possible right now",
}


class Problem(Exception):
    """An answer that is a fault. `errors` name fields: {"field": …, "expected": …}, and "index" within a list."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers


def wrong_field(field: str, expected: str, *, status: int = 400) -> Problem:
    """The problem of one field."""
    detail = f"{field}: expected {expected}"
    return Problem(status, detail, errors=[{"field": field, "expected": expected}])


def answer_problem(request: Request, problem: Exception) -> Response:
    """The document of a Problem."""
    assert isinstance(problem, Problem)  # noqa: S101 - registered for nothing else
    body: dict[str, object] = {
        "type": "about:blank",
        "title": _TITLES.get(problem.status, "It did not work"),
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request.scope.get("ostiary.request_id"),
    }
    if problem.errors:
        body["errors"] = list(problem.errors)
    return Response(msgspec.json.encode(body), problem.status, problem.headers, MEDIA_TYPE)


def answer_http_exception(request: Request, failure: Exception) -> Response:
    """The document of what the framework refuses by itself: an unknown address or method."""
    assert isinstance(failure, HTTPException)  # noqa: S101 - as above
    details = {404: "there is nothing at this address", 405: "this address does not take this kind of request"}
    detail = details.get(failure.status_code, "the request cannot be answered")
    headers = _allowed(request) if failure.status_code == 405 else failure.headers
    return answer_problem(request, Problem(failure.status_code, detail, headers=headers))


def _allowed(request: Request) -> dict[str, str]:
    """Every method of the address: the router names those of its first route only (RFC 9110 §15.5.6)."""
    path = request.scope["path"]
    routes = [each for each in request.app.state.routes if each.path_regex.fullmatch(path)]
    return {"Allow": ", ".join(sorted({method for each in routes for method in each.methods or ()}))}
