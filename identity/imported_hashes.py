"""Password hashes that other systems made: read within bounds, verified, never made here (S21).

- bcrypt: `$2a$`, `$2b$`, `$2y$`; Django `bcrypt$…` and `bcrypt_sha256$…`
- PBKDF2 with SHA-1, SHA-256, SHA-512: Django `pbkdf2_sha256$…`, Werkzeug `pbkdf2:sha256:…`, passlib and PHC
  `$pbkdf2-sha256$…`
- scrypt: Django `scrypt$16384$salt$8$5$…`, Werkzeug `scrypt:…`, passlib and PHC `$scrypt$ln=…`

A stored hash names its own price, and an import may come from anywhere: whatever would take more than a few seconds or
256 MiB is refused before the first round.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field

import bcrypt

MAX_STORED_LENGTH = 512
MAX_MEMORY_BYTES = 256 * 1024 * 1024
_MAX_BCRYPT_COST = 15  # 2–4 s
_MAX_PBKDF2_ROUNDS = 5_000_000  # Django 6 uses 1.2 million, OWASP asks for 1.3 million with SHA-1
_PBKDF2_BLOCK_BYTES = {"sha1": 20, "sha256": 32, "sha512": 64}
_MAX_SCRYPT_WORK = 1 << 23  # N·r·p; OWASP's strongest is 2**20
_BCRYPT_READ_BYTES = 72  # bcrypt never read more; library version 5 raises where older ones cut in silence
_DIGEST_BYTES = range(16, 129)  # shorter ones are found by chance, and an empty one fits every password
_SALT_BYTES = range(1, 129)

_BCRYPT = re.compile(r"(?:bcrypt(?P<sha256>_sha256)?\$)?(?P<hash>\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53})", re.A)
_PBKDF2_DJANGO = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$(\d{1,9})\$([^$]*)\$([^$]*)", re.A)
_PBKDF2_WERKZEUG = re.compile(r"pbkdf2:(sha1|sha256|sha512):(\d{1,9})\$([^$]*)\$([0-9a-f]*)", re.A)
_PBKDF2_PHC = re.compile(r"\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?(\d{1,9})(?:,l=\d+)?\$([^$]*)\$([^$]*)", re.A)
_SCRYPT_DJANGO = re.compile(r"scrypt\$(\d{1,9})\$([^$]*)\$(\d{1,5})\$(\d{1,5})\$([^$]*)", re.A)
_SCRYPT_WERKZEUG = re.compile(r"scrypt:(\d{1,9}):(\d{1,5}):(\d{1,5})\$([^$]*)\$([0-9a-f]*)", re.A)
_SCRYPT_PHC = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,5}),p=(\d{1,5})\$([^$]*)\$([^$]*)", re.A)


class UnreadableHash(ValueError):
    """A stored hash of no known form, or beyond the bounds; `str()` says which and never repeats the hash."""


@dataclass(frozen=True, slots=True)
class BcryptHash:
    """bcrypt, which reads 72 bytes of a password and no more; with SHA-256 first where Django put it there."""

    text: bytes = field(repr=False)
    is_sha256_first: bool

    def as_text(self) -> str:
        """The form that is stored here."""
        return ("bcrypt_sha256$" if self.is_sha256_first else "") + self.text.decode("ascii")

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one that was hashed."""
        read = hashlib.sha256(password).hexdigest().encode() if self.is_sha256_first else password
        try:
            return bcrypt.checkpw(read[:_BCRYPT_READ_BYTES], self.text)
        except ValueError as error:
            raise UnreadableHash("the bcrypt hash has a broken salt") from error


