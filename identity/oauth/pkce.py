"""Proof Key for Code Exchange, S256 only (RFC 7636)."""

import hashlib
import hmac
import re

from base.secret_values import b64url

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def is_challenge(text: str) -> bool:
    """Whether a text can be an S256 challenge (RFC 7636 §4.2)."""
    return _CHALLENGE.fullmatch(text) is not None


def verifier_fits(verifier: str | None, challenge: str | None) -> bool:
    """Whether a verifier answers the stored challenge; both must be there, or neither (RFC 9700 §2.1.1)."""
    if verifier is None or challenge is None:
        return verifier is None and challenge is None
    if not _VERIFIER.fullmatch(verifier):
        return False
    made = b64url(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(made, challenge)
