"""Which profile claims an account may hold (OpenID Connect Core §5.1, §5.1.1)."""

import re
from collections.abc import Mapping

from identity.errors import Refused
from identity.person_values import ADDRESS_PARTS, TEXT_CLAIMS

MAX_TEXT = 512
_LINKS = ("profile", "picture", "website")
_BIRTHDATE = re.compile(r"(?:[0-9]{4}|0000-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{2}-[0-9]{2})")


def check_profile(profile: Mapping[str, object]) -> dict[str, object]:
    """The profile without empty values; raises Refused naming the claim that cannot be kept."""
    kept: dict[str, object] = {}
    for name, value in profile.items():
        if value in (None, "", {}):
            continue
        if name in TEXT_CLAIMS:
            kept[name] = _check_text(name, value)
        elif name == "phone_number_verified":
            kept[name] = _check_flag(name, value)
        elif name == "address":
            kept[name] = _check_address(value)
        else:
            raise Refused(name, "is not a standard profile claim")
    return kept


def _check_text(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.replace("\n", " ").isprintable():
        raise Refused(name, f"must be printable text of at most {MAX_TEXT} characters")
    text = value.strip()
    # These are shown as links and pictures by applications: a script in one would run there.
    if name in _LINKS and not text.startswith(("https://", "http://")):
        raise Refused(name, "must be an address that begins with https://")
    if name == "birthdate" and not _BIRTHDATE.fullmatch(text):
        raise Refused(name, "must look like 1990-12-31, or 1990")
    return text


def _check_flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(name, "must be true or false")
    return value


def _check_address(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping) or not set(value) <= set(ADDRESS_PARTS):
        raise Refused("address", f"must be an object with some of {', '.join(ADDRESS_PARTS)}")
    return {name: _check_text(name, text) for name, text in value.items() if text}
