"""Ostiary's client SDK: who is calling, proven from the access token alone, and what happened, told to the audit log.

Owns: verifying access tokens (RFC 9068), keeping the issuer's keys, asking for a better sign-in (RFC 9470), guarding
ASGI applications, sending audit events, a test kit.
Leaves to others: signing people in (any OpenID Connect client) and everything that needs the server's database.

The names below are imported on first use, so that the pure core (`ostiary.core`) stays free of any HTTP client.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.emitter import AuditEmitter as AuditEmitter
    from ostiary.emitter import EmitterStats as EmitterStats
    from ostiary.emitter_limits import EmitterLimits as EmitterLimits
    from ostiary.emitter_sink import EventSink as EventSink
    from ostiary.errors import ConfigurationError as ConfigurationError
    from ostiary.errors import InsufficientAuthentication as InsufficientAuthentication
    from ostiary.errors import InsufficientScope as InsufficientScope
    from ostiary.errors import KeysUnavailable as KeysUnavailable
    from ostiary.errors import OstiaryError as OstiaryError
    from ostiary.errors import TokenError as TokenError
    from ostiary.errors import TokenErrorCode as TokenErrorCode
    from ostiary.sync_verifier import SyncVerifier as SyncVerifier
    from ostiary.values import AccessToken as AccessToken
    from ostiary.values import KeyPolicy as KeyPolicy
    from ostiary.verifier import Verifier as Verifier
else:
    _HOMES = {
        "AccessToken": "ostiary.values",
        "AuditEmitter": "ostiary.emitter",
        "ConfigurationError": "ostiary.errors",
        "EmitterLimits": "ostiary.emitter_limits",
        "EmitterStats": "ostiary.emitter",
        "EventSink": "ostiary.emitter_sink",
        "InsufficientAuthentication": "ostiary.errors",
        "InsufficientScope": "ostiary.errors",
        "KeyPolicy": "ostiary.values",
        "KeysUnavailable": "ostiary.errors",
        "OstiaryError": "ostiary.errors",
        "SyncVerifier": "ostiary.sync_verifier",
        "TokenError": "ostiary.errors",
        "TokenErrorCode": "ostiary.errors",
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
    "ConfigurationError",
    "EmitterLimits",
    "EmitterStats",
    "EventSink",
    "InsufficientAuthentication",
    "InsufficientScope",
    "KeyPolicy",
    "KeysUnavailable",
    "OstiaryError",
    "SyncVerifier",
    "TokenError",
    "TokenErrorCode",
    "Verifier",
]
