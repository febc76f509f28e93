"""Ostiary's client SDK: who is calling, proven from the access token alone, and what happened, told to the audit log.

Owns: verifying access tokens (RFC 9068), keeping the issuer's keys, asking for a better sign-in (RFC 9470), guarding
ASGI applications, sending audit events, a test kit.
Leaves to others: signing people in (any OpenID Connect client) and everything that needs the server's database.

The names below are imported on first use, so that the pure core (`ostiary.core`) stays free of any HTTP client.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.client_tokens import ClientTokens as ClientTokens
    from ostiary.client_tokens import SyncClientTokens as SyncClientTokens
    from ostiary.emitter import AuditEmitter as AuditEmitter
    from ostiary.emitter import EmitterStats as EmitterStats
    from ostiary.emitter_limits import EmitterLimits as EmitterLimits
    from ostiary.emitter_sink import EventSink as EventSink
    from ostiary.errors import ClientTokenUnavailable as ClientTokenUnavailable
    from ostiary.errors import ConfigurationError as ConfigurationError
    from ostiary.errors import ExchangeRefused as ExchangeRefused
    from ostiary.errors import ExchangeUnavailable as ExchangeUnavailable
    from ostiary.errors import FeedUnavailable as FeedUnavailable
    from ostiary.errors import InsufficientAuthentication as InsufficientAuthentication
    from ostiary.errors import InsufficientScope as InsufficientScope
    from ostiary.errors import IntrospectionUnavailable as IntrospectionUnavailable
    from ostiary.errors import KeysUnavailable as KeysUnavailable
    from ostiary.errors import OstiaryError as OstiaryError
    from ostiary.errors import TokenError as TokenError
    from ostiary.errors import TokenErrorCode as TokenErrorCode
    from ostiary.errors import Unavailable as Unavailable
    from ostiary.failure_policy import FailurePolicy as FailurePolicy
    from ostiary.failure_policy import Sensitivity as Sensitivity
    from ostiary.feed import Feed as Feed
    from ostiary.feed import FeedStats as FeedStats
    from ostiary.feed_lease import LeaseState as LeaseState
    from ostiary.introspection import Introspector as Introspector
    from ostiary.introspection import SyncIntrospector as SyncIntrospector
    from ostiary.rate_limits import RateLimiter as RateLimiter
    from ostiary.rate_limits import RateLimits as RateLimits
    from ostiary.rate_limits import SyncRateLimiter as SyncRateLimiter
    from ostiary.rates import Rate as Rate
    from ostiary.resource_metadata import ResourceMetadata as ResourceMetadata
    from ostiary.sync_verifier import SyncVerifier as SyncVerifier
    from ostiary.token_exchange import SyncTokenExchange as SyncTokenExchange
    from ostiary.token_exchange import TokenExchange as TokenExchange
    from ostiary.values import AccessToken as AccessToken
    from ostiary.values import KeyPolicy as KeyPolicy
    from ostiary.verifier import Verifier as Verifier
else:
    _HOMES = {
        "AccessToken": "ostiary.values",
        "AuditEmitter": "ostiary.emitter",
        "ClientTokenUnavailable": "ostiary.errors",
        "ClientTokens": "ostiary.client_tokens",
        "ConfigurationError": "ostiary.errors",
        "EmitterLimits": "ostiary.emitter_limits",
        "EmitterStats": "ostiary.emitter",
        "EventSink": "ostiary.emitter_sink",
        "ExchangeRefused": "ostiary.errors",
        "ExchangeUnavailable": "ostiary.errors",
        "FailurePolicy": "ostiary.failure_policy",
        "Feed": "ostiary.feed",
        "FeedStats": "ostiary.feed",
        "FeedUnavailable": "ostiary.errors",
        "InsufficientAuthentication": "ostiary.errors",
        "InsufficientScope": "ostiary.errors",
        "IntrospectionUnavailable": "ostiary.errors",
        "Introspector": "ostiary.introspection",
        "KeyPolicy": "ostiary.values",
        "KeysUnavailable": "ostiary.errors",
        "LeaseState": "ostiary.feed_lease",
        "OstiaryError": "ostiary.errors",
        "Rate": "ostiary.rates",
        "RateLimiter": "ostiary.rate_limits",
        "RateLimits": "ostiary.rate_limits",
        "ResourceMetadata": "ostiary.resource_metadata",
        "Sensitivity": "ostiary.failure_policy",
        "SyncClientTokens": "ostiary.client_tokens",
        "SyncIntrospector": "ostiary.introspection",
        "SyncRateLimiter": "ostiary.rate_limits",
        "SyncTokenExchange": "ostiary.token_exchange",
        "SyncVerifier": "ostiary.sync_verifier",
        "TokenError": "ostiary.errors",
        "TokenErrorCode": "ostiary.errors",
        "TokenExchange": "ostiary.token_exchange",
        "Unavailable": "ostiary.errors",
        "Verifier": "ostiary.verifier",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module 'ostiary' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


__all__ = [
    "AccessToken",
    "AuditEmitter",
    "ClientTokenUnavailable",
    "ClientTokens",
    "ConfigurationError",
    "EmitterLimits",
    "EmitterStats",
    "EventSink",
    "ExchangeRefused",
    "ExchangeUnavailable",
    "FailurePolicy",
    "Feed",
    "FeedStats",
    "FeedUnavailable",
    "InsufficientAuthentication",
    "InsufficientScope",
    "IntrospectionUnavailable",
    "Introspector",
    "KeyPolicy",
    "KeysUnavailable",
    "LeaseState",
    "OstiaryError",
    "Rate",
    "RateLimiter",
    "RateLimits",
    "ResourceMetadata",
    "Sensitivity",
    "SyncClientTokens",
    "SyncIntrospector",
    "SyncRateLimiter",
    "SyncTokenExchange",
    "SyncVerifier",
    "TokenError",
    "TokenErrorCode",
    "TokenExchange",
    "Unavailable",
    "Verifier",
]
