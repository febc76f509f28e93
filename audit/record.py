"""An event's row, made once and by one pure function: canonical bytes, sealed personal fields, keyed index values.

The body is what a ledger's leaf commits to. It holds the public fields in the clear, and for each personal field and
each index value only a salted digest; salt and personal values are sealed under the key of the person they are about.
Destroying that key and the index values erases the person and leaves every body as it was.

An event that was assessed, or whose place is known, has a body of version 2: its score is public, its place and its
reasons are personal. One that follows from a decision of the policies has a body of version 3, which says the revision
of their set as well. Every other event is written as version 1, which has no word for any of this.
"""

import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.catalogue import EventType
from audit.ledger.merkle import leaf_hash
from audit.tables import events
from base.clock import to_micros
from base.ids import EVENT, PERSON, show_id
from base.sealing import seal_under
from base.statements import Row, insert_into

VERSION, ASSESSED_VERSION, DECIDED_VERSION = 1, 2, 3
MOST_RISK = 100
# Where place and reasons lie among the personal fields from version 2 on; no event type declares such a field.
PLACE, REASONS = "place", "risk_reasons"
NOBODY = bytes(16)
# The source of the server's own events: no other service's can have it.
OWN_SOURCE = "auth-service"
INSERT_EVENT = insert_into(events, leave_out=("seq",))

_canonical = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from; what an event says of it."""

    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    source: str = OWN_SOURCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskNote:
    """What the risk room says of a sign-in or a session: `score` from 0 to 100, its `level` in a word, the `log_odds`
    behind it, and the id of the `calibration` that made points of them. All of these are public.

    `reasons` are personal: each {"signal", "log_odds", "points", "detail"}, the heaviest first, plain JSON values.
    """

    score: int
    level: str
    calibration: str
    log_odds: float
    reasons: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened, before it becomes a row.

    `actor` and `subject` are public ids (`usr_…`, `cli_…`, a kid), or `system`, `anonymous`, `cli`. `person` is the
    person the event is about, under whose key the personal fields are sealed; they are its `subject`, said or not.
    `place` is where the address is, as plain values; nothing in it is nothing known. `policy_revision` is the set of
    policies that decided it, where one did.
    """

    type: EventType
    actor: str
    outcome: str = "success"
    subject: str | None = None
    person: bytes | None = None
    client_id: str | None = None
    session_id: bytes | None = None
    device_id: bytes | None = None
    origin: Origin = Origin()
    data: Mapping[str, object] = field(default_factory=dict)
    personal: Mapping[str, object] = field(default_factory=dict)
    risk: RiskNote | None = None
    place: Mapping[str, str | int | float] | None = None
    policy_revision: int | None = None


def check_event(event: Event) -> None:
    """Raises ValueError where an event carries a field that its type does not declare, or contradicts itself."""
    for given, declared in ((event.data, event.type.public), (event.personal, event.type.personal)):
        if not given.keys() <= declared:
            raise ValueError(f"{event.type.name} does not declare {sorted(given.keys() - declared)}")
    if event.person is not None and event.subject not in (None, show_id(PERSON, event.person)):
        # The body commits to the subject. It could be given out as anybody's otherwise, once the salt is destroyed.
        raise ValueError(f"{event.type.name} is about a person and has another subject")
    risk = event.risk
    if risk is not None and not (0 <= risk.score <= MOST_RISK and math.isfinite(risk.log_odds)):
        raise ValueError(f"{event.type.name} has a risk that is none: expected a score of 0 to {MOST_RISK}")


def network_of(address: str) -> str | None:
    """The /24 or /48 around an address, or None where it is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    # `ip_network` would take 15 µs, more than the rest of an event.
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> 80 << 80)}/48"
    return f"{IPv4Address(int(parsed) >> 8 << 8)}/24"


def index_value(index_key: bytes, kind: str, value: str) -> bytes:
    """The keyed value under which an event is found again: `kind` is person, address or network."""
    return hmac.digest(index_key, f"{kind}:{value}".encode(), hashlib.sha256)


def salted_digest(salt: bytes, name: str, value: object) -> str:
    """What a body says of a hidden value: SHA-256 of salt, name and the value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(salt + name.encode() + b"\0" + _canonical.encode(value)).hexdigest()


