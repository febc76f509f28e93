"""The one map from a failure to an answer: a page for people, JSON for programs; never a detail (I4)."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from base.pages import Pages

_PROGRAM_PATHS = ("/oauth/", "/.well-known/", "/api/", "/access/", "/feed/", "/policy/", "/scim/")
_API = "/api/"
# Browsers come here, although the paths look like the ones above.
_PEOPLE_PATHS = frozenset({"/oauth/authorize", "/oauth/logout"})


class _Answer(NamedTuple):
    status: int
    error: str
    title: str
    message: str
    retry_after_s: int | None = None


class Failure(Enum):
    """Everything that the edge answers by itself; `error` is the OAuth code that fits (RFC 6749 §5.2, §4.1.2.1)."""

    TOO_LARGE = _Answer(413, "invalid_request", "Too much was sent", "The request is larger than this address takes.")
    STORAGE = _Answer(
        503,
        "temporarily_unavailable",
        "Please try again",
        "The service cannot reach its database at the moment. Nothing was lost; try again shortly.",
        2,
    )
    UNEXPECTED = _Answer(
        500, "server_error", "Something went wrong", "The fault is ours and was noted. Try again, or tell the operator."
    )
    NOT_FOUND = _Answer(404, "not_found", "Page not found", "There is nothing at this address.")
    METHOD = _Answer(405, "invalid_request", "Not possible here", "This address does not take this kind of request.")


def make_failure_answers(pages: Pages) -> Callable[[Scope, Failure], ASGIApp]:
    """What answers a failure: the error page, or JSON with the request id, by who asks."""

    def fail(scope: Scope, failure: Failure) -> ASGIApp:
        answer = failure.value
        if wants_page(scope):
            request = Request(scope)
            return pages.error(request, answer.status, answer.title, answer.message, retry_after_s=answer.retry_after_s)
        return plain_answer(scope, failure)

    return fail


def wants_page(scope: Scope) -> bool:
    """Whether a person looks at the answer: a page's path, or a browser at any path that no program uses."""
    path = scope["path"]
    if path in _PEOPLE_PATHS:
        return True
    if path.startswith(_PROGRAM_PATHS):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def plain_answer(scope: Scope, failure: Failure) -> Response:
    """The failure as JSON with the request id: an OAuth error, or a problem document under `/api/`."""
    answer = failure.value
    if scope["path"].startswith(_API):
        return _problem(scope, answer)
    body = {
        "error": answer.error,
        "error_description": answer.message,
        "request_id": scope.get("ostiary.request_id"),
    }
    headers = {} if answer.retry_after_s is None else {"Retry-After": str(answer.retry_after_s)}
    return Response(msgspec.json.encode(body), answer.status, headers, "application/json")


def _problem(scope: Scope, answer: _Answer) -> Response:
    """The failure as the API tells its own (RFC 9457)."""
    body = {
        "type": "about:blank",
        "title": answer.title,
        "status": answer.status,
        "detail": answer.message,
        "request_id": scope.get("ostiary.request_id"),
    }
    headers = {} if answer.retry_after_s is None else {"Retry-After": str(answer.retry_after_s)}
    return Response(msgspec.json.encode(body), answer.status, headers, "application/problem+json")


async def answer_failure(
    fail: Callable[[Scope, Failure], ASGIApp], failure: Failure, scope: Scope, receive: Receive, send: Send
) -> None:
    """Sends a failure's answer, and the plain one where even the page cannot be made."""
    try:
        answer = fail(scope, failure)
    except Exception:  # noqa: BLE001 - a broken template must not turn an error page into no answer
        answer = plain_answer(scope, failure)
    await answer(scope, receive, send)
