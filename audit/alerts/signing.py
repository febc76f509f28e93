"""Signatures of Standard Webhooks: how a receiver knows that a message is ours, whole, and of now. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from base.clock import to_seconds

_PREFIX = "whsec_"


def parse_secret(text: str) -> bytes:
    """The key behind `whsec_…`, of 24 to 64 bytes, as the standard asks; raises ValueError, which never repeats it."""
    expected = "expected whsec_ and Base64 of 24 to 64 random bytes: make one with `openssl rand -base64 32`"
    if not text.startswith(_PREFIX):
        raise ValueError(expected)
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(expected) from None
    if not 24 <= len(key) <= 64:
        raise ValueError(expected)
    return key


def signed_headers(keys: Sequence[bytes], *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a message that is sent now, with a signature under each key, so that keys can change."""
    timestamp = str(to_seconds(at))
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    return {**headers, "webhook-signature": " ".join(f"v1,{each}" for each in made)} if made else headers
