"""Whether a stored event says the same in its columns, its personal fields and its body; rules without I/O.

The body is what the ledger commits to, so it is the truth here: everything beside it must follow from it.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

VERSION, ASSESSED_VERSION, DECIDED_VERSION = 1, 2, 3
PERSON_INDEX = "person_index"
_INDEXES = (PERSON_INDEX, "address_index", "network_index")
# Nested too deep to be read counts as not readable.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class StoredRow(NamedTuple):
    """An event's columns as the driver gives them."""

    seq: int | None
    id: bytes
    at: int
    name: str
    family: str
    severity: str
    outcome: str
    actor: str
    subject: str | None
    client_id: str | None
    session_id: bytes | None
    device_id: bytes | None
    request_id: str | None
    source: str
    place: object
    risk_score: object
    risk_reasons: object
    policy_revision: object
    version: int
    body: bytes
    sealed_for: bytes
    sealed: bytes
    person_index: bytes | None
    address_index: bytes | None
    network_index: bytes | None


def is_blob(value: object) -> bool:
    """Whether a column that should hold bytes does: SQLite keeps whatever somebody put there."""
    return isinstance(value, bytes)


class Risk(msgspec.Struct, forbid_unknown_fields=True):
    """What a body says of an assessment."""

    score: int
    level: str
    calibration: str
    log_odds: float


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """The canonical bytes of an event, read. `data` stays as it is written; version 1 has no `risk`, version 2 has
    one, or null, and version 3 has the revision of the policies, too."""

    v: int
    id: str
    at: int
    name: str
    severity: str
    outcome: str
    actor: str
    subject: str | None
    client: str | None
    session: str | None
    device: str | None
    request: str | None
    source: str
    data: msgspec.Raw
    hidden: dict[str, str]
    risk: Risk | None | msgspec.UnsetType = msgspec.UNSET
    policy: int | msgspec.UnsetType = msgspec.UNSET

    @property
    def score(self) -> int | None:
        """The score of an event that was assessed."""
        return self.risk.score if isinstance(self.risk, Risk) else None

    @property
    def policy_revision(self) -> int | None:
        """The set of policies that decided it, where one did."""
        return self.policy if isinstance(self.policy, int) else None

    @property
    def version(self) -> int | None:
        """The version that has just these fields, or None."""
        if self.risk is msgspec.UNSET:
            return VERSION if self.policy is msgspec.UNSET else None
        return ASSESSED_VERSION if self.policy is msgspec.UNSET else DECIDED_VERSION


Opened = Mapping[str, msgspec.Raw]

_BODY = msgspec.json.Decoder(Body)
_OPENED = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SALT = msgspec.json.Decoder(str)

# What stands in the columns, in the order of `_columns`, and what it is called in the body.
_NAMES = (
    "v id at name severity outcome actor subject client session device request source family"
    " place risk_score risk_reasons policy_revision"
).split()


def parse_body(body: bytes) -> Body | None:
    """The event in these bytes, or None where they are none of a version that this program knows."""
    try:
        parsed = _BODY.decode(body)
    except _UNREADABLE:
        return None
    return parsed if parsed.v == parsed.version else None


def differing_columns(row: StoredRow, body: Body) -> list[str]:
    """The columns that say something else than the body, by their names in the body."""
    stored, stated = _columns(row), _stated(body)
    if stored == stated:
        return []
    return [name for name, one, other in zip(_NAMES, stored, stated, strict=True) if one != other]


def _columns(row: StoredRow) -> tuple[object, ...]:
    session, device = row.session_id, row.device_id
    return (
        row.version,
        "evt_" + row.id.hex(),
        row.at,
        row.name,
        row.severity,
        row.outcome,
        row.actor,
        row.subject,
        row.client_id,
        session.hex() if session is not None else None,
        device.hex() if device is not None else None,
        row.request_id,
        row.source,
        row.family,
        row.place,
        row.risk_score,
        row.risk_reasons,
        row.policy_revision,
    )


def _stated(body: Body) -> tuple[object, ...]:
    # Place and reasons are hidden: their columns are empty.
    return (
        body.v, body.id, body.at, body.name, body.severity, body.outcome, body.actor, body.subject, body.client,
        body.session, body.device, body.request, body.source, body.name.partition(".")[0], None, body.score, None,
        body.policy_revision,
    )  # fmt: skip


def parse_opened(plain: bytes) -> Opened | None:
    """The salt and the personal fields of an unsealed part, each as it is written; None where it is none."""
    try:
        return _OPENED.decode(plain)
    except _UNREADABLE:
        return None


def differing_hidden(body: Body, opened: Opened, indexes: Sequence[bytes | None]) -> list[str]:
    """The personal fields and index values that do not fit the body's salted digests, or that only one side has."""
    salt = _salt_of(opened)
    if salt is None:
        return ["salt"]
    wrong = _differing_fields(body, opened, salt)
    for name, index in zip(_INDEXES, indexes, strict=True):
        made = None if index is None else digest(salt, name, b'"%b"' % index.hex().encode())
        if body.hidden.get(name) != made:
            wrong.append(name)
    return wrong


def differing_fields(body: Body, opened: Opened) -> list[str]:
    """As `differing_hidden`, of the personal fields alone: for readers who are not given index values."""
    salt = _salt_of(opened)
    return ["salt"] if salt is None else _differing_fields(body, opened, salt)


def _differing_fields(body: Body, opened: Opened, salt: bytes) -> list[str]:
    hidden = body.hidden
    wrong = [name for name, value in opened.items() if name != "salt" and hidden.get(name) != digest(salt, name, value)]
    return wrong + [name for name in hidden if name not in opened and name not in _INDEXES]


def digest(salt: bytes, name: str, written: bytes | msgspec.Raw) -> str:
    """The salted digest of a hidden value whose canonical JSON is `written`, in hexadecimal."""
    return sha256(b"%b%b\0%b" % (salt, name.encode(), written)).hexdigest()


def _salt_of(opened: Opened) -> bytes | None:
    written = opened.get("salt")
    if written is None:
        return None
    try:
        return bytes.fromhex(_SALT.decode(written))
    except (ValueError, RecursionError):
        return None
