"""The manifest of an evidence bundle: what is in the file, over which period, and the note that signs it. Pure.

`manifest.json` is canonical JSON (sorted keys, no spaces). `manifest.note` is a C2SP signed note of four lines: the
format, the log's origin, the manifest's SHA-256, and when it was made. No checkpoint looks like it, so neither
signature can stand in for the other.
"""

import hashlib
import re
from datetime import UTC, datetime

import msgspec

from audit.ledger.notes import LedgerKey, NoteRefused, verify_note

FORMAT = "ostiary-evidence/1"
MANIFEST, NOTE, CHECKPOINTS, EVENTS, REPORT = (
    "manifest.json", "manifest.note", "checkpoints.txt", "events.jsonl.gz", "report.json",
)  # fmt: skip
# Every name that a bundle may hold, in the order in which they stand in it.
NAMES = (
    "report.pdf", "report.html", "report.xlsx", "report.csv.zip", REPORT, CHECKPOINTS, EVENTS, MANIFEST, NOTE,
)  # fmt: skip
WITH_PERSONAL = (
    "This file holds personal data: names and addresses in the report, and the personal fields of events with the salts"
    " by which their digests can be checked. Handle it as personal data."
)
WITHOUT_PERSONAL = (
    "This file holds no personal fields: people stand in it by their ids, and the personal fields of events by salted"
    " digests alone."
)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class EvidenceRefused(ValueError):
    """A file that is no evidence bundle, or a changed one; the message names the first thing that is wrong."""


class FileFacts(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The length and the SHA-256 (hexadecimal) of one file."""

    bytes: int
    sha256: str


class Window(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The period: from (inclusive) until (exclusive), RFC 3339 in UTC."""

    from_at: str
    until_at: str


class Numbers(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which events: the first and the last number, and how many of them are of the period by their own time.

    Events are numbered in the order in which they were stored, so that a few beside the period may lie between.
    """

    first: int
    last: int
    in_period: int


class Manifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is signed. `numbers` is None where the period has no events; then there is no file of events."""

    format: str = FORMAT
    version: str
    origin: str
    key: str
    made_at: str
    made_by: str
    report: str
    period: Window
    numbers: Numbers | None
    checkpoint_size: int
    personal: bool
    personal_words: str
    files: dict[str, FileFacts]


_encode = msgspec.json.Encoder(order="sorted").encode
_MANIFEST = msgspec.json.Decoder(Manifest)


def encode_manifest(manifest: Manifest) -> bytes:
    """The one way in which a manifest is written."""
    return _encode(manifest)


def parse_manifest(data: bytes) -> Manifest:
    """The manifest in these bytes; raises EvidenceRefused."""
    try:
        manifest = _MANIFEST.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise EvidenceRefused(f"{MANIFEST} is no manifest: {fault}") from None
    if manifest.format != FORMAT:
        raise EvidenceRefused(f"{MANIFEST}: expected the format {FORMAT}, found {manifest.format[:80]!r}")
    if encode_manifest(manifest) != data:
        raise EvidenceRefused(f"{MANIFEST} is not written in the one canonical way")
    for name, facts in manifest.files.items():
        if name not in NAMES or name in (MANIFEST, NOTE):
            raise EvidenceRefused(f"{MANIFEST} names the file {name[:80]!r}, which no evidence bundle holds")
        if facts.bytes < 0 or not _DIGEST.fullmatch(facts.sha256):
            raise EvidenceRefused(f"{MANIFEST}: expected a length and 64 hexadecimal digits for {name}")
    return manifest


def sign_manifest(manifest: Manifest, key: LedgerKey) -> str:
    """The signed note of a manifest."""
    return key.sign(_statement(manifest))


def check_signature(manifest: Manifest, note: bytes, vkey: str) -> None:
    """Raises EvidenceRefused unless the key signed exactly this manifest."""
    try:
        text = verify_note(note.decode(), vkey)
    except (NoteRefused, UnicodeDecodeError) as refused:
        raise EvidenceRefused(f"{NOTE}: {refused}") from None
    if text != _statement(manifest):
        raise EvidenceRefused(f"{NOTE} signs another manifest than {MANIFEST}")


def _statement(manifest: Manifest) -> str:
    digest = hashlib.sha256(encode_manifest(manifest)).hexdigest()
    return f"{FORMAT}\n{manifest.origin}\nsha256 {digest}\nmade {manifest.made_at}\n"


def show_instant(at: datetime) -> str:
    """RFC 3339 in UTC, as the manifest writes it."""
    return at.astimezone(UTC).isoformat()


def parse_instant(text: str, what: str) -> datetime:
    """The instant behind such a text; raises EvidenceRefused with `what` it was to be."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or show_instant(at) != text:
        raise EvidenceRefused(f"{MANIFEST}: expected {what} as a time in UTC")
    return at
