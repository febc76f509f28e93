"""Identifiers: UUIDv7 as 16 bytes inside, prefixed text (`usr_…`) at the edge."""

import re
import secrets
from datetime import datetime

from base.clock import to_micros

_HEX = re.compile(r"[0-9a-f]{32}")

PERSON = "usr_"
SESSION = "ses_"
GRANT = "grt_"
DEVICE = "dev_"
EVENT = "evt_"
API = "api_"


def new_id(now: datetime) -> bytes:
    """A new UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, 74 random bits; ordered by time."""
    millis = to_micros(now) // 1000
    random_bits = secrets.randbits(74)
    high = (millis << 16) | 0x7000 | (random_bits >> 62)
    low = (0b10 << 62) | (random_bits & ((1 << 62) - 1))
    return ((high << 64) | low).to_bytes(16, "big")


def show_id(prefix: str, value: bytes) -> str:
    """The public text of an id, such as `usr_0192…` (32 hexadecimal digits)."""
    return prefix + value.hex()


def parse_id(prefix: str, text: str) -> bytes | None:
    """The id behind a public text, or None where the text is not exactly of that form."""
    if text.startswith(prefix) and _HEX.fullmatch(text, len(prefix)):
        return bytes.fromhex(text[len(prefix) :])
    return None
