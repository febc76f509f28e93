"""The header `If-Match`: what the caller knows to be there (RFC 9110 §13.1.1), as the number that our ETags hold."""

import re

from starlette.requests import Request

from server.api.problems import wrong_field

# Whatever is there; no row has this number.
ANY = 0
_NUMBER = re.compile(r'"([1-9][0-9]{0,9})"')


def parse_if_match(request: Request) -> int | None:
    """The number of the one ETag that is named, `ANY` for a star, None without the header; raises Problem."""
    given = [str(value, "latin-1").strip() for name, value in request.scope["headers"] if name == b"if-match"]
    if not given:
        return None
    if given == ["*"]:
        return ANY
    found = _NUMBER.fullmatch(given[0])
    if len(given) > 1 or found is None:
        raise wrong_field("If-Match", 'one ETag, such as "3", or *')
    return int(found[1])
