"""An issuer with real keys and no server."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol
from urllib.parse import unquote_plus, urlsplit

from ostiary.discovery import METADATA_PATH
from ostiary.testing.answering import (
    Answer,
    Asked,
    ConnectionCut,
    FakeTransport,
    Receive,
    Scope,
    Send,
    json_answer,
    serve,
)
from ostiary.testing.keys import FakeKey, find_payload, make_key, sign_compact

JWKS_PATH = "/.well-known/jwks.json"
TOKEN_PATH = "/oauth/token"
INTROSPECTION_PATH = "/oauth/introspect"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TYPE = "urn:ietf:params:oauth:token-type:access_token"
TXN_TYPE = "urn:ietf:params:oauth:token-type:txn_token"
# What goes over into a token that is given for another one.
KEPT = ("sub", "scope", "grant", "sid", "auth_time", "acr", "amr", "risk", "roles")

Claims = Mapping[str, object]


class RevocationRecord(Protocol):
    """What an issuer asks before it mints or introspects; a `FakeFeed` gives it its own."""

    def first_iat(self, claims: Claims, now: float) -> int:
        """The second that a token with these claims may be issued in at the earliest."""

    def refuses(self, claims: Claims, kid: str) -> bool:
        """Whether a token was revoked."""


class FakeIssuer:
    """Publishes metadata and keys, and mints access tokens with any claim or header changed.

    Reach it in one process: `Verifier(fake.issuer, fake.audience, transport=fake.transport())`, the same for
    SyncVerifier; or serve it, being an ASGI application itself. It gives tokens to clients and introspects its own:
    to those of `clients` (secrets by client id), to anybody where that is empty. `requests` lists the paths that were
    asked for; `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        issuer: str = "https://issuer.test",
        *,
        audience: str = "https://api.test",
        alg: str = "ES256",
        max_age_s: int = 300,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self.key = make_key(alg)
        self.published: list[dict[str, object]] = [self.key.as_jwk()]
        self.max_age_s = max_age_s
        self.token_ttl_s = 300
        self.clients: dict[str, str] = {}
        self.requests: list[str] = []
        self.record: RevocationRecord | None = None
        self.clock = clock
        self._keys = {self.key.kid: self.key}
        self._is_down = False

    def mint(
        self,
        changes: Claims | None = None,
        /,
        *,
        ttl_s: int = 300,
        omit: Collection[str] = (),
        headers: Mapping[str, object] | None = None,
        key: FakeKey | None = None,
    ) -> str:
        """A signed access token, good unless told otherwise.

        `changes` replace or join the usual claims (`mint({"sub": "usr_1", "scope": "orders:read"})`), `omit` leaves
        some out, `headers` change the header, `key` signs in the place of the current one.
        """
        now = int(self.clock())
        usual: dict[str, object] = {
            "iss": self.issuer,
            "sub": "usr_test",
            "aud": self.audience,
            "exp": now + ttl_s,
            "iat": now,
            "jti": secrets.token_hex(16),
            "client_id": "cli_test",
            "scope": "",
            "grant": "gra_test",
        }
        claims = {**usual, **(changes or {})}
        if self.record is not None and "iat" not in (changes or {}):
            # As the server does it: a person who signs in again in the second of their revocation gets in.
            claims["iat"] = self.record.first_iat(claims, now)
        payload = {name: value for name, value in claims.items() if name not in omit}
        return self.sign(json.dumps(payload, separators=(",", ":")).encode(), headers=headers, key=key)

    def sign(self, payload: bytes, *, headers: Mapping[str, object] | None = None, key: FakeKey | None = None) -> str:
        """Any bytes, signed as if they were an access token: for what a broken issuer might say."""
        return sign_compact(payload, key or self.key, {"typ": "at+jwt", **(headers or {})})

    def rotate(self, *, alg: str | None = None, withdraw: bool = False) -> FakeKey:
        """Sign with a new published key from now on; with `withdraw`, every older key is gone from the set."""
        self.key = make_key(alg or self.key.alg)
        self._keys = {**({} if withdraw else self._keys), self.key.kid: self.key}
        self.published = [*([] if withdraw else self.published), self.key.as_jwk()]
        return self.key

    def go_down(self) -> None:
        """Answer nothing any more: connections fail through `transport()`, 503 as an application."""
        self._is_down = True

    def come_back(self) -> None:
        """Answer again."""
        self._is_down = False

    def transport(self) -> FakeTransport:
        """A way to this issuer for everything that takes a `transport`, without a network."""
        return FakeTransport(self.answer)

    def find_claims(self, token: str) -> dict[str, object] | None:
        """What a token of this issuer says, while it is neither expired nor revoked; None for anything else."""
        for kid, key in self._keys.items():
            claims = _find_object(find_payload(token, key))
            if claims is not None:
                ends_at = claims.get("exp")
                is_over = not isinstance(ends_at, int | float) or ends_at <= self.clock()
                is_revoked = self.record is not None and self.record.refuses(claims, kid)
                return None if is_over or is_revoked else claims
        return None

    def answer(self, asked: Asked) -> Answer:
        """What this issuer says to a request; ConnectionCut while it is down."""
        self.requests.append(asked.path)
        if self._is_down:
            raise ConnectionCut("the fake issuer is down")
        base = urlsplit(self.issuer).path.rstrip("/")
        match asked.method, asked.path.removeprefix(base):
            case "GET", path if path == METADATA_PATH:
                return json_answer(200, self._metadata(), cache_control=f"public, max-age={self.max_age_s}")
            case "GET", path if path == JWKS_PATH:
                return json_answer(200, {"keys": self.published}, cache_control=f"public, max-age={self.max_age_s}")
            case "POST", path if path == TOKEN_PATH:
                return self._give_token(asked)
            case "POST", path if path == INTROSPECTION_PATH:
                return self._introspect(asked)
        return json_answer(404, {})

    def _metadata(self) -> dict[str, object]:
        base = self.issuer.rstrip("/")
        return {
            "issuer": self.issuer,
            "jwks_uri": base + JWKS_PATH,
            "token_endpoint": base + TOKEN_PATH,
            "introspection_endpoint": base + INTROSPECTION_PATH,
        }

    def _give_token(self, asked: Asked) -> Answer:
        """RFC 6749 §4.4: for the issuer itself, or for the API that `resource` names (RFC 8707); RFC 8693."""
        client_id, form = self._find_client(asked), asked.form
        if client_id is None:
            return _refuse_client()
        if form.get("grant_type") == EXCHANGE:
            return self._exchange(client_id, form)
        if form.get("grant_type") != "client_credentials":
            return json_answer(400, {"error": "unsupported_grant_type"}, cache_control="no-store")
        scope, ttl_s = form.get("scope", ""), self.token_ttl_s
        changes = {"sub": client_id, "client_id": client_id, "aud": form.get("resource", self.issuer), "scope": scope}
        given = {
            "access_token": self.mint(changes, ttl_s=ttl_s),
            "token_type": "Bearer",
            "expires_in": ttl_s,
            "scope": scope,
        }
        return json_answer(200, given, cache_control="no-store")

    def _exchange(self, client_id: str, form: Mapping[str, str]) -> Answer:
        """A token of the kind that is asked for, as the server gives it; who may have which is the server's alone."""
        kind = form.get("requested_token_type", ACCESS_TYPE)
        old = self.find_claims(form.get("subject_token", ""))
        if old is None or kind not in (ACCESS_TYPE, TXN_TYPE):
            return json_answer(400, {"error": "invalid_request"}, cache_control="no-store")
        is_access = kind == ACCESS_TYPE
        kept = {name: old[name] for name in KEPT if name in old}
        left_s = int(_number(old["exp"]) - self.clock())
        ttl_s = min(self.token_ttl_s if is_access else 60, left_s)
        changes = {**kept, "aud": form.get("audience", self.audience), "act": {"sub": client_id}}
        own: Claims = {"client_id": client_id, "azp": old.get("azp", old["client_id"])}
        within: Claims = {"client_id": old.get("azp", old["client_id"]), "req_wl": client_id}
        typ = "at+jwt" if is_access else "txntoken+jwt"
        text = self.mint({**changes, **(own if is_access else within)}, ttl_s=ttl_s, headers={"typ": typ})
        given = {
            "access_token": text,
            "issued_token_type": kind,
            "token_type": "Bearer" if is_access else "N_A",
            "expires_in": ttl_s,
        }
        return json_answer(200, given, cache_control="no-store")

    def _introspect(self, asked: Asked) -> Answer:
        """RFC 7662 §2."""
        if self._find_client(asked) is None:
            return _refuse_client()
        claims = self.find_claims(asked.form.get("token", ""))
        found = {"active": False} if claims is None else {"active": True, **claims}
        return json_answer(200, found, cache_control="no-store")

    def _find_client(self, asked: Asked) -> str | None:
        client_id, secret = _credentials(asked)
        if not client_id or (self.clients and self.clients.get(client_id) != secret):
            return None
        return client_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: the issuer itself is an ASGI application."""
        await serve(self.answer, scope, receive, send)


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0


def _find_object(payload: bytes | None) -> dict[str, object] | None:
    """The JSON object of a signed payload; None where it is none."""
    try:
        said = json.loads(payload or b"null")
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _credentials(asked: Asked) -> tuple[str, str]:
    """Client id and secret by the header, or by the form (RFC 6749 §2.3.1); empty where there are none."""
    scheme, _, basic = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return asked.form.get("client_id", ""), asked.form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _refuse_client() -> Answer:
    return json_answer(401, {"error": "invalid_client"}, www_authenticate='Basic realm="issuer"')
