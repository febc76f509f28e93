"""The floor: what HTTP, a form, client authentication and ES256 cost in this stack, when nothing is stored or checked.

usage: python -m benchmarks.floor PORT

Our figures are read as a ratio to this program's in the same run: what is above it is what the server itself does.
"""

import base64
import hashlib
import hmac
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec
import uvicorn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from starlette.types import ASGIApp, Receive, Scope, Send

CLIENT_ID, CLIENT_SECRET = "cli_floor", "ocs_floor"
KEY = os.urandom(32)

Form = Mapping[str, str]

_encode = msgspec.json.Encoder().encode


def _b64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def make_signer() -> Callable[[Mapping[str, object]], str]:
    """A function that makes an ES256 JWT of claims, under a fresh key."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    algorithm = ec.ECDSA(hashes.SHA256())
    header = _b64url(_encode({"alg": "ES256", "kid": "floor", "typ": "at+jwt"}))

    def sign(claims: Mapping[str, object]) -> str:
        message = header + b"." + _b64url(_encode(claims))
        r, s = decode_dss_signature(private_key.sign(message, algorithm))
        return (message + b"." + _b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()

    return sign


def is_client(scope: Scope, form: Form, digest: bytes) -> bool:
    """Whether the request carries the one client's secret, in the header or in the form."""
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    for name, value in scope["headers"]:
        if name == b"authorization":
            client_id, _, secret = base64.b64decode(value[6:]).decode().partition(":")
    given = hashlib.sha256(secret.encode()).digest()
    return client_id == CLIENT_ID and hmac.compare_digest(given, digest)


def make_answers(sign: Callable[[Mapping[str, object]], str]) -> Mapping[str, Callable[[Form], dict[str, object]]]:
    """What each path answers."""

    def claims() -> dict[str, object]:
        now = int(time.time())
        jti = secrets.token_urlsafe(16)
        return {"iss": "floor", "sub": CLIENT_ID, "aud": "api", "iat": now, "exp": now + 300, "jti": jti}

    def token(form: Form) -> dict[str, object]:
        body: dict[str, object] = {"access_token": sign(claims()), "token_type": "Bearer", "expires_in": 300}
        if form.get("grant_type") == "refresh_token":
            body["id_token"] = sign(claims())
            body["refresh_token"] = hmac.digest(KEY, form["refresh_token"].encode(), hashlib.sha256).hex()
        return body

    def introspect(form: Form) -> dict[str, object]:
        return {"active": len(form["token"]) > 1, **claims()}

    return {"/token": token, "/introspect": introspect}


def make_app() -> ASGIApp:
    """The raw ASGI application."""
    answers = make_answers(make_signer())
    digest = hashlib.sha256(CLIENT_SECRET.encode()).digest()
    document = _encode({"issuer": "floor", "padding": "x" * 2000})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        status, body = 200, document
        answer = answers.get(scope["path"])
        if answer is not None:
            message = await receive()
            form = dict(parse_qsl(message["body"].decode(), strict_parsing=True))
            if is_client(scope, form, digest):
                body = _encode(answer(form))
            else:
                status, body = 401, b"{}"
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    uvicorn.run(
        make_app(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
