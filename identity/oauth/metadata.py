"""What we say of ourselves: OpenID Connect Discovery 1.0 §3 and RFC 8414 §2, and the key set; ready-made bytes.

Only what works is named.
"""

import hashlib

import msgspec
from starlette.types import Receive, Scope, Send

from identity.client_values import SERVER_SCOPES, STANDARD_SCOPES
from identity.keys import ALGORITHMS
from identity.oauth.authorize_checks import PROMPTS, RESPONSE_MODES
from identity.oauth.claims import SUPPORTED
from identity.oauth.token import GRANTS
from identity.oauth.wire import JSON, Answer, Headers
from identity.services import Services
from policy.assurance import AAL3, KNOWN_ACR

_SECRET_METHODS = ["client_secret_basic", "client_secret_post"]


def metadata(issuer: str, languages: tuple[str, ...], *, attests: bool = False) -> dict[str, object]:
    """The members of the metadata document."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "end_session_endpoint": f"{issuer}/oauth/logout",
        "scopes_supported": [*STANDARD_SCOPES, *SERVER_SCOPES],
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted(ALGORITHMS, reverse=True),
        "token_endpoint_auth_methods_supported": [*_SECRET_METHODS, "none"],
        "introspection_endpoint_auth_methods_supported": _SECRET_METHODS,
        "revocation_endpoint_auth_methods_supported": [*_SECRET_METHODS, "none"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": [*SUPPORTED, "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"],
        "claim_types_supported": ["normal"],
        "acr_values_supported": [acr for acr in KNOWN_ACR if acr != AAL3 or attests],
        "prompt_values_supported": list(PROMPTS),
        "display_values_supported": ["page", "popup"],
        "ui_locales_supported": list(languages),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "authorization_response_iss_parameter_supported": True,
    }


class Document:
    """A small JSON document that may be kept at an edge: `ETag`, `Cache-Control`, 304."""

    def __init__(self, body: bytes, *, max_age_s: int) -> None:
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
        cached: Headers = ((b"cache-control", f"public, max-age={max_age_s}".encode()), (b"etag", tag))
        self._tag = tag
        self._full = Answer(200, body, (JSON, *cached))
        self._unchanged = Answer(304, b"", cached)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await Answer(405, b"", ((b"allow", b"GET, HEAD"),))(scope, receive, send)
            return
        known = any(name == b"if-none-match" and self._tag in value for name, value in scope["headers"])
        await (self._unchanged if known else self._full)(scope, receive, send)


def metadata_document(services: Services) -> Document:
    """The metadata of this deployment."""
    attests = bool(services.settings.attestation_roots)
    body = msgspec.json.encode(metadata(services.settings.issuer, services.pages.languages, attests=attests))
    return Document(body, max_age_s=300)


class KeySet:
    """The published keys, as the key ring has them now (RFC 7517 §5)."""

    def __init__(self, services: Services) -> None:
        self._keys = services.keys
        self._max_age_s = int(services.settings.key_cache.total_seconds())
        self._body = b""
        self._document = Document(b"", max_age_s=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._body is not self._keys.jwks:
            self._body = self._keys.jwks
            self._document = Document(self._body, max_age_s=self._max_age_s)
        await self._document(scope, receive, send)
