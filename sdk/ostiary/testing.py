"""For your tests: an issuer with real keys and no server, and a place where audit events can be looked at.

Install with `pip install ostiary[testing]`. The issuer signs through PyJWT, so that what your tests prove does not
rest on this SDK's own code.
"""

import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from ostiary.asgi import Receive, Scope, Send
from ostiary.discovery import METADATA_PATH
from ostiary.emitter_sink import EventSink
from ostiary.spool_segment import Lane

JWKS_PATH = "/.well-known/jwks.json"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class RecordedEvents(EventSink):
    """In the place of an `AuditEmitter`: checks events by the same rules and keeps them in `events`, oldest first."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def named(self, name: str) -> list[dict[str, object]]:
        """The events of this name, as they would have been sent."""
        return [event for event in self.events if event["name"] == name]

    def assert_emitted(self, name: str, **fields: object) -> dict[str, object]:
        """The one event of this name with these fields; AssertionError where there is none, or more than one.

        `data` and `personal` must hold what is given, and may hold more.
        """
        found = [event for event in self.named(name) if all(_holds(event.get(key), fields[key]) for key in fields)]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} events {name} with {fields}; emitted were {self.events}")
        return found[0]

    def _take(self, lane: Lane, payload: bytes) -> None:
        self.events.append(json.loads(payload))


def _holds(value: object, expected: object) -> bool:
    if isinstance(value, Mapping) and isinstance(expected, Mapping):
        return expected.items() <= value.items()
    return value == expected


@dataclass(frozen=True, slots=True)
class FakeKey:
    """A signing key of the fake issuer and what it publishes of it."""

    kid: str
    alg: str
    private: PrivateKey = field(repr=False)

    def as_jwk(self) -> dict[str, object]:
        """The public half as the issuer publishes it (RFC 7517)."""
        return {**_public_members(self.private), "kid": self.kid, "alg": self.alg, "use": "sig"}


def _public_members(private: PrivateKey) -> dict[str, object]:
    match private:
        case ec.EllipticCurvePrivateKey():
            return ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case rsa.RSAPrivateKey():
            return RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case ed25519.Ed25519PrivateKey():
            return OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)


def make_key(alg: str = "ES256", *, kid: str | None = None) -> FakeKey:
    """A new key for ES256, RS256, PS256 or Ed25519."""
    name = kid or secrets.token_hex(8)
    match alg:
        case "ES256":
            return FakeKey(name, alg, ec.generate_private_key(ec.SECP256R1()))
        case "RS256" | "PS256":
            return FakeKey(name, alg, rsa.generate_private_key(65537, 2048))
        case "Ed25519":
            return FakeKey(name, alg, ed25519.Ed25519PrivateKey.generate())
        case _:
            raise ValueError("alg must be ES256, RS256, PS256 or Ed25519")


class FakeIssuer:
    """Publishes metadata and keys, and mints access tokens with any claim or header changed.

    Reach it in one process: `Verifier(fake.issuer, fake.audience, transport=fake.transport())`, the same for
    SyncVerifier; or serve it, being an ASGI application itself. `requests` lists the paths that were asked for.
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
        self.requests: list[str] = []
        self._clock = clock
        self._is_down = False

    def mint(
        self,
        changes: Mapping[str, object] | None = None,
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
        now = int(self._clock())
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
        payload = {name: value for name, value in {**usual, **(changes or {})}.items() if name not in omit}
        return self.sign(json.dumps(payload, separators=(",", ":")).encode(), headers=headers, key=key)

    def sign(self, payload: bytes, *, headers: Mapping[str, object] | None = None, key: FakeKey | None = None) -> str:
        """Any bytes, signed as if they were an access token: for what a broken issuer might say."""
        signer = key or self.key
        jws = PyJWS()
        if signer.alg not in jws.get_algorithms():
            jws.register_algorithm(signer.alg, OKPAlgorithm())
        header = {"typ": "at+jwt", "kid": signer.kid, **(headers or {})}
        return jws.encode(payload, signer.private, algorithm=signer.alg, headers=header)

    def rotate(self, *, alg: str | None = None, withdraw: bool = False) -> FakeKey:
        """Sign with a new published key from now on; with `withdraw`, every older key is gone from the set."""
        self.key = make_key(alg or self.key.alg)
        self.published = [*([] if withdraw else self.published), self.key.as_jwk()]
        return self.key

    def go_down(self) -> None:
        """Answer nothing any more: connections fail through `transport()`, 503 as an application."""
        self._is_down = True

    def come_back(self) -> None:
        """Answer again."""
        self._is_down = False

    def transport(self) -> httpx2.MockTransport:
        """A way to this issuer for Verifier and SyncVerifier, without a network."""
        return httpx2.MockTransport(self._answer)

    def _find_document(self, path: str) -> dict[str, object] | None:
        self.requests.append(path)
        base = urlsplit(self.issuer).path.rstrip("/")
        if path == base + METADATA_PATH:
            return {"issuer": self.issuer, "jwks_uri": self.issuer.rstrip("/") + JWKS_PATH}
        return {"keys": self.published} if path == base + JWKS_PATH else None

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        document = self._find_document(request.url.path)
        if self._is_down:
            raise httpx2.ConnectError("the fake issuer is down", request=request)
        if document is None:
            return httpx2.Response(404)
        return httpx2.Response(200, json=document, headers={"Cache-Control": f"public, max-age={self.max_age_s}"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: the issuer itself is an ASGI application."""
        document = self._find_document(str(scope["path"])) if scope["type"] == "http" else None
        status = 503 if self._is_down else 404 if document is None else 200
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"public, max-age=%d" % self.max_age_s),
        ]
        body = json.dumps(document if status == 200 else {}).encode()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
