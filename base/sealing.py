"""Encryption at rest: AES-256-GCM under a list of master keys, newest first.

A sealed value is `version (1) · key id (4) · nonce (12) · ciphertext and tag`. The associated data names what is
sealed (a table and an id), so a value moved to another row does not open.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
KEY_BYTES = 32


class SealBroken(Exception):
    """A sealed value does not open: wrong master key, wrong place, or changed bytes."""


class MasterKeyRefused(ValueError):
    """A master key that must not be used; the message says why."""


def check_master_key(key: bytes) -> None:
    """Refuse a master key of the wrong length or without randomness in it (S40)."""
    if len(key) != KEY_BYTES:
        raise MasterKeyRefused(f"a master key has {KEY_BYTES} bytes, this one has {len(key)}")
    if len(set(key)) < 12:
        raise MasterKeyRefused("this master key is not random: make one with `openssl rand -base64 32`")


def key_id(key: bytes) -> bytes:
    """Four bytes that name a key without telling it."""
    return hmac.digest(key, b"ostiary key id", hashlib.sha256)[:4]


def seal_under(key: AESGCM, plain: bytes, aad: bytes) -> bytes:
    """`nonce · ciphertext and tag` under one key."""
    nonce = os.urandom(12)
    return nonce + key.encrypt(nonce, plain, aad)


def unseal_under(key: AESGCM, blob: bytes, aad: bytes) -> bytes:
    """What `seal_under` sealed; raises SealBroken."""
    try:
        return key.decrypt(blob[:12], blob[12:], aad)
    except (InvalidTag, ValueError) as broken:
        raise SealBroken("a sealed value does not open under its key") from broken


class Sealer:
    """Seals under the newest master key and opens under any of them."""

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        if not master_keys:
            raise MasterKeyRefused("no master key is set")
        for key in master_keys:
            check_master_key(key)
        self._keys = {key_id(key): AESGCM(key) for key in reversed(master_keys)}
        self.newest_id = key_id(master_keys[0])

    def seal(self, plain: bytes, *, aad: bytes) -> bytes:
        """The sealed form of `plain`, bound to `aad`."""
        return _VERSION + self.newest_id + seal_under(self._keys[self.newest_id], plain, aad)

    def unseal(self, blob: bytes, *, aad: bytes) -> bytes:
        """The plain bytes; raises SealBroken."""
        key = self._keys.get(bytes(blob[1:5]))
        if blob[:1] != _VERSION or key is None:
            raise SealBroken("a stored value is sealed under a master key that is not in OSTIARY_MASTER_KEY")
        return unseal_under(key, blob[5:], aad)

    def is_newest(self, blob: bytes) -> bool:
        """Whether a value is already sealed under the newest master key."""
        return bytes(blob[1:5]) == self.newest_id
