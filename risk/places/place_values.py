"""What databases and edges say of a place, one value at a time: right, or None. Pure.

Nothing here trusts its input: a database may be damaged and a header may hold anything (S34, S35).
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from math import isfinite

Address = IPv4Address | IPv6Address

MAX_TEXT = 100
# What sources say where they do not know (user-assigned codes of ISO 3166-1).
_UNKNOWN_COUNTRIES = frozenset({"AA", "XX", "ZZ"})


def country_code(value: object) -> str | None:
    """An ISO 3166-1 alpha-2 code in capitals; None for anything else, and for the codes that stand for "unknown"."""
    if not isinstance(value, str) or len(value) != 2 or not value.isascii() or not value.isalpha():
        return None
    code = value.upper()
    return None if code in _UNKNOWN_COUNTRIES else code


def name_text(value: object) -> str | None:
    """A name that may be shown and kept: printable, not empty, cut at 100 characters."""
    if not isinstance(value, str):
        return None
    text = value[: 4 * MAX_TEXT].strip()
    return text[:MAX_TEXT] if text and text.isprintable() else None


def degrees(value: object, limit: float) -> float | None:
    """A number of degrees between -limit and limit; flat files give it as a text, "" where it is unknown."""
    if isinstance(value, str):
        try:
            value = float(value[:32])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value) if -limit <= value <= limit else None


def radius(value: object) -> float | None:
    """Kilometres within which a position is right; None where the source does not say."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= 20_000 else None


def network_number(value: object) -> int | None:
    """An autonomous system's number, 1 to 4294967295, as a number or a text such as `AS64500`."""
    if isinstance(value, str):
        digits = value[2:] if value[:2].upper() == "AS" else value
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
            return None
        value = int(digits)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < 1 << 32 else None


def plain_address(text: str) -> Address | None:
    """An address that places are known for: public, IPv4 where it is a mapped one; None for any other text."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        address = address.ipv4_mapped or address
    return address if address.is_global and not address.is_multicast else None
