"""What services behind the gateway may believe about a request: headers that the gateway alone sets (S34, S42). Pure.

Every answer carries every one of them, empty where there is nothing to say: a proxy that copies what it finds would
otherwise leave in place what the client sent under the same name.
"""

from collections.abc import Collection
from urllib.parse import quote

from ostiary.values import AccessToken

Headers = list[tuple[bytes, bytes]]

# The token for the services, as draft-ietf-oauth-transaction-tokens names its header.
INTERNAL_TOKEN = b"txn-token"

# What a token says, and what it says of nobody.
Identity = tuple[tuple[bytes, bytes], ...]
NOBODY: Identity = (
    (b"x-user-id", b""),
    (b"x-user-roles", b""),
    (b"x-user-groups", b""),
    (b"x-client-id", b""),
    (b"x-scopes", b""),
    (b"x-acr", b""),
    (b"x-amr", b""),
    (b"x-auth-time", b""),
    (b"x-risk", b""),
    (b"x-session-id", b""),
)

IDENTITY_HEADERS = (*(name for name, _ in NOBODY), b"x-ostiary-route", b"x-ostiary-service", INTERNAL_TOKEN)
REQUEST_ID = b"x-request-id"
AUTHORIZATION = b"authorization"
EMITTED = (*IDENTITY_HEADERS, REQUEST_ID, AUTHORIZATION)

# By these some frameworks read another method or path than the request's own. The proxies take them away.
OVERRIDES = (
    b"x-http-method-override",
    b"x-http-method",
    b"x-method-override",
    b"x-original-url",
    b"x-rewrite-url",
)

# Names that no client may write with underscores: many servers read them as the ones with dashes.
_RESERVED = frozenset({*IDENTITY_HEADERS, *OVERRIDES, REQUEST_ID, AUTHORIZATION})
_RESERVED_BEGINNINGS = (b"x-ostiary-", b"x-forwarded-", b"x-original-", b"x-user-")

# Commas separate the names; of everything else only what cannot leave the header's one line stays as it is.
_SAFE = "!#$&'()*+-./:;<=>?@[]^_`{|}~ "


def emitted_headers(
    identity: Identity,
    *,
    request_id: str,
    route: str = "",
    service: str = "",
    internal_token: str = "",
    authorization: bytes = b"",
) -> Headers:
    """All of `EMITTED`, filled as far as is known.

    `identity` is what a token says (`Identities.of`), or NOBODY. `X-Ostiary-Service` is where the request belongs, so
    that the proxy need not read its path once more. `authorization` is what the service is to get as its Authorization
    header.
    """
    return [
        *identity,
        (b"x-ostiary-route", route.encode("ascii")),
        (b"x-ostiary-service", service.encode("ascii")),
        (INTERNAL_TOKEN, internal_token.encode("ascii")),
        (REQUEST_ID, request_id.encode("ascii")),
        (AUTHORIZATION, authorization),
    ]


def find_lookalike(names: Collection[bytes]) -> bytes | None:
    """The first of these (lower-case) names that reads as a reserved one once its underscores become dashes."""
    if b"_" not in b" ".join(names):
        return None
    for name in names:
        if b"_" in name:
            dashed = name.replace(b"_", b"-")
            if dashed in _RESERVED or dashed.startswith(_RESERVED_BEGINNINGS):
                return name
    return None


class Identities:
    """What tokens say as headers, remembered while the token is: the verifier gives the same object for the same token.

    At most `size` are remembered; then all are forgotten, which costs each of them a few microseconds once.
    """

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._known: dict[int, tuple[AccessToken, Identity]] = {}

    def of(self, token: AccessToken) -> Identity:
        """The token's own headers. `X-User-Id` is a person's `sub`: a client that calls in its own name has none."""
        known = self._known.get(id(token))
        # The token is held, so that nothing else can take its number.
        if known is not None and known[0] is token:
            return known[1]
        identity = _said_by(token)
        if len(self._known) >= self._size:
            self._known.clear()
        self._known[id(token)] = (token, identity)
        return identity


def _said_by(token: AccessToken) -> Identity:
    is_person = token.sub != token.client_id
    return (
        (b"x-user-id", _text(token.sub) if is_person else b""),
        (b"x-user-roles", _names(token.claims.get("roles"))),
        (b"x-user-groups", _names(token.claims.get("groups"))),
        (b"x-client-id", _text(token.client_id)),
        (b"x-scopes", _text(" ".join(sorted(token.scope)))),
        (b"x-acr", _text(token.acr or "")),
        (b"x-amr", _text(" ".join(token.amr))),
        (b"x-auth-time", b"" if token.auth_time is None else str(int(token.auth_time.timestamp())).encode()),
        (b"x-risk", b"" if token.risk is None else str(token.risk).encode()),
        (b"x-session-id", _text(token.sid or "")),
    )


def _text(value: str) -> bytes:
    return quote(value, safe=_SAFE + ",").encode()


def _names(value: object) -> bytes:
    """A list of names with commas between them; a comma inside of one is percent-encoded."""
    if not isinstance(value, list | tuple):
        return b""
    return ",".join(quote(name, safe=_SAFE) for name in value if isinstance(name, str)).encode()
