"""Our own password hashes: Argon2id (RFC 9106), with a pepper from outside the database where one is set (S21).

Stored as the usual `$argon2id$v=19$m=…,t=…,p=…$salt$digest`; with a pepper, `$pepper$<id>` stands in front.
A pepper is a secret key by which the password is MACed (HMAC-SHA256) before Argon2 sees it: a stolen database alone
cannot be searched. Its id is derived from it, so that keys may be added and reordered freely; the first is used for new
hashes, the others verify old ones until their owners have signed in again.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION, Type, hash_secret, verify_secret

from identity.imported_hashes import MAX_MEMORY_BYTES, MAX_STORED_LENGTH, UnreadableHash

_SALT_BYTES = 16
_DIGEST_BYTES = 32
_MIN_PEPPER_BYTES = 32
_MAX_PASSES = 32
_MAX_LANES = 16
_MAX_WORK_KIB = 4 * 1024 * 1024  # memory times passes: a few seconds
_FIRST_VERSION = "16"  # hashes from before Argon2 1.3 do not say their version

_STORED = re.compile(
    r"(?:\$pepper\$(?P<pepper>[0-9a-f]{16})|argon2(?=\$))?"  # Django writes `argon2$argon2id$…`
    r"(?P<bare>\$(?P<type>argon2id|argon2i|argon2d)(?:\$v=(?P<version>16|19))?"
    r"\$m=(?P<memory>\d{1,9}),t=(?P<passes>\d{1,5}),p=(?P<lanes>\d{1,5})"
    r"\$[A-Za-z0-9+/]{11,171}\$[A-Za-z0-9+/]{22,171})",  # 8 to 128 bytes of salt, 16 to 128 of digest
    re.ASCII,
)
_TYPES = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """What one hash costs: memory, passes over it, and lanes (parallelism); by default OWASP's choice for servers."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1


STANDARD = Argon2Parameters()
CHEAPEST = Argon2Parameters(memory_kib=8, passes=1, lanes=1)  # the least that Argon2 does: for tests alone


@dataclass(frozen=True, slots=True)
class Pepper:
    """A secret key outside the database; the id may be stored, and tells nothing of the key."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < _MIN_PEPPER_BYTES:
            raise ValueError(f"a pepper must have at least {_MIN_PEPPER_BYTES} bytes")

    @property
    def id(self) -> str:
        """Sixteen hex digits, derived from the key."""
        return hmac.digest(self.key, b"ostiary pepper id", hashlib.sha256)[:8].hex()

    def apply(self, password: bytes) -> bytes:
        """The MAC of the password, which Argon2 hashes in its place."""
        return hmac.digest(self.key, b"ostiary password\0" + password, hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Argon2Hash:
    """A stored Argon2 hash, read and within the bounds."""

    bare: bytes = field(repr=False)
    variant: Type
    version: int
    parameters: Argon2Parameters
    pepper_id: str | None


def parse_argon2_hash(stored: str) -> Argon2Hash | None:
    """The stored hash, None where it is none of Argon2; costs nothing yet. Raises UnreadableHash beyond the bounds."""
    parts = _STORED.fullmatch(stored) if len(stored) <= MAX_STORED_LENGTH else None
    if parts is None:
        return None
    memory_kib, passes, lanes = (int(parts[name]) for name in ("memory", "passes", "lanes"))
    is_possible = 1 <= passes <= _MAX_PASSES and 1 <= lanes <= _MAX_LANES and memory_kib >= 8 * lanes
    if not is_possible or memory_kib * 1024 > MAX_MEMORY_BYTES or memory_kib * passes > _MAX_WORK_KIB:
        raise UnreadableHash(f"the Argon2 hash asks for m={memory_kib}, t={passes}, p={lanes}, beyond what is done")
    return Argon2Hash(
        bare=parts["bare"].encode(),
        variant=_TYPES[parts["type"]],
        version=int(parts["version"] or _FIRST_VERSION),
        parameters=Argon2Parameters(memory_kib, passes, lanes),
        pepper_id=parts["pepper"],
    )


class Argon2Hasher:
    """Makes and compares Argon2 hashes, in the calling thread; `peppers` newest first, empty for none."""

    def __init__(self, parameters: Argon2Parameters, *, peppers: Sequence[Pepper] = ()) -> None:
        self._parameters = parameters
        self._newest = peppers[0] if peppers else None
        self._peppers = {pepper.id: pepper for pepper in peppers}

    def make(self, password: bytes) -> str:
        """A new hash with its own salt, in the form that is stored."""
        hashed = hash_secret(
            secret=self._newest.apply(password) if self._newest else password,
            salt=os.urandom(_SALT_BYTES),
            time_cost=self._parameters.passes,
            memory_cost=self._parameters.memory_kib,
            parallelism=self._parameters.lanes,
            hash_len=_DIGEST_BYTES,
            type=Type.ID,
        ).decode("ascii")
        return f"$pepper${self._newest.id}{hashed}" if self._newest else hashed

    def matches(self, stored: Argon2Hash, password: bytes) -> bool:
        """Whether the password is the one that was hashed.

        Raises UnreadableHash where its pepper is not among ours, or Argon2 cannot decode it.
        """
        secret = password
        if stored.pepper_id is not None:
            pepper = self._peppers.get(stored.pepper_id)
            if pepper is None:
                raise UnreadableHash(f"the hash was made with the pepper {stored.pepper_id}, which is not configured")
            secret = pepper.apply(password)
        try:
            return verify_secret(stored.bare, secret, stored.variant)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            raise UnreadableHash(f"Argon2 cannot compare the hash: {error}") from error

    def is_weaker(self, stored: Argon2Hash) -> bool:
        """Whether a new hash would be better: in variant, version, memory, passes or pepper."""
        ours = self._parameters
        return (
            stored.variant is not Type.ID
            or stored.version < ARGON2_VERSION
            or stored.parameters.memory_kib < ours.memory_kib
            or stored.parameters.passes < ours.passes
            or stored.pepper_id != (self._newest.id if self._newest else None)
        )
