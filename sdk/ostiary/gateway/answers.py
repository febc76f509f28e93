"""What the gateway answers, and how each kind of proxy is told. No I/O.

Trouble of our own is never a 401: whoever is told to sign in again would do so in vain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import random

import msgspec

from ostiary.backoff import spread_s
from ostiary.bearer import Refusal, challenge, refusal_document
from ostiary.gateway.identity_headers import NOBODY, OVERRIDES, Headers, emitted_headers

# Where a refusal had to become a 403, the status that it has in truth.
TRUE_STATUS = b"x-ostiary-status"
REMOVED_BY_ENVOY = b"x-envoy-auth-headers-to-remove"

_OVERRIDES = b",".join(OVERRIDES)
_KNOWN_TO_NGINX = (200, 401, 403)
_CHALLENGED = ("insufficient_scope", "insufficient_user_authentication", "invalid_token", "invalid_request")


class Speaker(Enum):
    """Which proxy is spoken to."""

    FORWARD_AUTH = "forward-auth"
    # nginx knows 2xx, 401 and 403 alone; everything else is a 500 to it.
    AUTH_REQUEST = "auth-request"
    # Envoy takes 200 for a yes, and every 5xx for a failure of its own asking.
    EXT_AUTHZ = "ext-authz"


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """An HTTP answer to the proxy."""

    status: int
    headers: Headers
    body: bytes = b""

    def spoken_to(self, speaker: Speaker) -> "GatewayAnswer":
        """The answer as that proxy understands it; a refusal says its true status beside."""
        headers = self.headers
        if speaker is Speaker.EXT_AUTHZ:
            headers = [*headers, (REMOVED_BY_ENVOY, _OVERRIDES)]
        if self.status == 200:
            return GatewayAnswer(200, headers, self.body)
        headers = [*headers, (TRUE_STATUS, str(self.status).encode())]
        is_told = speaker is not Speaker.AUTH_REQUEST or self.status in _KNOWN_TO_NGINX
        return GatewayAnswer(self.status if is_told else 403, headers, self.body)


def allowed(headers: Headers) -> GatewayAnswer:
    """Let the request through with these headers."""
    return GatewayAnswer(200, [*headers, (b"cache-control", b"no-store"), (b"content-length", b"0")])


def refused(
    refusal: Refusal, *, realm: str, request_id: str, metadata_url: str | None = None, more: Headers | None = None
) -> GatewayAnswer:
    """Turn the request away: identity headers are all empty, and the body says why.

    `WWW-Authenticate` goes with what a better token would change (RFC 6750 §3, RFC 9470 §3), `Retry-After` with what
    time would.
    """
    body = msgspec.json.encode({**refusal_document(refusal), "request_id": request_id})
    headers = _of_body(request_id, "application/json", body)
    if refusal.status == 401 or refusal.error in _CHALLENGED:
        headers.append((b"www-authenticate", challenge(refusal, realm=realm, metadata_url=metadata_url).encode()))
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(spread_s(refusal.retry_after_s, random=random)).encode()))
    return GatewayAnswer(refusal.status, headers + (more or []), body)


def too_many(told: tuple[Headers, bytes], *, request_id: str) -> GatewayAnswer:
    """A 429 of the rate limiter's own words."""
    headers, body = told
    return GatewayAnswer(429, emitted_headers(NOBODY, request_id=request_id) + headers, body)


def wrong_method(words: str, methods: Sequence[str]) -> tuple[Refusal, Headers]:
    """A 405 and the Allow header that belongs to it (RFC 9110 §15.5.6)."""
    return Refusal(405, "method_not_allowed", words), [(b"allow", ", ".join(methods).encode())]


def _of_body(request_id: str, kind: str, body: bytes) -> Headers:
    return [
        *emitted_headers(NOBODY, request_id=request_id),
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
