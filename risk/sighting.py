"""One sign-in, or one request of a session, as the scorer sees it: frozen values without I/O.

None means that something could not be told or asked; it never speaks for the person (S35).
"""

from dataclasses import dataclass
from typing import Literal

from risk.place import NOWHERE, Place

DeviceKind = Literal["desktop", "mobile", "tablet", "bot", "other"]


@dataclass(frozen=True, slots=True)
class Browser:
    """What a user agent says of itself (`risk.browsers`); versions are major ones."""

    family: str
    version: int | None
    system: str
    system_version: int | None
    kind: DeviceKind


@dataclass(frozen=True, slots=True)
class BrowserFacts:
    """What the sign-in page's script saw: a class of screen sizes, an IANA time zone, the platform's name."""

    screen: str | None = None
    time_zone: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What came with a sign-in.

    `at_s`: seconds since 1970. `address` and `network` (its /24 or /48) are keys: keyed digests in a deployment, the
    text itself in a data set; so is `user_agent`, the whole string, which is empty where the browser sent none and None
    where no browser was asked. `device` names the device whose cookie came, where it is a live one of this person;
    `has_cookie` tells whether any device cookie came. `languages` is the header cut and lowered, `tls` a digest of the
    handshake that a trusted proxy sends. `is_cloned`: the device cookie that came had been replaced, and not just now,
    so it was copied.
    """

    at_s: float
    address: str | None = None
    network: str | None = None
    place: Place = NOWHERE
    user_agent: str | None = None
    browser: Browser | None = None
    languages: str | None = None
    facts: BrowserFacts | None = None
    device: str | None = None
    has_cookie: bool = False
    tls: str | None = None
    is_cloned: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """What was seen of late at an account, an address or a network, each sum decayed with time.

    `failures`: failed proofs; `successes`: sign-ins; `people`: different accounts that were tried and failed.
    """

    failures: float = 0.0
    successes: float = 0.0
    people: float = 0.0


@dataclass(frozen=True, slots=True)
class Reported:
    """What a service or an operator said of the person, the session or the address; `weight` is in log-odds."""

    kind: str
    weight: float
    source: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another live session of the person: where it was last seen, and when (seconds since 1970)."""

    place: Place
    at_s: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a sign-in, beside the person's own history; None where it could not be asked.

    `lists` names the operator's lists that the address stands in (`tor`, `hosting`, `blocked`, …). The three moments
    (seconds since 1970) are when the password, a factor, or the whole account by recovery was last changed. `began` is
    how the session looked when it began, where this is a request within one.
    """

    account: Activity | None = None
    address: Activity | None = None
    network: Activity | None = None
    lists: frozenset[str] | None = None
    reported: tuple[Reported, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    password_changed_s: float | None = None
    factor_changed_s: float | None = None
    recovered_s: float | None = None
    is_breached: bool = False
    began: Sighting | None = None
