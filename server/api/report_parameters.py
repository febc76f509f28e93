"""What a list of reports, a report and a new one may be asked for."""

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from pydantic import Field

from audit.reports.compose import DAILY, PERIOD, cut_period, day_period
from audit.reports.model import REPORT, Period
from audit.reports.store import KeptReport, Place
from base.clock import from_micros, to_micros
from base.ids import parse_id
from server.api.idempotency import HEADER
from server.api.parameters import Paging, Parameters, parse_moment
from server.api.problems import Problem, wrong_field

_PLACE = struct.Struct(">q16s")
# How the parser's words end: with a path, or the name of a field that is none.
_FIELD = re.compile(r"(?:unknown field `|`\$\.)(\w{1,64})`$")
_DAY_TEXT = "a day, such as 2026-11-22"


class ListParameters(Paging):
    """Which reports; all that is given must fit."""

    kind: Annotated[
        str | None,
        Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="`daily`, `period`, `access`, `controls-soc2` …"),
    ] = None
    day: Annotated[str | None, Field(max_length=10, description="about any part of this day (UTC), `2026-11-22`")] = (
        None
    )


class FormParameters(Parameters):
    """In which form a report is given out."""

    format: Annotated[
        Literal["json", "html", "pdf", "csv", "xlsx"], Field(description="`csv` is a zip, with a file a table")
    ] = "json"
    table: Annotated[
        str | None, Field(max_length=128, description="with `csv`: this table alone, not a zip of all")
    ] = None
    language: Annotated[
        Literal["en", "tr"] | None, Field(description="refuses a report that was not made in this language")
    ] = None


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report to be made: of a day, or from one moment until another."""

    day: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None
    language: Literal["en", "tr"] = "en"


_BODY: dict[str, object] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "day": {"type": "string", "format": "date", "description": "the daily report of this day (UTC)"},
        "from": {"type": "string", "format": "date-time", "description": "or the report of a period: where it begins"},
        "until": {"type": "string", "format": "date-time", "description": "where it ends, itself left out"},
        "language": {"enum": ["en", "tr"], "description": "`en` where it is left out"},
    },
}
DOCUMENT: dict[str, object] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
    "parameters": [HEADER],
}


def parse_day(field: str, text: str) -> date:
    """The day of an ISO 8601 text; raises Problem."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise wrong_field(field, _DAY_TEXT) from None
    if day.isoformat() != text or not 1970 <= day.year <= 9000:
        raise wrong_field(field, _DAY_TEXT)
    return day


def period_of_day(text: str | None) -> Period | None:
    """The day that a list is asked about; raises Problem."""
    if text is None:
        return None
    day = parse_day("day", text)
    from_at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Period(from_at, from_at + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Asked:
    """The report that is asked for."""

    kind: str
    period: Period
    language: str


def parse_wanted(body: bytes, *, now: datetime) -> Asked:
    """The report that a body asks for; raises Problem."""
    try:
        wanted = msgspec.json.decode(body, type=Wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise _wrong_body(str(fault)[:200]) from None
    if wanted.day is not None and wanted.from_ is None and wanted.until is None:
        return Asked(DAILY, _day(wanted.day, now), wanted.language)
    from_at, until_at = parse_moment("from", wanted.from_), parse_moment("until", wanted.until)
    if wanted.day is not None or from_at is None or until_at is None:
        raise wrong_field("day", "day, or from and until")
    try:
        return Asked(PERIOD, cut_period(from_at, until_at, now=now), wanted.language)
    except ValueError as fault:
        raise wrong_field("from", str(fault).removeprefix("expected ")) from None


def _day(text: str, now: datetime) -> Period:
    try:
        return day_period(parse_day("day", text), now=now)
    except ValueError as fault:
        raise wrong_field("day", str(fault).removeprefix("expected ")) from None


def _wrong_body(said: str) -> Problem:
    """The problem of a body that is none, with the field that the parser names."""
    named = _FIELD.search(said)
    return Problem(400, f"the body: {said}", errors=[{"field": named[1] if named else "body", "expected": said}])


def show_place(last: KeptReport) -> str:
    """The opaque `next` of a page that ends with this report."""
    packed = _PLACE.pack(to_micros(last.created_at), parse_id(REPORT, last.id) or b"")
    return base64.urlsafe_b64encode(packed).decode()


def parse_place(text: str | None) -> Place | None:
    """The place behind an `after`; raises Problem."""
    if text is None:
        return None
    try:
        micros, report_id = _PLACE.unpack(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True))
        return Place(from_micros(micros), report_id)
    except (ValueError, binascii.Error, struct.error, OverflowError):
        raise wrong_field("after", "the `next` of a page of reports") from None
