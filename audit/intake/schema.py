"""What other services may send: a batch of events, parsed once into values that are right, or every fault by index.

Pure: no database, no clock. Control characters in texts are data and stay it: they only ever stand in JSON (S46).
"""

import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

MAX_EVENTS = 1_000
MAX_AHEAD = timedelta(minutes=5)
MAX_AGE = timedelta(days=30)
_DATA_BYTES, _PERSONAL_BYTES = 8 * 1024, 2 * 1024
_SAFE = 2**53
_RESERVED = frozenset({"message", "sender_id"})
# What only the server itself can tell of, and whom only it can name as the one who acted.
RESERVED_FAMILIES = ("admin.", "lockout.", "policy.", "recovery.")
RESERVED_ACTORS = frozenset({"anonymous", "cli", "system"})
_RESERVED_PERSONAL = frozenset({"salt", "address", "person_index", "address_index", "network_index"})

# `\Z`: a dollar sign would let a line end pass.
Visible = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}\Z")]
Key = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}\Z")]
Text = Annotated[str, Meta(max_length=1_000)]
Value = Text | Annotated[int, Meta(ge=-_SAFE, le=_SAFE)] | float | bool | None

EXPECTED = {
    "id": "a UUID in lower case with hyphens, made once for the event",
    "at": "RFC 3339 with an offset, at most 30 days old and at most 5 minutes ahead",
    "name": "family.action in lower case, at most 64 characters; no name of the server's own catalogue, and none in"
    " its families admin, lockout, policy and recovery",
    "severity": "LOW, MEDIUM or HIGH",
    "outcome": "success, failure or denied",
    "message": "text of 1 to 500 characters",
    "sub": "1 to 128 visible ASCII characters, and no usr_ id that nobody has",
    "actor": "1 to 128 visible ASCII characters, and not anonymous, cli or system",
    "client_id": "1 to 64 visible ASCII characters",
    "session": "ses_ and 32 hexadecimal digits",
    "address": "an IPv4 or IPv6 address",
    "data": "a flat object: at most 32 keys of a-z, 0-9 and _ (not message, sender_id), values text of at most 1000"
    " characters, numbers, true, false or null; 8 KiB",
    "personal": "a flat object: at most 8 keys of a-z, 0-9 and _ (not salt, address or a name of an index), values"
    " text of at most 1000 characters; 2 KiB",
}
WHOLE = "text of whole characters: a lone surrogate is half of one"
UNKNOWN = "no such field: expected " + ", ".join(EXPECTED)
AN_EVENT = "an object with id, at, name and severity"


class SentEvent(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One event as its sender tells it."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
    at: Annotated[datetime, Meta(tz=True)]
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,30}\.[a-z][a-z0-9_]{0,31}\Z")]
    severity: Literal["LOW", "MEDIUM", "HIGH"]
    outcome: Literal["success", "failure", "denied"] = "success"
    message: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    sub: Visible | None = None
    actor: Visible | None = None
    client_id: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,64}\Z")] | None = None
    session: Annotated[str, Meta(pattern=r"^ses_[0-9a-f]{32}\Z")] | None = None
    address: Annotated[str, Meta(max_length=45)] | None = None
    data: Annotated[dict[Key, Value], Meta(max_length=32)] = {}
    personal: Annotated[dict[Key, Text], Meta(max_length=8)] = {}


class _Batch(Struct, forbid_unknown_fields=True):
    events: list[SentEvent]


class _RawBatch(Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong with the event at `index`."""

    index: int
    field: str
    expected: str


class NoBatch(Exception):
    """The body is no batch at all; the message says what was expected."""


class WrongEvents(Exception):
    """Some events of the batch are wrong: each is named once."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} events are wrong")
        self.faults = faults


