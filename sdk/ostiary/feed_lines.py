"""The feed's lines, read: entries, the chain over them, and the head that vouches for them (docs/feed.md). Pure.

What proves a head is its signature, which is checked before `parse_head` sees the payload.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from ostiary.errors import TokenError
from ostiary.strict import parse_base64url

HEAD_TYPE = "ostiary-feed+jwt"
MAX_LINE = 16_384
MAX_RISK = 100
MAX_NUMBER = 2**53 - 1

TOKEN = "token"
GRANT = "grant"
SESSION = "session"
PERSON = "person"
CLIENT = "client"
EVERYONE = "everyone"
KEY = "key"
FACTS = "facts"

_DATED = (PERSON, CLIENT, EVERYONE)
_EPOCH = re.compile(r"[0-9a-f]{32}")


class FeedRefused(Exception):
    """What came as the feed is not the feed. Inside the SDK only; the text is for the log."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry, and the very bytes that said it.

    `at_ms` is when the change was made (milliseconds since 1970), from `expires_s` on it may be forgotten, and tokens
    issued at or before `not_before_s` are refused (both whole seconds). `facts` is there for the kind of that name.
    """

    seq: int
    kind: str
    subject: str
    at_ms: int
    expires_s: int
    not_before_s: int | None
    facts: Mapping[str, object] | None
    line: bytes


@dataclass(frozen=True, slots=True)
class FeedHead:
    """What the server said of its log: that it ended with `seq`, and `chain` covers all up to there.

    `at_ms` is the server's wall clock, `up_ms` the monotonic clock of the process named `boot`, both taken before the
    log was read. A snapshot's head also has the `count` of its lines and their `digest`. `kid` names the key that
    proved it.
    """

    epoch: str
    seq: int
    chain: bytes
    at_ms: int
    up_ms: int
    boot: str
    count: int | None = None
    digest: bytes | None = None
    kid: str = ""


_Number = Annotated[int, msgspec.Meta(ge=0)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Line(msgspec.Struct):
    seq: Annotated[int, msgspec.Meta(ge=1)]
    kind: _Text
    subject: _Text
    at: _Number
    expires: _Number
    not_before: _Number | None = None
    facts: dict[str, object] | None = None


class _Head(msgspec.Struct):
    iss: str
    epoch: str
    seq: _Number
    chain: str
    at: _Number
    up: _Number
    boot: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    count: _Number | None = None
    digest: str | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


def parse_entry(line: bytes) -> FeedEntry:
    """The entry that a line (without its end) says, or FeedRefused. Unknown kinds and members are passed over."""
    if len(line) > MAX_LINE or b"\n" in line:
        raise FeedRefused(f"an entry must be one line of at most {MAX_LINE} bytes")
    try:
        said = _decode_line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FeedRefused(f"an entry must be the JSON object of docs/feed.md: {error}") from None
    if said.kind in _DATED and said.not_before is None:
        raise FeedRefused(f"an entry of the kind {said.kind} must have not_before")
    if said.kind == FACTS:
        _check_facts(said.facts)
    return FeedEntry(
        said.seq, said.kind, said.subject, said.at, said.expires, said.not_before, said.facts, bytes(line)
    )  # fmt: skip


def _check_facts(facts: Mapping[str, object] | None) -> None:
    if facts is None:
        raise FeedRefused("an entry of the kind facts must have facts")
    if type(facts.get("suspended", False)) is not bool:
        raise FeedRefused("facts.suspended must be true or false")
    risk = facts.get("risk", 0)
    if type(risk) is not int or not 0 <= risk <= MAX_RISK:
        raise FeedRefused(f"facts.risk must be a whole number from 0 to {MAX_RISK}")
    if type(facts.get("acr", "")) is not str:
        raise FeedRefused("facts.acr must be a string")


def is_epoch(text: str) -> bool:
    """Whether a log's epoch can have this name."""
    return _EPOCH.fullmatch(text) is not None


def first_chain(issuer: str, epoch: str) -> bytes:
    """The chain before the first entry of an epoch."""
    return hashlib.sha256(f"ostiary-feed-v1\n{issuer}\n{epoch}".encode()).digest()


def next_chain(chain: bytes, line: bytes) -> bytes:
    """The chain after one more line."""
    return hashlib.sha256(chain + line).digest()


def parse_head(payload: Mapping[str, object], *, issuer: str, kid: str = "") -> FeedHead:
    """The head that a payload, proven by the key `kid`, says about this issuer's log; FeedRefused names the member."""
    try:
        said = msgspec.convert(payload, _Head)
    except msgspec.ValidationError as error:
        raise FeedRefused(f"a head must have the members of docs/feed.md: {error}") from None
    if said.iss != issuer:
        raise FeedRefused("iss must be the issuer whose feed is followed")
    if not is_epoch(said.epoch):
        raise FeedRefused("epoch must be 32 hexadecimal digits in lower case")
    if (said.count is None) != (said.digest is None):
        raise FeedRefused("count and digest come together")
    chain = _sha256(said.chain, name="chain")
    digest = None if said.digest is None else _sha256(said.digest, name="digest")
    return FeedHead(said.epoch, said.seq, chain, said.at, said.up, said.boot, said.count, digest, kid)


def _sha256(text: str, *, name: str) -> bytes:
    try:
        value = parse_base64url(text.encode(), name=name)
    except TokenError:
        value = b""
    if len(value) != 32:
        raise FeedRefused(f"{name} must be a SHA-256 in base64url")
    return value
