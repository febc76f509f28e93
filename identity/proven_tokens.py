"""Signatures that were checked already: services send one token with thousands of requests.

Only that a signature fits a key is remembered, which never changes. Whether the key, the token and all that it rests on
are still good is asked each time (S18).
"""

import hashlib

from joserfc.jwk import ECKey, RSAKey

_KEPT = 512


class ProvenTokens:
    """The payloads of the newest tokens with a good signature, by the digest of the whole token."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[ECKey | RSAKey, bytes]] = {}

    def find(self, token: str, key: ECKey | RSAKey) -> bytes | None:
        """The payload of a token whose signature was found to be this key's; None where that is not known."""
        kept = self._kept.get(_digest(token))
        return kept[1] if kept is not None and kept[0] is key else None

    def add(self, token: str, key: ECKey | RSAKey, payload: bytes) -> None:
        """Remembers a token whose signature was just proven; the oldest gives way."""
        if len(self._kept) >= _KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[_digest(token)] = key, payload


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
