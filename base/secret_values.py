"""Random credentials: made here, kept only as digests.

256 random bits need no slow hash: the database holds SHA-256 of the exact text, so a truncated, padded or
case-changed credential is simply another text (S16).
"""

import base64
import hashlib
import re
import secrets

_BODY = re.compile(r"[A-Za-z0-9_-]{43}")

CODE = "oac_"
REFRESH = "ort_"
CLIENT_SECRET = "ocs_"
LINK = "olk_"
COOKIE = "ock_"


def b64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def new_secret(prefix: str) -> str:
    """A new credential: the prefix (so that scanners find a leaked one) and 256 random bits."""
    return prefix + b64url(secrets.token_bytes(32))


def digest(text: str) -> bytes:
    """The 32 bytes under which a credential is kept: SHA-256 of its exact UTF-8 text."""
    return hashlib.sha256(text.encode()).digest()


def find_digest(prefix: str, text: str | None) -> bytes | None:
    """The digest of a credential of this kind, or None where the text cannot be one."""
    if text is not None and text.startswith(prefix) and _BODY.fullmatch(text, len(prefix)):
        return digest(text)
    return None
