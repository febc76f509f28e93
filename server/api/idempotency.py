"""The header `Idempotency-Key`: a POST that is sent again with it is answered as the first time."""

import re

from starlette.requests import Request

from server.api.problems import wrong_field

_KEY = re.compile(r"[\x21-\x7e]{1,128}")
HEADER: dict[str, object] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"},
    "description": "One a request: sent again with the same body, it gets the same answer for two days.",
}


def idempotency_key(request: Request) -> str | None:
    """The request's key, or None where it has none; raises Problem."""
    given = [value for name, value in request.scope["headers"] if name == b"idempotency-key"]
    if not given:
        return None
    text = str(given[0], "latin-1")
    if len(given) > 1 or not _KEY.fullmatch(text):
        raise wrong_field("Idempotency-Key", "one header of 1 to 128 visible ASCII characters")
    return text
