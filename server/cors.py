"""Cross-origin reading (S9): who may read discovery, keys, tokens, userinfo and revocation from a browser.

Only origins of registered redirect URIs, and never at the authorization endpoint. Credentials are not allowed: these
endpoints take tokens, not cookies.
"""

from collections.abc import Callable, Iterable

Headers = list[tuple[bytes, bytes]]

PATHS = frozenset(
    {
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/oauth/token",
        "/oauth/userinfo",
        "/oauth/revoke",
    }
)
_VARY = (b"vary", b"origin")
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, dpop"),
    (b"access-control-max-age", b"600"),
]
_EXPOSED = (b"access-control-expose-headers", b"www-authenticate, retry-after, dpop-nonce")


def is_preflight(method: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a browser asks if it may ask (Fetch, "CORS-preflight request")."""
    return method == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in headers)


def cors_headers(
    headers: Iterable[tuple[bytes, bytes]], registered: Callable[[], frozenset[str]], *, preflight: bool
) -> Headers:
    """What an answer at one of `PATHS` gets: `Vary` always, permission only for a registered origin."""
    origins = [value for name, value in headers if name == b"origin"]
    if len(origins) != 1 or origins[0].decode("latin-1") not in registered():
        return [_VARY]
    allowed = (b"access-control-allow-origin", origins[0])
    return [_VARY, allowed, *(_PREFLIGHT if preflight else [_EXPOSED])]
