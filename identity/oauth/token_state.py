"""Whether a token of ours is good right now: decided by the database, never by a cache (S18)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from base.clock import from_micros, to_seconds
from base.ids import GRANT, parse_id
from identity.exchanged_tokens import clients_of
from identity.grant_store import Grant, find_grant, is_revoked, open_refresh_key
from identity.services import Services
from identity.tokens import ACCESS_TYPE, parse_refresh_token, verify_own_token


@dataclass(frozen=True, slots=True)
class LiveAccessToken:
    """A good access token: its claims, and its grant where a person gave one."""

    claims: Mapping[str, object]
    grant: Grant | None

    def text(self, name: str) -> str:
        """A claim that is always text."""
        return str(self.claims[name])

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes it carries."""
        return frozenset(self.text("scope").split(" "))

    @property
    def issued_at(self) -> datetime:
        """When it says that it was issued."""
        return from_micros(int(cast(int, self.claims["iat"])) * 1_000_000)

    @property
    def expires_at(self) -> datetime:
        """When it ends by itself."""
        return from_micros(int(cast(int, self.claims["exp"])) * 1_000_000)


@dataclass(frozen=True, slots=True)
class LiveRefreshToken:
    """A good refresh token: the newest of its family, under a living grant."""

    grant: Grant
    expires_at: datetime


async def find_live_access_token(
    services: Services, text: str, *, now: datetime, expected_type: str = ACCESS_TYPE
) -> LiveAccessToken | None:
    """What an access token stands for, or None where it, its grant, session, person or a client that it rests on is not
    good any more."""
    claims = verify_own_token(
        text, services.keys, expected_type=expected_type, expected_issuer=services.settings.issuer, now=now
    )
    if claims is None:
        return None
    issued = int(cast(int, claims["iat"]))
    if not all(_is_open(services, client_id, issued) for client_id in clients_of(claims)):
        return None
    if _is_before(issued, services.catalogue.everyone_not_before):
        return None
    if await is_revoked(services.database, str(claims["jti"])):
        return None
    if "grant" not in claims:
        return LiveAccessToken(claims, None)
    grant_id = parse_id(GRANT, str(claims["grant"]))
    grant = grant_id and await find_grant(services.database, grant_id, now=now)
    if not grant or not grant.is_alive or _is_before(issued, grant.person_not_before):
        return None
    return LiveAccessToken(claims, grant)


async def find_live_refresh_token(services: Services, text: str, *, now: datetime) -> LiveRefreshToken | None:
    """What a refresh token stands for, or None where it could not be used now."""
    token = parse_refresh_token(text)
    grant = token and await find_grant(services.database, token.grant_id, now=now)
    if not token or not grant or grant.refresh is None or not grant.is_alive:
        return None
    key = open_refresh_key(services.sealer, grant.id, grant.refresh)
    expires_at = min(grant.refresh.idle_expires_at, grant.refresh.expires_at)
    client = services.catalogue.find_client(grant.client_id)
    usable = token.is_genuine(key) and token.number == grant.refresh.number and expires_at > now
    return LiveRefreshToken(grant, expires_at) if usable and client is not None and not client.disabled else None


def _is_open(services: Services, client_id: str, issued_s: int) -> bool:
    """Whether a client may act by a token of that second."""
    client = services.catalogue.find_client(client_id)
    return client is not None and not client.disabled and not _is_before(issued_s, client.not_before)


def _is_before(issued_s: int, not_before: datetime | None) -> bool:
    return not_before is not None and issued_s <= to_seconds(not_before)
