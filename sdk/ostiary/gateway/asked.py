"""A proxy's question as a whole, and the functions that others hand in to help answer it."""

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ostiary.gateway.answers import GatewayAnswer, Speaker
from ostiary.gateway.identity_headers import REQUEST_ID
from ostiary.gateway.paths import Ambiguous
from ostiary.gateway.request_headers import RequestHeaders
from ostiary.gateway.routes import Route
from ostiary.gateway.targets import Target
from ostiary.policy.values import Answer, Question
from ostiary.values import AccessToken

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, by whom, and on which route. `address` is the client's, where it is known (S34)."""

    speaker: Speaker
    target: Target
    route: Route
    headers: RequestHeaders
    address: str | None
    request_id: str


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A browser's session: its access token, proven and as it was issued, and headers for the answer (cookies)."""

    token: AccessToken
    raw: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


# Answers a question to the policies. Whatever it raises is our own trouble: 503.
Decide = Callable[[Question], Awaitable[Answer]]
# A short-lived token for the route's audience, for the caller of this proven token, whose text comes second.
# ExchangeRefused is a 403; whatever else it raises is our own trouble: 503.
InternalToken = Callable[[AccessToken, str, Route], Awaitable[str]]
# The session of a request without an Authorization header: None where there is none (401), or an answer of its own,
# such as the way to the sign-in. It raises what `Verifier.verify` raises.
FindSession = Callable[[Asked], Awaitable[FoundSession | GatewayAnswer | None]]


def request_id_of(headers: RequestHeaders) -> str:
    """The request id that came along, where it is a plain one; otherwise a new one."""
    try:
        said = headers.find(REQUEST_ID)
    except Ambiguous:
        said = None
    return said if said is not None and _REQUEST_ID.fullmatch(said) else secrets.token_hex(16)
