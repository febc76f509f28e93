"""Syslog messages (RFC 5424) and how they follow each other in a stream (octet counting, RFC 5425 §4.3)."""

import re
from collections.abc import Mapping
from datetime import UTC

from audit.reading import StoredEvent
from audit.siem.forms import Form, format_within
from audit.siem.product import product_version

# What a receiver should be able to take (RFC 5425 §4.3.1), and rsyslog's own default.
MAX_MESSAGE_BYTES = 8192
APP_NAME = "ostiary"
_LOG_AUDIT = 13
_SEVERITIES: Mapping[str, int] = {"LOW": 6, "MEDIUM": 4, "HIGH": 1}
_NOTICE = 5
_BOM = b"\xef\xbb\xbf"
_MAX_SEQUENCE = 2**31 - 1
_UNPRINTABLE = re.compile(r"[^!-~]")


def syslog_message(event: StoredEvent, form: Form, *, hostname: str, most_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """The message of one event, facility 13 ("log audit"). `hostname` is this server's own name.

    The names in its structured data are those that IANA registered: `meta` counts the events, `origin` says what sent
    it. The event itself is the message's text, cut within its fields where it would not fit.
    """
    head = _head(event, hostname).encode()
    text = format_within(event, form, most_bytes - len(head) - len(_BOM))
    # Text beyond ASCII is announced as UTF-8 (RFC 5424 §6.4); what is ASCII alone needs no mark, and some parsers
    # of JSON stumble over it.
    return head + (text if text.isascii() else _BOM + text)


def frame(message: bytes) -> bytes:
    """A message as it is sent: its length in octets, a space, and the message."""
    return f"{len(message)} ".encode() + message


def _head(event: StoredEvent, hostname: str) -> str:
    priority = _LOG_AUDIT * 8 + _SEVERITIES.get(event.severity, _NOTICE)
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    # Counts from 1, and begins anew beyond 31 bits (RFC 5424 §7.3.1).
    number = (event.seq or 0) % _MAX_SEQUENCE + 1
    data = structured("meta", {"sequenceId": str(number)})
    data += structured("origin", {"software": APP_NAME, "swVersion": product_version()})
    return f"<{priority}>1 {at} {name(hostname, 255)} {APP_NAME} - {name(event.name, 32)} {data} "


def structured(element: str, values: Mapping[str, str]) -> str:
    """An element of structured data; quotes, backslashes and closing brackets escaped (RFC 5424 §6.3.3)."""
    told = "".join(f' {name}="{_escaped(value)}"' for name, value in values.items())
    return f"[{element}{told}]"


def name(text: str, longest: int) -> str:
    """A text for a field of the head: printable ASCII without spaces, or `-` where nothing is left."""
    return _UNPRINTABLE.sub("_", text)[:longest] or "-"


def _escaped(value: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", value)
