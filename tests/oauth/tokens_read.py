"""What a JWT says, read without any check: for tests that look at claims, forge headers, or bend signatures."""

import base64
import json
from collections.abc import Mapping


def decode(part: str) -> bytes:
    """The bytes of a base64url part."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encode(raw: bytes) -> str:
    """The base64url part of some bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, object]:
    """The payload of a compact JWS."""
    claims: dict[str, object] = json.loads(decode(token.split(".")[1]))
    return claims


def header_of(token: str) -> dict[str, object]:
    """The header of a compact JWS."""
    header: dict[str, object] = json.loads(decode(token.split(".", maxsplit=1)[0]))
    return header


def with_header(token: str, **changes: object) -> str:
    """The token under a changed header; a change to None leaves the member out. The signature fits no more."""
    _, payload, signature = token.split(".")
    header = {name: value for name, value in {**header_of(token), **changes}.items() if value is not None}
    return ".".join([encode(json.dumps(header).encode()), payload, signature])


def with_claims(token: str, changes: Mapping[str, object]) -> str:
    """The token with changed claims under its old signature."""
    header, _, signature = token.split(".")
    return ".".join([header, encode(json.dumps({**claims_of(token), **changes}).encode()), signature])
