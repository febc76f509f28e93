"""Where a request belongs: read from the proxy's words, found among the routes, and remembered. No I/O."""

from ostiary.asgi_types import Scope
from ostiary.gateway.answers import Speaker
from ostiary.gateway.openings import ASKED_METHOD, Opening, find_opening
from ostiary.gateway.request_headers import RequestHeaders
from ostiary.gateway.routes import Route, RouteTable
from ostiary.gateway.targets import FORWARDED, ORIGINAL, Target, checked_target

EXT_AUTHZ = b"/ext-authz"
Place = tuple[Target, Route, Opening]

# A request with one of these is read anew each time: they have a say in how it gets in.
_SPECIAL = (b"upgrade", b"origin", ASKED_METHOD)
_DIALECTS = {Speaker.FORWARD_AUTH: FORWARDED, Speaker.AUTH_REQUEST: ORIGINAL}
# What is remembered stays small, whatever is asked for (S38).
_MAX_KNOWN = 4096
_MAX_KNOWN_BYTES = 256


class Places:
    """The places of requests. The same words always mean the same, so that the answer to them is remembered."""

    def __init__(self, routes: RouteTable) -> None:
        self._routes = routes
        self._known: dict[tuple[bytes | None, ...], Place] = {}

    def find(self, speaker: Speaker, scope: Scope, headers: RequestHeaders) -> Place:
        """Target, route and opening; what `find_opening` and the dialects raise where there is none."""
        dialect = _DIALECTS.get(speaker)
        if dialect is None or any(name in headers for name in _SPECIAL):
            return self._read(speaker, scope, headers)
        said = headers.find_all_once(dialect.names)
        found = self._known.get(said) if said is not None else None
        if found is None:
            found = self._read(speaker, scope, headers)
            if said is not None and sum(len(value or b"") for value in said) <= _MAX_KNOWN_BYTES:
                if len(self._known) >= _MAX_KNOWN:
                    self._known.clear()
                self._known[said] = found
        return found

    def _read(self, speaker: Speaker, scope: Scope, headers: RequestHeaders) -> Place:
        target = _target_of(speaker, scope, headers)
        return (target, *find_opening(self._routes, target, headers))


def raw_path(scope: Scope) -> bytes:
    """The path as it came; a server that does not tell it cannot be trusted with paths, and gets nothing."""
    raw = scope.get("raw_path")
    return raw if isinstance(raw, bytes) else b""


def _target_of(speaker: Speaker, scope: Scope, headers: RequestHeaders) -> Target:
    dialect = _DIALECTS.get(speaker)
    if dialect is not None:
        return dialect.target(headers)
    uri, query = raw_path(scope).removeprefix(EXT_AUTHZ), scope.get("query_string")
    if isinstance(query, bytes) and query:
        uri += b"?" + query
    return checked_target(method=str(scope["method"]), raw_uri=uri, headers=headers)
