"""One event in the form that a receiver reads, and within the length that it takes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

from audit.reading import StoredEvent
from audit.siem.cef import cef_line
from audit.siem.ecs import ecs_line
from audit.siem.ocsf import ocsf_line

Form = Literal["ocsf", "ecs", "cef"]
FORMS: tuple[Form, ...] = get_args(Form)
# How much of a text is kept, step by step, until the event fits; at last the event tells of no data at all.
_STEPS = (1024, 256, 64, 16, 0)


def format_event(event: StoredEvent, form: Form) -> bytes:
    """The whole event on one line, without the line's end."""
    return _format(event, form, truncated=False)


def format_within(event: StoredEvent, form: Form, most_bytes: int) -> bytes:
    """The event on one line of at most `most_bytes`, as long as its fixed fields alone fit.

    Where it is longer, the texts in its data and personal fields are cut, never the line: what is sent stays JSON (or
    CEF) from end to end, and says that it was cut.
    """
    line = _format(event, form, truncated=False)
    for longest in _STEPS:
        if len(line) <= most_bytes:
            break
        line = _format(_shortened(event, longest), form, truncated=True)
    return line


def _format(event: StoredEvent, form: Form, *, truncated: bool) -> bytes:
    match form:
        case "ocsf":
            return ocsf_line(event, truncated=truncated)
        case "ecs":
            return ecs_line(event, truncated=truncated)
        case "cef":
            return cef_line(event, truncated=truncated)


def _shortened(event: StoredEvent, longest: int) -> StoredEvent:
    personal = None if event.personal is None else _cut_fields(event.personal, longest)
    place, reasons = (None, None) if longest == 0 else (_cut(event.place, longest), _cut(event.risk_reasons, longest))
    return replace(event, data=_cut_fields(event.data, longest), personal=personal, place=place, risk_reasons=reasons)


def _cut_fields(fields: Mapping[str, object], longest: int) -> dict[str, object]:
    return {name: _cut(value, longest) for name, value in fields.items()} if longest else {}


def _cut(value: object, longest: int) -> object:
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest] + "…"
    if isinstance(value, Mapping):
        return {str(name)[:longest]: _cut(each, longest) for name, each in list(value.items())[:longest]}
    return [_cut(each, longest) for each in value[:longest]] if isinstance(value, list | tuple) else value
