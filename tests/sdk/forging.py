"""Tokens as an attacker would write them: by hand, without any library's manners."""

import base64
import json
from collections.abc import Callable, Mapping

import pytest

from ostiary import SyncVerifier, TokenError, TokenErrorCode
from ostiary.errors import KeyFetchError


def encode(raw: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of unpadded base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forge(header: Mapping[str, object] | bytes, payload: Mapping[str, object] | bytes, signature: bytes) -> str:
    """A compact token of any header, payload and signature."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    return ".".join(encode(part) for part in (*parts, signature))


def with_header(token: str, **changes: object) -> str:
    """The token with its header changed and its signature kept."""
    head, payload, signature = token.split(".")
    return ".".join([encode(json.dumps(json.loads(decode(head)) | changes).encode()), payload, signature])


def refusal(verifier: SyncVerifier, token: str) -> tuple[TokenErrorCode, str]:
    """Why the verifier refuses the token: the code and the public words. Fails where it accepts."""
    with pytest.raises(TokenError) as caught:
        verifier.verify(token)
    return caught.value.code, caught.value.description


def words_of_refusal(read: Callable[[], object]) -> str:
    """The words with which the reader refuses, "" where it accepts. Any other error goes through."""
    try:
        read()
    except (TokenError, KeyFetchError) as error:
        return str(error)
    return ""
