"""Events in ArcSight's Common Event Format, version 0: one line each (S46)."""

import re
import unicodedata
from collections.abc import Mapping
from ipaddress import ip_address

from audit.reading import StoredEvent
from audit.siem.event_facts import EventFacts, as_text, facts_of
from audit.siem.product import PRODUCT, VENDOR, product_version
from audit.words import sentence
from base.clock import to_micros

SEVERITIES: Mapping[str, int] = {"LOW": 3, "MEDIUM": 6, "HIGH": 9}
_MAX_TEXT = 1023
_MAX_CUSTOM = 4000
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_PRINTABLE = re.compile(r"[ -~]*")


def cef_line(event: StoredEvent, *, truncated: bool = False) -> bytes:
    """The event in CEF, without a line's end. Personal fields stand in it as long as their person was not erased."""
    facts = facts_of(event)
    heads = (VENDOR, PRODUCT, product_version(), event.name, sentence(event.name))
    severity = SEVERITIES.get(event.severity, 0)
    head = "|".join(("CEF:0", *map(escape_head, heads), str(severity)))
    extension = _extension(event, facts, truncated=truncated)
    told = " ".join(f"{name}={escape_value(value)}" for name, value in extension.items() if value)
    return f"{head}|{told}".encode()


def escape_head(text: str) -> str:
    """A text for a field of the head: backslash and pipe escaped, nothing that could end a line."""
    return _visible(text.replace("\\", "\\\\").replace("|", "\\|"), line_ends=False)


def escape_value(text: str) -> str:
    """A text for a value of the extension: backslash and equals sign escaped, line ends written as `\\n` and `\\r`."""
    return _visible(text.replace("\\", "\\\\").replace("=", "\\="), line_ends=True)


def _visible(text: str, *, line_ends: bool) -> str:
    if _PRINTABLE.fullmatch(text):
        return text
    return "".join(_visible_letter(letter, line_ends=line_ends) for letter in text)


def _visible_letter(letter: str, *, line_ends: bool) -> str:
    if letter in "\r\n":
        return {"\r": "\\r", "\n": "\\n"}[letter] if line_ends else " "
    # CEF has no escape for what cannot be seen: it is named by a text, whose backslash is escaped as any other.
    return f"\\\\u{ord(letter):04x}" if unicodedata.category(letter) in _UNSEEN else letter


def _extension(event: StoredEvent, facts: EventFacts, *, truncated: bool) -> dict[str, str]:
    plain = {
        "rt": str(to_micros(event.at) // 1000),
        "externalId": facts.event_id,
        "cat": event.family,
        "outcome": event.outcome,
        "reason": facts.reason,
        "suid": event.actor,
        "duid": event.subject,
        "duser": facts.username or facts.email,
        **_address(facts.ip),
        "requestClientApplication": facts.user_agent,
        "deviceProcessName": event.source,
    }
    custom = {
        "cs1": ("Client", event.client_id),
        "cs2": ("Session", facts.session),
        "cs3": ("Device", facts.device),
        "cs4": ("Data", _as_json(event.data)),
        "cs5": ("Personal", "erased" if facts.is_erased else _as_json(_personal(event, facts))),
        "cs6": ("Request", event.request_id),
        "cn1": ("Sequence", None if event.seq is None else str(event.seq)),
        "cn2": ("Risk", None if event.risk_score is None else str(event.risk_score)),
        "flexString1": ("Place", None if event.place is None else as_text(event.place)),
    }
    told = {name: value[:_MAX_TEXT] for name, value in plain.items() if value}
    for name, (label, value) in custom.items():
        if value:
            told |= {f"{name}Label": label, name: value[:_MAX_CUSTOM]}
    is_cut = truncated or any(value and len(value) > _MAX_CUSTOM for _, value in custom.values())
    return told | ({"flexString2Label": "Truncated", "flexString2": "true"} if is_cut else {})


def _personal(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    """The personal fields that have no field of their own, with the reasons of a score."""
    return {**facts.rest} if event.risk_reasons is None else {**facts.rest, "risk_reasons": event.risk_reasons}


def _address(ip: str | None) -> dict[str, str]:
    if ip is None:
        return {}
    if ip_address(ip).version == 4:
        return {"src": ip}
    return {"c6a2Label": "Source IPv6 Address", "c6a2": ip}


def _as_json(fields: Mapping[str, object]) -> str | None:
    return as_text(fields) if fields else None
