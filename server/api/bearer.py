"""Who calls the API: a service by an access token of the server's own API, with the scope of the resource (RFC 6750).

What a token is worth is decided by the database, as everywhere (S18): one that was revoked, or whose application was
disabled or lost the scope, is refused at once. For now only services come in, by client credentials: a token that a
person gave to an application is refused, whatever scopes it carries, or whoever signs in anywhere could read the log.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from audit.catalogue import TOKEN_REFUSED
from audit.record import Event
from base.request import header
from identity.client_values import Client
from identity.oauth.token_state import find_live_access_token
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from server.api.problems import Problem

_NO_TOKEN = "no access token: expected one header Authorization: Bearer"
_NOT_VALID = "the access token is not valid here: unknown, expired, revoked, or for another API"


@dataclass(frozen=True, slots=True)
class Caller:
    """The service that calls, the scopes that its token carries and it still has, and until when the token holds."""

    client: Client
    scopes: frozenset[str]
    expires_at: datetime

    @property
    def actor(self) -> str:
        """Who did it, as events say."""
        return self.client.client_id


def bearer_with(services: Services, scope: str) -> Callable[[Request], Awaitable[Caller]]:
    """What finds the caller of a request, or raises the Problem that says why there is none."""

    async def find_caller(request: Request) -> Caller:
        return await load_caller(services, request, scope, now=services.clock())

    return find_caller


async def load_caller(services: Services, request: Request, scope: str, *, now: datetime) -> Caller:
    """The caller of a request, who has this scope; raises Problem."""
    authorization = header(request.scope, b"authorization") or ""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _challenge(401, _NO_TOKEN)
    live = await find_live_access_token(services, token, now=now)
    client = services.catalogue.find_client(live.text("client_id")) if live else None
    if live is None or client is None or live.text("aud") != services.settings.issuer:
        await _record(services, request, "not a living access token of the server's own API")
        raise _challenge(401, _NOT_VALID, 'error="invalid_token"')
    if live.grant is not None:
        await _record(services, request, "a person's token", client)
        raise _challenge(403, "the API takes tokens of services: client credentials", 'error="insufficient_scope"')
    caller = Caller(client, live.scopes & client.scopes, live.expires_at)
    await check_scope(services, request, caller, scope)
    return caller


async def check_scope(services: Services, request: Request, caller: Caller, scope: str, *, why: str = "") -> None:
    """Raises Problem where the caller lacks the scope; `why` says what asks for it."""
    if scope not in caller.scopes:
        await _record(services, request, f"without the scope {scope}", caller.client)
        told = f'error="insufficient_scope", scope="{scope}"'
        raise _challenge(403, f"the access token lacks the scope {scope}{why}", told)


def _challenge(status: int, detail: str, told: str = "") -> Problem:
    """The challenge of RFC 6750 §3; without any token it names no error."""
    text = f'Bearer realm="Ostiary"{", " if told else ""}{told}'
    return Problem(status, detail, headers={"WWW-Authenticate": text})


async def _record(services: Services, request: Request, reason: str, client: Client | None = None) -> None:
    event = Event(
        type=TOKEN_REFUSED,
        actor=client.client_id if client else "anonymous",
        client_id=client.client_id if client else None,
        outcome="failure",
        origin=origin_of(request),
        data={"error": "insufficient_scope" if client else "invalid_token", "reason": reason},
    )
    await record_refusal(services, event)