_decode_batch = msgspec.json.Decoder(_Batch).decode
_decode_raw = msgspec.json.Decoder(_RawBatch).decode
_decode_event = msgspec.json.Decoder(SentEvent).decode
_encode = msgspec.json.Encoder().encode
_NAMED = re.compile(r"field `(?P<missing>[^`]*)`|`\$\.(?P<inside>\w+)")
# What a body can do to a parser: all of it is the sender's fault.
_NOT_JSON = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def parse_batch(body: bytes, *, now: datetime, own_names: Collection[str]) -> list[SentEvent]:
    """The events of a batch, in order; `own_names` are the server's own events, which nobody else can tell of.

    Raises NoBatch, or WrongEvents with all of them.
    """
    try:
        sent = _decode_batch(body).events
    except _NOT_JSON:
        # Once more, and slower: it says what is wrong with which of them.
        return _one_by_one(body, now, own_names)
    _check_count(len(sent))
    faults = [Fault(index, *wrong) for index, each in enumerate(sent) if (wrong := _fault_of(each, now, own_names))]
    if faults:
        raise WrongEvents(faults)
    return sent


def _one_by_one(body: bytes, now: datetime, own_names: Collection[str]) -> list[SentEvent]:
    raw = _split(body)
    _check_count(len(raw))
    sent, faults = [], []
    for index, each in enumerate(raw):
        try:
            sent.append(_decode_event(each))
            wrong = _fault_of(sent[-1], now, own_names)
        except _NOT_JSON as failure:
            wrong = _halved(each) or _named(str(failure))
        if wrong:
            faults.append(Fault(index, *wrong))
    if faults:
        raise WrongEvents(faults)
    return sent


def _split(body: bytes) -> Sequence[msgspec.Raw | bytes]:
    """The JSON of each event; raises NoBatch."""
    with suppress(*_NOT_JSON):
        return _decode_raw(body).events
    # `json` reads half a character (`"\ud800"`) as well: that must cost one event, not all.
    with suppress(ValueError, RecursionError):
        found = json.loads(body.decode())
        if isinstance(found, dict) and found.keys() == {"events"} and isinstance(found["events"], list):
            return [json.dumps(each).encode() for each in found["events"]]
    raise NoBatch('expected JSON: {"events": [...]}, with nothing beside the events')


def _halved(event: msgspec.Raw | bytes) -> tuple[str, str] | None:
    """The first field with half a character in it, where there is one."""
    found: object = None
    with suppress(ValueError, RecursionError):
        found = json.loads(bytes(event))
    for name, value in found.items() if isinstance(found, dict) else ():
        try:
            json.dumps([name, value], ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return (name if name in EXPECTED else ""), WHOLE
    return None


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_EVENTS:
        raise NoBatch(f"expected 1 to {MAX_EVENTS} events in a batch, got {count}")


def _named(message: str) -> tuple[str, str]:
    """The field that a decoder's message is about, and what was expected there."""
    found = _NAMED.search(message)
    name = (found["missing"] or found["inside"] or "")[:64] if found else ""
    if "unknown field" in message:
        return name, UNKNOWN
    return (name, EXPECTED[name]) if name in EXPECTED else ("", AN_EVENT)


def _fault_of(event: SentEvent, now: datetime, own_names: Collection[str]) -> tuple[str, str] | None:
    """The first field of an event that is wrong although its shape is right."""
    wrong = (
        ("at", not now - MAX_AGE <= event.at <= now + MAX_AHEAD),
        ("name", event.name in own_names or event.name.startswith(RESERVED_FAMILIES)),
        ("actor", event.actor in RESERVED_ACTORS),
        ("address", event.address is not None and plain_address(event.address) is None),
        ("data", bool(event.data) and (not _RESERVED.isdisjoint(event.data) or len(_encode(event.data)) > _DATA_BYTES)),
        ("personal", bool(event.personal) and _is_wrong_personal(event.personal)),
    )
    return next(((name, EXPECTED[name]) for name, is_wrong in wrong if is_wrong), None)


def _is_wrong_personal(personal: dict[str, str]) -> bool:
    return not _RESERVED_PERSONAL.isdisjoint(personal) or len(_encode(personal)) > _PERSONAL_BYTES


@lru_cache(maxsize=4096)
def plain_address(text: str) -> str | None:
    """The address as the server itself writes it, or None where the text is none."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return None
        return str(parsed.ipv4_mapped or parsed)
    return str(parsed)
