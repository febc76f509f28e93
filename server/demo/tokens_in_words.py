"""Tokens taken apart for people: header, claims with readable times, and what is left of their life. Pure.

Nothing here proves anything: the ID token was proven when it came, and the access token is for the API to prove.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

TIMES = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a header or payload. For a time, `seconds_from_now` is negative where it has passed."""

    name: str
    value: str
    seconds_from_now: int | None = None


@dataclass(frozen=True, slots=True)
class DecodedToken:
    """A JWT in parts; `raw` is the text that travels."""

    raw: str
    header: tuple[Member, ...]
    claims: tuple[Member, ...]


def decode_token(token: str, *, now: datetime) -> DecodedToken:
    """The parts of a compact JWT; a text that is none has no parts."""
    pieces = token.split(".")
    if len(pieces) != 3:
        return DecodedToken(token, (), ())
    header, claims = (_members(_read(piece), now=now) for piece in pieces[:2])
    return DecodedToken(token, header, claims)


def masked(token: str) -> str:
    """The kind and the last letters of a secret text."""
    prefix, _, rest = token.partition("_")
    return f"{prefix}_…{rest[-4:]}"


def in_words(seconds: int) -> str:
    """A length of time in its two largest units: 299 → `4 min 59 s`."""
    rest, parts = abs(seconds), list[str]()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _read(piece: str) -> Mapping[str, object]:
    try:
        raw = base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4))
        return msgspec.json.decode(raw, type=dict[str, object])
    except (binascii.Error, ValueError, RecursionError):
        return {}


def _members(parts: Mapping[str, object], *, now: datetime) -> tuple[Member, ...]:
    return tuple(_member(name, value, now=now) for name, value in parts.items())


def _member(name: str, value: object, *, now: datetime) -> Member:
    if name in TIMES and type(value) is int and 0 <= value < 253_402_300_800:
        at = datetime.fromtimestamp(value, UTC)
        return Member(name, f"{at:%Y-%m-%d %H:%M:%S} UTC", int((at - now).total_seconds()))
    if isinstance(value, str):
        return Member(name, value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Member(name, ", ".join(value))
    return Member(name, msgspec.json.encode(value).decode())
