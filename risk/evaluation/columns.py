"""The columns of the public RBA data set (Wiefling et al. 2022), and what their values may look like."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

AT, PERSON, ROUND_TRIP, ADDRESS = "Login Timestamp", "User ID", "Round-Trip Time [ms]", "IP Address"
COUNTRY, REGION, CITY, ASN = "Country", "Region", "City", "ASN"
USER_AGENT, BROWSER = "User Agent String", "Browser Name and Version"
SYSTEM, KIND = "OS Name and Version", "Device Type"
SUCCESSFUL, ATTACK_ADDRESS, TAKEOVER = "Login Successful", "Is Attack IP", "Is Account Takeover"
TOKEN, ATTACKER = "Device Token", "Attacker"

REQUIRED = (AT, PERSON, ADDRESS, SUCCESSFUL, TAKEOVER)
ALL = (
    *(AT, PERSON, ROUND_TRIP, ADDRESS, COUNTRY, REGION, CITY, ASN, USER_AGENT, BROWSER, SYSTEM, KIND),
    *(SUCCESSFUL, ATTACK_ADDRESS, TAKEOVER, TOKEN, ATTACKER),
)
UNKNOWN = frozenset({"", "-", "nan", "NaN", "None", "null"})
_MILLISECONDS_FROM = 100_000_000_000  # the year 5138 in seconds, 1973 in milliseconds
_BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("True", "true", "TRUE", "1"), True),
    **dict.fromkeys(("False", "false", "FALSE", "0"), False),
}


class BadDataset(Exception):
    """A file that cannot be evaluated; the text names the row and the column, and says what was expected."""


def check_header(header: Sequence[str]) -> dict[str, int]:
    """The place of each known column; raises BadDataset where one that cannot be done without is missing."""
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        cleaned = name.removeprefix("\ufeff").strip()
        if cleaned in places and cleaned in ALL:
            raise BadDataset(f"row 1: the column {cleaned!r} stands there twice")
        places[cleaned] = place
    missing = [name for name in REQUIRED if name not in places]
    if missing:
        named = ", ".join(repr(name) for name in missing)
        raise BadDataset(f"row 1: expected a line of column names with {named}")
    return {name: place for name, place in places.items() if name in ALL}


def parse_time(text: str) -> float:
    """Seconds since 1970 of `2020-02-03 12:43:30.772` (UTC where no zone is named), or of a whole number of seconds or
    milliseconds; raises ValueError.
    """
    if text.isascii() and text.removeprefix("-").isdigit():
        number = int(text)
        seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else float(number)
        if abs(seconds) >= _MILLISECONDS_FROM:
            raise ValueError(text)
        return seconds
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def parse_boolean(text: str) -> bool:
    """True or False; raises ValueError."""
    try:
        return _BOOLEANS[text]
    except KeyError:
        raise ValueError(text) from None


def parse_asn(text: str) -> int | None:
    """The number of a network operator, also where a table program wrote `29695.0`; raises ValueError."""
    if text in UNKNOWN:
        return None
    try:
        number = int(text)
    except ValueError:
        with_point = float(text.upper().removeprefix("AS"))
        if not math.isfinite(with_point) or with_point != int(with_point):
            raise ValueError(text) from None
        number = int(with_point)
    if not 0 <= number < 2**32:
        raise ValueError(text)
    return number


def known(text: str) -> str | None:
    """The text, or None where it stands for nothing known."""
    return None if text in UNKNOWN else text