@dataclass(frozen=True, slots=True)
class Pbkdf2Hash:
    """PBKDF2-HMAC (RFC 8018 §5.2)."""

    digest: str
    rounds: int
    salt: bytes = field(repr=False)
    expected: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= _MAX_PBKDF2_ROUNDS:
            raise UnreadableHash(f"the PBKDF2 hash asks for {self.rounds} rounds, beyond 1 to {_MAX_PBKDF2_ROUNDS}")
        _check_sizes(self.salt, self.expected)
        # Each block of a longer digest costs all rounds again.
        blocks = -(-len(self.expected) // _PBKDF2_BLOCK_BYTES[self.digest])
        if self.rounds * blocks > _MAX_PBKDF2_ROUNDS:
            raise UnreadableHash(
                f"the PBKDF2 hash asks for {self.rounds} rounds {blocks} times, beyond {_MAX_PBKDF2_ROUNDS} in all"
            )

    def as_text(self) -> str:
        """The form that is stored here."""
        sizes = f"i={self.rounds},l={len(self.expected)}"
        return f"$pbkdf2-{self.digest}${sizes}${_to_base64(self.salt)}${_to_base64(self.expected)}"

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one that was hashed."""
        made = hashlib.pbkdf2_hmac(self.digest, password, self.salt, self.rounds, len(self.expected))
        return hmac.compare_digest(made, self.expected)


@dataclass(frozen=True, slots=True)
class ScryptHash:
    """scrypt (RFC 7914): `n` is the cost, a power of two; `r` the block size; `p` the parallelism."""

    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    expected: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.n < 2 or self.n & (self.n - 1) or self.r < 1 or self.p < 1:
            raise UnreadableHash("the scrypt hash has an impossible cost")
        if self._memory_bytes > MAX_MEMORY_BYTES or self.n * self.r * self.p > _MAX_SCRYPT_WORK:
            raise UnreadableHash(f"the scrypt hash asks for n={self.n}, r={self.r}, p={self.p}, which is too much")
        _check_sizes(self.salt, self.expected)

    @property
    def _memory_bytes(self) -> int:
        return 128 * self.r * (self.n + self.p + 2)

    def as_text(self) -> str:
        """The form that is stored here."""
        cost = f"ln={self.n.bit_length() - 1},r={self.r},p={self.p}"
        return f"$scrypt${cost}${_to_base64(self.salt)}${_to_base64(self.expected)}"

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one that was hashed."""
        made = hashlib.scrypt(
            password,
            salt=self.salt,
            n=self.n,
            r=self.r,
            p=self.p,
            maxmem=self._memory_bytes + (1 << 20),
            dklen=len(self.expected),
        )
        return hmac.compare_digest(made, self.expected)


ImportedHash = BcryptHash | Pbkdf2Hash | ScryptHash


def parse_imported_hash(stored: str) -> ImportedHash:
    """The stored hash, ready to be compared with a password; costs nothing yet. Raises UnreadableHash."""
    if len(stored) > MAX_STORED_LENGTH:
        raise UnreadableHash(f"the stored hash is longer than {MAX_STORED_LENGTH} characters")
    found = _find_bcrypt(stored) or _find_pbkdf2(stored) or _find_scrypt(stored)
    if found is None:
        raise UnreadableHash("the stored hash has no form known here")
    return found


def _find_bcrypt(stored: str) -> BcryptHash | None:
    parts = _BCRYPT.fullmatch(stored)
    if parts is None:
        return None
    if not 4 <= int(parts["cost"]) <= _MAX_BCRYPT_COST:
        raise UnreadableHash(f"the bcrypt hash asks for cost {parts['cost']}; 4 to {_MAX_BCRYPT_COST} are done")
    return BcryptHash(text=parts["hash"].encode(), is_sha256_first=parts["sha256"] is not None)


def _find_pbkdf2(stored: str) -> Pbkdf2Hash | None:
    if parts := _PBKDF2_DJANGO.fullmatch(stored):
        digest, rounds, salt, expected = parts.groups()
        return Pbkdf2Hash(digest, int(rounds), salt.encode(), _from_base64(expected))
    if parts := _PBKDF2_WERKZEUG.fullmatch(stored):
        digest, rounds, salt, expected = parts.groups()
        return Pbkdf2Hash(digest, int(rounds), salt.encode(), _from_hex(expected))
    if parts := _PBKDF2_PHC.fullmatch(stored):
        digest, rounds, salt, expected = parts.groups()
        # passlib's `$pbkdf2$` without a name is SHA-1.
        return Pbkdf2Hash(digest or "sha1", int(rounds), _from_base64(salt), _from_base64(expected))
    return None


def _find_scrypt(stored: str) -> ScryptHash | None:
    if parts := _SCRYPT_DJANGO.fullmatch(stored):
        n, salt, r, p, expected = parts.groups()
        return ScryptHash(int(n), int(r), int(p), salt.encode(), _from_base64(expected))
    if parts := _SCRYPT_WERKZEUG.fullmatch(stored):
        n, r, p, salt, expected = parts.groups()
        return ScryptHash(int(n), int(r), int(p), salt.encode(), _from_hex(expected))
    if parts := _SCRYPT_PHC.fullmatch(stored):
        log2_n, r, p, salt, expected = parts.groups()
        return ScryptHash(1 << int(log2_n), int(r), int(p), _from_base64(salt), _from_base64(expected))
    return None


def _from_base64(text: str) -> bytes:
    """Standard base64 with or without its padding, and passlib's, which writes `.` for `+`."""
    bare = text.rstrip("=").replace(".", "+")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error as error:
        raise UnreadableHash("the stored hash is not valid base64") from error


def _to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii").rstrip("=")


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UnreadableHash("the stored hash is not valid hex") from error


def _check_sizes(salt: bytes, expected: bytes) -> None:
    if len(salt) not in _SALT_BYTES or len(expected) not in _DIGEST_BYTES:
        raise UnreadableHash("the stored hash has a salt or a digest of impossible length")
