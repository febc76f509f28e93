"""What a service may report, read member by member so that a fault names its own, and what the document says of it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import msgspec

from risk.keys import networks_of
from risk.reports import (
    LEAST_WEIGHT,
    LONGEST,
    MOST_NOTE,
    MOST_WEIGHT,
    SHORTEST,
    TAKEN_OVER,
    USUAL,
    About,
    is_kind,
    weight_of,
)
from server.api.idempotency import HEADER
from server.api.problems import Problem, wrong_field

_SHORTEST_S, _LONGEST_S, _USUAL_S = (int(each.total_seconds()) for each in (SHORTEST, LONGEST, USUAL))
_MOST_ID = 64
_ABOUT: dict[About, str] = {
    "person": "the sub of their tokens, or usr_…",
    "session": "ses_…, as tokens say in sid",
    "address": "an IPv4 or IPv6 address",
}
_EXPECTED = {
    "about": "one of person, session, address",
    "kind": "1 to 64 of a-z 0-9 _, such as stolen_card",
    "weight": f"a number above 0, at most {MOST_WEIGHT:g}",
    "expires_in_s": f"a whole number from {_SHORTEST_S} to {_LONGEST_S}",
    "note": f"text of at most {MOST_NOTE} characters",
}


@dataclass(frozen=True, slots=True)
class Signal:
    """A report as a service sends it."""

    about: About
    subject: str
    kind: str
    weight: float
    lasts: timedelta
    note: str | None


def parse_signal(body: bytes) -> Signal:
    """The report that a body tells of; raises Problem, 400 for what is no object, 422 for a member that is wrong."""
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise wrong_field("body", "a JSON object") from None
    if not isinstance(sent, dict):
        raise wrong_field("body", "a JSON object")
    for name in sent:
        if name not in _EXPECTED:
            _refuse(name[:64], f"none of that name, only {', '.join(_EXPECTED)}")
    about, subject = _parse_about(sent.get("about"))
    kind = sent.get("kind")
    if not isinstance(kind, str) or not is_kind(kind):
        _refuse("kind", _EXPECTED["kind"])
    if kind == TAKEN_OVER and about == "address":
        _refuse("kind", f"{TAKEN_OVER} only of a person or a session")
    weight, lasts, note = sent.get("weight", weight_of(kind)), sent.get("expires_in_s", _USUAL_S), sent.get("note")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
        _refuse("weight", _EXPECTED["weight"])
    if isinstance(lasts, bool) or not isinstance(lasts, int) or not _SHORTEST_S <= lasts <= _LONGEST_S:
        _refuse("expires_in_s", _EXPECTED["expires_in_s"])
    if note is not None and (not isinstance(note, str) or len(note) > MOST_NOTE):
        _refuse("note", _EXPECTED["note"])
    return Signal(about, subject, kind, float(weight), timedelta(seconds=lasts), note or None)


def _parse_about(sent: object) -> tuple[About, str]:
    if not isinstance(sent, dict) or len(sent) != 1:
        _refuse("about", _EXPECTED["about"])
    name = next((each for each in _ABOUT if each in sent), None)
    if name is None:
        _refuse("about", _EXPECTED["about"])
    text = sent[name]
    if not isinstance(text, str) or not 0 < len(text) <= _MOST_ID or not text.isprintable():
        refuse_subject(name)
    if name == "address" and networks_of(text) is None:
        refuse_subject(name)
    return name, text


def refuse_subject(about: About) -> NoReturn:
    """Raises the Problem of an id that can be none."""
    _refuse(f"about.{about}", _ABOUT[about])


def _refuse(field: str, expected: str) -> NoReturn:
    raise wrong_field(field, expected, status=422)


def no_such(about: About) -> Problem:
    """The problem of an id that nobody has, for callers who may know."""
    return wrong_field(f"about.{about}", "one that there is", status=404)


_BODY: dict[str, object] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["about", "kind"],
    "properties": {
        "about": {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                name: {"type": "string", "maxLength": _MOST_ID, "description": told} for name, told in _ABOUT.items()
            },
        },
        "kind": {"type": "string", "pattern": "^[a-z0-9_]{1,64}$", "description": "what happened"},
        "weight": {
            "type": "number",
            "minimum": LEAST_WEIGHT,
            "maximum": MOST_WEIGHT,
            "description": "log-odds; by kind where it is left out",
        },
        "expires_in_s": {"type": "integer", "minimum": _SHORTEST_S, "maximum": _LONGEST_S, "default": _USUAL_S},
        "note": {"type": "string", "maxLength": MOST_NOTE, "description": "for people; kept sealed, in the log alone"},
    },
}
DOCUMENT: dict[str, object] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
    "parameters": [HEADER],
}
