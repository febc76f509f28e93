"""What a search of the log asks for, and where in the list it has come to; values only, right once they exist."""

import base64
import binascii
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import msgspec

from base.clock import from_micros, to_micros

Index = Callable[[str, str], bytes]

TEXT_AT_LEAST = 3
TEXT_AT_MOST = 100
_PLACE = struct.Struct(">q16s16s")
_BEFORE_ANY_ID = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What events must be; None asks nothing. `from_at` is within, `until_at` is not.

    `network` is a /24 or /48 as `audit.record.network_of` writes it; `text` stands somewhere in the public fields.
    """

    from_at: datetime | None = None
    until_at: datetime | None = None
    person: bytes | None = None
    client_id: str | None = None
    address: str | None = None
    network: str | None = None
    family: str | None = None
    name: str | None = None
    severity: str | None = None
    outcome: str | None = None
    risk_min: int | None = None
    risk_max: int | None = None
    source: str | None = None
    text: str | None = None

    def given(self) -> dict[str, object]:
        """The parts that ask for something, by name."""
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in parts.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list, newest first: what lies behind it is older. An empty id is before all of its instant."""

    at: datetime
    id: bytes = _BEFORE_ANY_ID


NEWEST = Place(datetime(9999, 1, 1, tzinfo=UTC))


def show_cursor(place: Place, filter_: EventFilter, index: Index) -> str:
    """The place as the opaque text of a page's `next`.

    It holds for this search alone and cannot be made up, so every series of pages began with a search that the log
    tells of.
    """
    mark = _mark(place, filter_, index)
    packed = _PLACE.pack(to_micros(place.at), place.id, mark)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def parse_cursor(text: str, filter_: EventFilter, index: Index) -> Place | None:
    """The place behind a text, or None where the text is none that this search gave out (S50)."""
    try:
        # Only one text stands for a place: what decoders forgive is not forgiven here.
        micros, event_id, mark = _PLACE.unpack(
            base64.b64decode(text.encode("ascii") + b"==", altchars=b"-_", validate=True)
        )
        place = Place(from_micros(micros), event_id)
    except (ValueError, binascii.Error, struct.error, OverflowError):
        return None
    return place if hmac.compare_digest(mark, _mark(place, filter_, index)) else None


def _mark(place: Place, filter_: EventFilter, index: Index) -> bytes:
    asked = {**filter_.given(), "place": (to_micros(place.at), place.id.hex())}
    if filter_.person is not None:
        asked["person"] = filter_.person.hex()
    return index("search cursor", msgspec.json.encode(asked, order="sorted").decode())[:16]
