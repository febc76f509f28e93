"""An event's row, made once and by one pure function: canonical bytes, sealed personal fields, keyed index values.

The body is what a ledger's leaf commits to. It holds the public fields in the clear, and for each personal field and
each index value only a salted digest; salt and personal values are sealed under the key of the person they are about.
Destroying that key and the index values erases the person and leaves every body as it was.
"""

import hashlib
import hmac
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

VERSION = 1
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
class Event:
    """What happened, before it becomes a row.

    `actor` and `subject` are public ids (`usr_…`, `cli_…`, a kid), or `system`, `anonymous`, `cli`. `person` is the
    person the event is about, under whose key the personal fields are sealed; they are its `subject`, said or not.
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


def check_event(event: Event) -> None:
    """Raises ValueError where an event carries a field that its type does not declare, or contradicts itself."""
    for given, declared in ((event.data, event.type.public), (event.personal, event.type.personal)):
        if not given.keys() <= declared:
            raise ValueError(f"{event.type.name} does not declare {sorted(given.keys() - declared)}")
    if event.person is not None and event.subject not in (None, show_id(PERSON, event.person)):
        # The body commits to the subject. It could be given out as anybody's otherwise, once the salt is destroyed.
        raise ValueError(f"{event.type.name} is about a person and has another subject")


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
    micros, origin, personal = to_micros(at), event.origin, _personal_fields(event)
    subject = show_id(PERSON, event.person) if event.person else event.subject
    body = _canonical.encode(
        {
            "v": VERSION,
            "id": show_id(EVENT, event_id),
            "at": micros,
            "name": event.type.name,
            "severity": event.type.severity,
            "outcome": event.outcome,
            "actor": event.actor,
            "subject": subject,
            "client": event.client_id,
            "session": event.session_id and event.session_id.hex(),
            "device": event.device_id and event.device_id.hex(),
            "request": origin.request_id,
            "source": origin.source,
            "data": event.data,
            "hidden": _hidden_digests(salt, personal, indexes),
        }
    )
    aad = sealed_aad(event_id, leaf_hash(body))
    sealed_for = event.person or NOBODY
    sealed = seal_under(subject_key, _canonical.encode({"salt": salt.hex(), **personal}), aad)
    return (
        event_id, micros, event.type.name, event.type.family, event.type.severity.value, event.outcome,
        event.actor, subject, event.client_id, event.session_id, event.device_id,
        origin.request_id, origin.source,
        None, None, None, None, VERSION, body.decode(), sealed_for, sealed,
        indexes.person, indexes.address, indexes.network,
    )  # fmt: skip


def _personal_fields(event: Event) -> dict[str, object]:
    personal, origin = {**event.personal}, event.origin
    if origin.address is not None:
        personal["address"] = origin.address
    if origin.user_agent is not None and "user_agent" in event.type.personal:
        personal["user_agent"] = origin.user_agent
    return personal


def _hidden_digests(salt: bytes, personal: Mapping[str, object], indexes: Indexes) -> dict[str, str]:
    hidden = {name: salted_digest(salt, name, value) for name, value in personal.items()}
    for name in ("person", "address", "network"):
        value = getattr(indexes, name)
        if value is not None:
            hidden[f"{name}_index"] = salted_digest(salt, f"{name}_index", value.hex())
    return hidden