def sealed_aad(event_id: bytes, leaf: bytes) -> bytes:
    """What a sealed part is bound to: its event, and the body's leaf hash. Under another body it does not open."""
    return event_id + leaf


@dataclass(frozen=True, slots=True)
class Indexes:
    """The three keyed index values of an event, each None where it does not apply."""

    person: bytes | None = None
    address: bytes | None = None
    network: bytes | None = None


def make_row(event: Event, *, event_id: bytes, at: datetime, salt: bytes, subject_key: AESGCM, indexes: Indexes) -> Row:
    """The row of `audit.tables.events`, as raw values in the order of `INSERT_EVENT`."""
    check_event(event)
    micros, origin, version = to_micros(at), event.origin, _version_of(event)
    subject = show_id(PERSON, event.person) if event.person else event.subject
    personal = _personal_fields(event)
    public = _public_fields(event, version)
    public["id"], public["at"], public["subject"] = show_id(EVENT, event_id), micros, subject
    public["hidden"] = _hidden_digests(salt, personal, indexes)
    body = _canonical.encode(public)
    aad = sealed_aad(event_id, leaf_hash(body))
    sealed = seal_under(subject_key, _canonical.encode({"salt": salt.hex(), **personal}), aad)
    return (
        event_id, micros, event.type.name, event.type.family, event.type.severity.value, event.outcome,
        event.actor, subject, event.client_id, event.session_id, event.device_id,
        origin.request_id, origin.source,
        None, event.risk.score if event.risk else None, None, event.policy_revision, version, body.decode(),
        event.person or NOBODY, sealed,
        indexes.person, indexes.address, indexes.network,
    )  # fmt: skip


def _version_of(event: Event) -> int:
    if event.policy_revision is not None:
        return DECIDED_VERSION
    return ASSESSED_VERSION if event.risk is not None or event.place else VERSION


def _public_fields(event: Event, version: int) -> dict[str, object]:
    """What the body says in the clear of the event itself."""
    origin, risk = event.origin, event.risk
    public: dict[str, object] = {
        "v": version,
        "name": event.type.name,
        "severity": event.type.severity,
        "outcome": event.outcome,
        "actor": event.actor,
        "client": event.client_id,
        "session": event.session_id and event.session_id.hex(),
        "device": event.device_id and event.device_id.hex(),
        "request": origin.request_id,
        "source": origin.source,
        "data": event.data,
    }
    if version >= ASSESSED_VERSION:
        public["risk"] = risk and {
            "score": risk.score, "level": risk.level, "calibration": risk.calibration, "log_odds": risk.log_odds,
        }  # fmt: skip
    if version == DECIDED_VERSION:
        public["policy"] = event.policy_revision
    return public


def _personal_fields(event: Event) -> dict[str, object]:
    personal, origin = {**event.personal}, event.origin
    if origin.address is not None:
        personal["address"] = origin.address
    if origin.user_agent is not None and "user_agent" in event.type.personal:
        personal["user_agent"] = origin.user_agent
    if event.place:
        personal[PLACE] = event.place
    if event.risk is not None and event.risk.reasons:
        personal[REASONS] = event.risk.reasons
    return personal


def _hidden_digests(salt: bytes, personal: Mapping[str, object], indexes: Indexes) -> dict[str, str]:
    hidden = {name: salted_digest(salt, name, value) for name, value in personal.items()}
    for name in ("person", "address", "network"):
        value = getattr(indexes, name)
        if value is not None:
            hidden[f"{name}_index"] = salted_digest(salt, f"{name}_index", value.hex())
    return hidden
