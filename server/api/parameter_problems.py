"""The problem of parameters that do not fit what an endpoint of the API declares; loads FastAPI."""

import re
from collections.abc import Mapping

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from server.api.problems import Problem, answer_problem

# The words of the library that checks parameters, cut down to what was expected.
_SAID = re.compile(r"^(input|string|value) should (be )?(a valid )?", re.IGNORECASE)
_KINDS = {"extra_forbidden": "no such parameter"}


def answer_refused_parameters(request: Request, failure: Exception) -> Response:
    """The document of parameters that do not fit what an endpoint declares: each is named."""
    assert isinstance(failure, RequestValidationError)  # noqa: S101 - as above
    errors = [_told(each) for each in failure.errors()]
    return answer_problem(request, Problem(400, f"{errors[0]['field']}: {errors[0]['expected']}", errors=errors))


def _told(error: Mapping[str, object]) -> dict[str, object]:
    place = error.get("loc")
    parts = [str(part) for part in place[1:]] if isinstance(place, tuple | list) else []
    said = _SAID.sub("", str(error.get("msg", "")))
    return {"field": ".".join(parts)[:64], "expected": _KINDS.get(str(error.get("type")), said)}
