"""Signed statements about the log: C2SP signed-note, and the checkpoint in it (C2SP tlog-checkpoint).

A note is a text, an empty line, and a line `— name base64(key id · signature)`. A checkpoint's text is the log's
origin, its size, its root in Base64, and one extension line of ours: `time`, when it was signed.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ED25519 = b"\x01"
_LONGEST_NOTE = 64 * 1024
_NAME = re.compile(r"[^\s+]{1,256}")
_TIME = re.compile(r"time (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


class NoteRefused(ValueError):
    """A note, key or checkpoint that cannot be believed; the message says why, in words for people."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the log said of itself: `root` over its first `size` entries, at `at` (whole seconds, aware, UTC)."""

    origin: str
    size: int
    root: bytes
    at: datetime


class LedgerKey:
    """The key that signs checkpoints; `name` is the log's origin."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name = name
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def vkey(self) -> str:
        """The verifier key, as one text that can be printed and handed over: `name+key id+Base64`."""
        encoded = base64.b64encode(_ED25519 + self._public).decode()
        return f"{self.name}+{_key_id(self.name, self._public).hex()}+{encoded}"

    def sign(self, text: str) -> str:
        """The note of a text, which must end with a line's end."""
        signature = _key_id(self.name, self._public) + self._private.sign(text.encode())
        return f"{text}\n— {self.name} {base64.b64encode(signature).decode()}\n"


def origin_of(issuer: str) -> str:
    """The log's name in its checkpoints: the issuer without its scheme, and `/audit`."""
    return issuer.partition("://")[2].rstrip("/") + "/audit"


def verify_note(note: str, vkey: str) -> str:
    """The text of a note that the key signed; raises NoteRefused. Other keys' signatures are passed over."""
    name, key_id, public = _parse_vkey(vkey)
    if len(note) > _LONGEST_NOTE:
        raise NoteRefused(f"expected a note of at most {_LONGEST_NOTE} characters")
    text, gap, signatures = note.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise NoteRefused("expected a signed note: a text, an empty line, and lines that begin with '— '")
    text += "\n"
    for line in signatures[:-1].split("\n"):
        signer, signature = _parse_signature(line)
        if signer == name and signature[:4] == key_id:
            try:
                public.verify(signature[4:], text.encode())
            except InvalidSignature:
                raise NoteRefused(f"the signature of {name} does not fit the text") from None
            return text
    raise NoteRefused(f"no signature of the key {name}+{key_id.hex()}")


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """The text that is signed."""
    root = base64.b64encode(checkpoint.root).decode()
    time = checkpoint.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\ntime {time}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """What a checkpoint's text says; raises NoteRefused."""
    origin, *lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not origin:
        raise NoteRefused("expected a checkpoint: origin, size, root and time, a line each")
    size, root, time = lines[:3]
    if not re.fullmatch(r"0|[1-9]\d{0,15}", size, re.ASCII):
        raise NoteRefused("expected the log's size as a number in the second line")
    at = _TIME.fullmatch(time)
    if at is None:
        raise NoteRefused("expected the time in the fourth line, such as 'time 2026-11-22T20:00:00Z'")
    try:
        moment = datetime.strptime(at[1], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise NoteRefused("the time in the fourth line does not exist") from None
    return Checkpoint(origin, int(size), _parse_base64(root, 32, "root"), moment)


def is_own(key: LedgerKey, note: str, *, size: int, root: bytes) -> bool:
    """Whether this log's key signed the note, and it says just that: what is stored can be put there by others."""
    try:
        said = parse_checkpoint(verify_note(note, key.vkey))
    except NoteRefused:
        return False
    return (said.origin, said.size, said.root) == (key.name, size, root)


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _parse_vkey(vkey: str) -> tuple[str, bytes, Ed25519PublicKey]:
    # A name holds no plus, Base64 does.
    name, _, rest = vkey.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    if not _NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{8}", key_id):
        raise NoteRefused("expected a key such as example.com/audit+1a2b3c4d+AQ…")
    key = _parse_base64(encoded, 33, "key")
    if key[:1] != _ED25519 or _key_id(name, key[1:]).hex() != key_id:
        raise NoteRefused("the key does not fit its own name and number: it was copied wrong, or changed")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])


def _parse_signature(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—" or not name or not encoded:
        raise NoteRefused("expected lines such as '— name Base64' below the empty line")
    try:
        return name, base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise NoteRefused("expected a signature in Base64") from None


def _parse_base64(text: str, length: int, what: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        decoded = b""
    # One text a value: what decodes to it in a second way is refused.
    if len(decoded) != length or base64.b64encode(decoded).decode() != text:
        raise NoteRefused(f"expected the {what} as Base64 of {length} bytes")
    return decoded


def split_notes(text: str) -> list[str]:
    """The checkpoints' notes of a file that holds one after another, an empty line between.

    One that was torn by a crash is left out where it is the last, and does not reach into the next one elsewhere.
    """
    paragraphs = text[: text.rfind("\n") + 1].split("\n\n")
    pairs = pairwise(paragraphs)
    return [f"{said.strip()}\n\n{signed.strip()}\n" for said, signed in pairs if signed.startswith("— ")]
