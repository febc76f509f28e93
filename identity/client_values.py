"""Applications and APIs as the rest of the identity rooms see them: frozen, and complete in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from policy.values import RiskThresholds

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
# RFC 8693 §2.1.
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANTS = ("authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE)
# OpenID Connect Core §5.4, §11; every other scope belongs to an API.
# Of a person, too: what they belong to.
MEMBERSHIP_SCOPES = ("roles", "groups")
STANDARD_SCOPES = ("openid", "profile", "email", "address", "phone", *MEMBERSHIP_SCOPES, "offline_access")
# Scopes of the server's own API, whose identifier is the issuer.
SERVER_SCOPES = (
    "users:read", "users:write", "clients:read", "clients:write",
    "audit:read", "audit:read_personal", "audit:write", "reports:read", "reports:write",
    "feed:read", "risk:write", "policies:read", "policies:write", "authzen:evaluate",
)  # fmt: skip
DEFAULT_API = "urn:ostiary:default"


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret's digest and the moment it stops working (None: never)."""

    digest: bytes
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Client:
    """A registered application."""

    client_id: str
    name: str
    auth_method: str
    grants: frozenset[str]
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    apis: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first_party: bool = False
    require_pkce: bool = True
    rotate_refresh: bool = True
    id_token_alg: str = "RS256"
    access_token_ttl_s: int | None = None
    # What whoever signs in here must have met (`policy.assurance`).
    required_acr: str | None = None
    risk_thresholds: RiskThresholds | None = None
    disabled: bool = False
    not_before: datetime | None = None
    secrets: tuple[ClientSecret, ...] = ()

    @property
    def is_public(self) -> bool:
        """Whether the client has no way to keep a secret."""
        return self.auth_method == "none"


@dataclass(frozen=True, slots=True)
class Api:
    """A registered API: its identifier is the audience of tokens for it; `scopes` maps a scope to its description."""

    identifier: str
    name: str
    scopes: Mapping[str, str]
    access_token_ttl_s: int | None = None
    # What whoever is given a scope must have met, by scope.
    scope_acr: Mapping[str, str] = field(default_factory=dict)

    def token_ttl(self, client: Client, default: timedelta) -> timedelta:
        """How long an access token for this API lives: the client's word, the API's, or the deployment's."""
        for seconds in (client.access_token_ttl_s, self.access_token_ttl_s):
            if seconds is not None:
                return timedelta(seconds=seconds)
        return default
