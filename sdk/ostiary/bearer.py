"""Bearer tokens in HTTP requests and the answers that refuse them (RFC 6750, RFC 9470). No I/O, no framework."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import random

import msgspec

from ostiary.backoff import spread_s
from ostiary.errors import InsufficientAuthentication, InsufficientScope, TokenError, Unavailable

# What a guard turns into an answer; everything else is a fault of the program.
GuardError = TokenError | Unavailable | InsufficientScope | InsufficientAuthentication
GUARD_ERRORS = (TokenError, Unavailable, InsufficientScope, InsufficientAuthentication)

# RFC 6750 §2.1, b64token, without the = that may end it. Deleting them from a token is ten times as fast as a regex.
_TOKEN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"

# RFC 6750 §3 allows these letters in error_description and scope; anything else could break out of the quotes.
_NOT_QUOTABLE = re.compile(r"[^ !#-\[\]-~]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let through, in public words. `error` is RFC 6750's code, None where it wants none.

    `acr_values` and `max_age_s` say what sign-in would do (RFC 9470 §3).
    """

    status: int
    error: str | None
    description: str
    scopes: tuple[str, ...] = ()
    retry_after_s: int | None = None
    acr_values: tuple[str, ...] = ()
    max_age_s: int | None = None


class BearerMissing(Exception):
    """The request brings no usable bearer token; `refusal` is the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.description)
        self.refusal = refusal


NO_TOKEN = Refusal(401, None, "this request needs a bearer token in the Authorization header")
TWO_HEADERS = Refusal(400, "invalid_request", "there must be exactly one Authorization header")
NOT_ONE_TOKEN = Refusal(400, "invalid_request", "the Authorization header must be the word Bearer and one token")


def parse_bearer(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The token from the only place where one is accepted, the Authorization header; BearerMissing otherwise.

    A query string or form body is never looked at: addresses end up in logs (RFC 6750 §5.3, S12).
    """
    return parse_credentials(find_credentials(headers))


def find_credentials(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The value of the Authorization header, or None; BearerMissing where there are two."""
    found: bytes | None = None
    for name, value in headers:
        if len(name) == 13 and name.lower() == b"authorization":
            if found is not None:
                raise BearerMissing(TWO_HEADERS)
            found = value
    return found


def parse_credentials(value: bytes | None) -> str:
    """The token from the value of the one Authorization header, None where there is none; BearerMissing otherwise."""
    if value is None:
        raise BearerMissing(NO_TOKEN)
    scheme, _, token = value.partition(b" ")
    if scheme != b"Bearer" and scheme.lower() != b"bearer":
        raise BearerMissing(NO_TOKEN)
    body = token.rstrip(b"=")
    if not body or body.translate(None, _TOKEN_BYTES):
        raise BearerMissing(NOT_ONE_TOKEN)
    return token.decode("ascii")


def refusal_for(error: GuardError) -> Refusal:
    """The answer to an error of the SDK: 401, 503, 403, or 401 with what sign-in would do."""
    match error:
        case TokenError():
            return Refusal(401, "invalid_token", error.description)
        case Unavailable():
            return Refusal(503, "temporarily_unavailable", str(error), retry_after_s=error.retry_after_s)
        case InsufficientScope():
            return Refusal(403, "insufficient_scope", str(error), scopes=error.required)
        case InsufficientAuthentication():
            code = "insufficient_user_authentication"
            return Refusal(401, code, str(error), acr_values=error.acr, max_age_s=error.max_age_s)


def challenge(refusal: Refusal, *, realm: str, metadata_url: str | None = None) -> str:
    """The value of `WWW-Authenticate`. Without a token it carries no error code (RFC 6750 §3.1).

    `metadata_url` is where the API says which issuer it trusts (RFC 9728 §5.1).
    """
    parts = [("realm", realm)]
    if refusal.error is not None:
        parts += [("error", refusal.error), ("error_description", refusal.description)]
    if refusal.scopes:
        parts.append(("scope", " ".join(refusal.scopes)))
    if refusal.acr_values:
        parts.append(("acr_values", " ".join(refusal.acr_values)))
    if refusal.max_age_s is not None:
        parts.append(("max_age", str(refusal.max_age_s)))
    if metadata_url is not None:
        parts.append(("resource_metadata", metadata_url))
    return "Bearer " + ", ".join(f'{name}="{_NOT_QUOTABLE.sub("?", value)}"' for name, value in parts)


def response_parts(
    refusal: Refusal,
    *,
    realm: str,
    metadata_url: str | None = None,
    chance: Callable[[], float] = random,
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and JSON body of the refusal; `Retry-After` varies by `chance`, so that not all come back at once."""
    body = msgspec.json.encode(refusal_document(refusal))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if refusal.retry_after_s is None:
        headers.append((b"www-authenticate", challenge(refusal, realm=realm, metadata_url=metadata_url).encode()))
    else:
        headers.append((b"retry-after", str(spread_s(refusal.retry_after_s, random=chance)).encode()))
    return headers, body


def refusal_document(refusal: Refusal) -> dict[str, str]:
    """What the body of the answer says."""
    return {**({"error": refusal.error} if refusal.error else {}), "error_description": refusal.description}
