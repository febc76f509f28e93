"""An audit event as the server takes it (docs/endpoints.md, POST /api/v1/audit/events). No I/O, no clock.

Every rule of the server that a program can break by mistake is checked here, where the mistake is made: the server
would refuse the event minutes later, far from the line that is wrong.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

import msgspec

SEVERITIES = ("LOW", "MEDIUM", "HIGH")
OUTCOMES = ("success", "failure", "denied")
MAX_MESSAGE_CHARS = 500
MAX_DATA_KEYS = 32
MAX_DATA_BYTES = 8_192
MAX_PERSONAL_KEYS = 8
MAX_PERSONAL_BYTES = 2_048
MAX_TEXT_CHARS = 1_000
MAX_WHOLE_NUMBER = 2**53
# What only the server itself can tell of, and whom only it can name as the one who acted.
RESERVED_FAMILIES = ("admin.", "lockout.", "policy.", "recovery.")
RESERVED_ACTORS = frozenset({"anonymous", "cli", "system"})
RESERVED_DATA = frozenset({"message", "sender_id"})
RESERVED_PERSONAL = frozenset({"salt", "address", "person_index", "address_index", "network_index"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}\.[a-z][a-z0-9_]{0,31}")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_VISIBLE = re.compile(r"[!-~]+")
_SESSION = re.compile(r"ses_[0-9a-f]{32}")

_PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What happened, as the program says it; `EventSink.emit` explains the fields."""

    name: str
    severity: str = "LOW"
    outcome: str = "success"
    message: str | None = None
    sub: str | None = None
    actor: str | None = None
    client_id: str | None = None
    session: str | None = None
    address: str | None = None
    data: Mapping[str, object] | None = None
    personal: Mapping[str, str] | None = None


def encode_event(event: AuditEvent, *, event_id: str, at: datetime) -> bytes:
    """The event's JSON, without what it does not say; ValueError naming the field that is wrong.

    Encoded at once, so that what the program changes in `data` afterwards changes nothing.
    """
    fields: dict[str, object] = {"id": event_id, "at": _checked_time(at)}
    for field, is_right, expected in _RULES:
        value = getattr(event, field)
        if value is None and field not in _REQUIRED:
            continue
        if not is_right(value):
            raise ValueError(f"{field} must be {expected}")
        fields[field] = value if type(value) is str else _plain(value)
    if event.data:
        fields["data"] = _checked_data(event.data)
    if event.personal:
        fields["personal"] = _checked_personal(event.personal)
    return _encoder.encode(fields)


def _checked_time(at: object) -> str:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ValueError("at must be a datetime with a time zone")
    try:
        return at.astimezone(UTC).isoformat()
    except OverflowError:
        raise ValueError("at must be a time of the years 1 to 9999 in UTC") from None


def _checked_data(data: Mapping[str, object]) -> dict[str, object]:
    checked = _checked_keys("data", data, most=MAX_DATA_KEYS, reserved=RESERVED_DATA)
    for key, value in checked.items():
        if not _is_plain(value):
            raise ValueError(
                f"data.{key} must be text of at most {MAX_TEXT_CHARS} characters, a whole number within ±2^53, "
                "a finite number, true, false or None"
            )
    _check_size("data", checked, limit=MAX_DATA_BYTES)
    return checked


def _checked_personal(personal: Mapping[str, str]) -> dict[str, object]:
    checked = _checked_keys("personal", personal, most=MAX_PERSONAL_KEYS, reserved=RESERVED_PERSONAL)
    for key, value in checked.items():
        if not _is_text(value, MAX_TEXT_CHARS):
            raise ValueError(f"personal.{key} must be text of at most {MAX_TEXT_CHARS} characters")
    _check_size("personal", checked, limit=MAX_PERSONAL_BYTES)
    return checked


def _check_size(field: str, checked: Mapping[str, object], *, limit: int) -> None:
    if len(_encoder.encode(checked)) > limit:
        raise ValueError(f"{field} must be at most {limit} bytes of JSON")


def _checked_keys(field: str, given: object, *, most: int, reserved: frozenset[str]) -> dict[str, object]:
    if not isinstance(given, Mapping) or len(given) > most:
        raise ValueError(f"{field} must be a mapping of at most {most} keys")
    checked: dict[str, object] = {}
    for key, value in given.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key) or key in reserved:
            words = f"keys must be lower_case words and none of {', '.join(sorted(reserved))}"
            raise ValueError(f"{field} has the key {str(key)[:64]!r}; {words}")
        checked[key if type(key) is str else _text(key)] = value if type(value) in _PLAIN_TYPES else _plain(value)
    return checked


def _plain(value: object) -> object:
    """The value without what a subclass makes of it (a member of an enum, a number of numpy): JSON has plain ones."""
    match value:
        case None | bool():
            return value
        case str():
            return _text(value)
        case float():
            return float.__float__(value)
        case int():
            return int.__int__(value)
        case _:
            return value


def _text(value: str) -> str:
    return str.__str__(value)


def _is_plain(value: object) -> bool:
    match value:
        case None | bool():
            return True
        case str():
            return _is_text(value, MAX_TEXT_CHARS)
        case int():
            return -MAX_WHOLE_NUMBER <= value <= MAX_WHOLE_NUMBER
        case float():
            return math.isfinite(value)
        case _:
            return False


def _is_text(value: object, limit: int) -> bool:
    if not isinstance(value, str) or len(value) > limit:
        return False
    # Half of a surrogate pair is no text: it has no bytes in UTF-8.
    return value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value)


def _is_visible(value: object, limit: int) -> bool:
    return isinstance(value, str) and len(value) <= limit and _VISIBLE.fullmatch(value) is not None


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or "%" in value:
        return False
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _is_message(value: object) -> bool:
    return _is_text(value, MAX_MESSAGE_CHARS) and value != ""


def _is_subject(value: object) -> bool:
    return _is_visible(value, 128)


def _is_client_id(value: object) -> bool:
    return _is_visible(value, 64)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None and not value.startswith(RESERVED_FAMILIES)


def _is_actor(value: object) -> bool:
    return _is_visible(value, 128) and value not in RESERVED_ACTORS


def _is_session(value: object) -> bool:
    return isinstance(value, str) and _SESSION.fullmatch(value) is not None


_FAMILIES = ", ".join(f"{each}*" for each in RESERVED_FAMILIES)
_REQUIRED = frozenset({"name", "severity", "outcome"})
_RULES: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("name", _is_name, f"family.action in lower case, as in order.refunded, and not of the server's own: {_FAMILIES}"),
    ("severity", SEVERITIES.__contains__, "LOW, MEDIUM or HIGH"),
    ("outcome", OUTCOMES.__contains__, "success, failure or denied"),
    ("message", _is_message, f"text of 1 to {MAX_MESSAGE_CHARS} characters"),
    ("sub", _is_subject, "1 to 128 visible ASCII characters"),
    ("actor", _is_actor, f"1 to 128 visible ASCII characters, and not {', '.join(sorted(RESERVED_ACTORS))}"),
    ("client_id", _is_client_id, "1 to 64 visible ASCII characters"),
    ("session", _is_session, "the sid of an access token: ses_ and 32 hexadecimal digits"),
    ("address", _is_address, "an IPv4 or IPv6 address"),
)
