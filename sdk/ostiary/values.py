"""Frozen values shared by the pure core and by what does I/O. Imports nothing outside the standard library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite

from ostiary.errors import ConfigurationError

# RFC 9864 retired the name EdDSA; HMAC and `none` are not on the list and cannot be put on it (RFC 8725 §3.1).
KNOWN_ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519", "ES384", "ES512")
# What a verifier may be for: access tokens (RFC 9068), or those that a gateway hands to the services behind it
# (draft-ietf-oauth-transaction-tokens).
ACCESS_TOKEN = "at+jwt"
TXN_TOKEN = "txntoken+jwt"
KNOWN_TYPES = (ACCESS_TOKEN, TXN_TOKEN)
MAX_LEEWAY_S = 60
DEFAULT_LEEWAY_S = 10
DEFAULT_CACHE_SIZE = 4096


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified access token says (RFC 9068 §2.2 and Ostiary's own claims).

    Times are aware UTC datetimes. `grant` and `sid` name the grant and session it came from, `risk` is 0 to 100,
    `cnf` the key that it is bound to. None means that the token does not say.
    `actors` are the services that act for `sub` (RFC 8693 §4.1), the one that acts now first, `azp` the application
    that the first token of all was issued to, where that is not `client_id`.
    `claims` is the whole payload, read-only at every depth (lists are tuples).
    """

    iss: str
    sub: str
    aud: tuple[str, ...]
    exp: datetime
    iat: datetime
    jti: str
    client_id: str
    scope: frozenset[str]
    grant: str | None
    sid: str | None
    auth_time: datetime | None
    acr: str | None
    amr: tuple[str, ...]
    risk: int | None
    cnf: Mapping[str, object] | None = field(hash=False)
    claims: Mapping[str, object] = field(repr=False, compare=False)
    actors: tuple[str, ...] = ()
    azp: str | None = None

    def has_scopes(self, *names: str) -> bool:
        """True when the token carries every one of the names."""
        return self.scope.issuperset(names)


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a token must match; set by the program, never by the token (RFC 8725 §3.1, §3.8, §3.9).

    `typ` is the kind of token, by the name in its header; no other kind is taken for it (RFC 8725 §3.11).
    `leeway_s` widens `exp`, `nbf` and `iat` for clocks that differ. A token bound to a key by `cnf` is refused
    unless `accepts_bound` says that the program checks the proof itself.
    """

    issuer: str
    audience: str
    algorithms: frozenset[str]
    leeway_s: float
    accepts_bound: bool
    typ: str = ACCESS_TOKEN


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How long the issuer's keys are believed. All in seconds, but for `refresh_at`.

    `min_age_s` ≤ the issuer's `Cache-Control: max-age` (`default_age_s` where it says nothing) ≤ `max_age_s`: within
    this age keys are used without waiting for the issuer. When the part `refresh_at` of it is over they are asked for
    again behind the requests. While the issuer cannot be reached they are used for `max_stale_s` more, and never
    longer. `cooldown_s` is the least time between two refreshes caused by unknown key ids, and the most between two
    attempts while the issuer is down; a key id that the issuer did not know is not asked for again within
    `unknown_for_s`. `timeout_s` bounds one whole refresh.
    """

    min_age_s: float = 10
    default_age_s: float = 300
    max_age_s: float = 3600
    max_stale_s: float = 86_400
    cooldown_s: float = 30
    timeout_s: float = 5
    refresh_at: float = 0.8
    unknown_for_s: float = 300

    def __post_init__(self) -> None:
        numbers = (
            self.min_age_s, self.default_age_s, self.max_age_s, self.max_stale_s, self.cooldown_s, self.timeout_s,
            self.refresh_at, self.unknown_for_s,
        )  # fmt: skip
        if not all(isfinite(number) and number >= 0 for number in numbers):
            raise ConfigurationError("KeyPolicy: every number must be finite and not negative")
        if not self.min_age_s <= self.default_age_s <= self.max_age_s:
            raise ConfigurationError("KeyPolicy: min_age_s ≤ default_age_s ≤ max_age_s must hold")
        if self.timeout_s == 0 or self.cooldown_s < 1:
            raise ConfigurationError("KeyPolicy: timeout_s must be above 0 and cooldown_s at least 1")
        if not 0.1 <= self.refresh_at <= 1:
            raise ConfigurationError("KeyPolicy: refresh_at must be a part of the keys' life, from 0.1 to 1")


def check_text(name: str, value: object) -> None:
    """Raise ConfigurationError unless the setting is a non-empty string without spaces around it."""
    if not isinstance(value, str) or not value or value != value.strip():
        raise ConfigurationError(f"{name} must be a non-empty string without spaces around it")


def parse_expectations(
    *,
    issuer: str,
    audience: str,
    algorithms: tuple[str, ...],
    leeway_s: float,
    accepts_bound: bool,
    typ: str = ACCESS_TOKEN,
) -> Expectations:
    """The checked expectations, or ConfigurationError naming what is wrong."""
    check_text("issuer", issuer)
    check_text("audience", audience)
    if not algorithms or not set(algorithms) <= set(KNOWN_ALGORITHMS):
        raise ConfigurationError(f"algorithms must be some of {', '.join(KNOWN_ALGORITHMS)}")
    if typ not in KNOWN_TYPES:
        raise ConfigurationError(f"typ must be one of {', '.join(KNOWN_TYPES)}")
    if not 0 <= leeway_s <= MAX_LEEWAY_S:
        raise ConfigurationError(f"leeway_s must be between 0 and {MAX_LEEWAY_S}")
    return Expectations(issuer, audience, frozenset(algorithms), leeway_s, accepts_bound, typ)
