"""Whether a token's sign-in was strong and fresh enough for what it is used for (RFC 9470). No I/O, no framework."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from ostiary.errors import ConfigurationError, InsufficientAuthentication
from ostiary.values import AccessToken

AAL1 = "urn:ostiary:aal1"
AAL2 = "urn:ostiary:aal2"
AAL3 = "urn:ostiary:aal3"
PHR = "phr"

_CLASS = re.compile(r"[!#-\[\]-~]+")

# What else is met where a class is met. A level holds all below it (NIST SP 800-63B-4 §2). The issuer says `phr` of
# passkeys alone, each with the person verified, which is two factors; and the third level is theirs alone, too.
_IMPLIED = {
    AAL2: frozenset({AAL1}),
    AAL3: frozenset({AAL1, AAL2, PHR}),
    PHR: frozenset({AAL1, AAL2}),
}


@dataclass(frozen=True, slots=True)
class NeededAuthentication:
    """Which classes are acceptable, any one of them, and how old the sign-in may be; None where its age is no matter.

    An empty `acr` accepts every class.
    """

    acr: tuple[str, ...]
    max_age_s: int | None


def parse_needed(*, acr: str | Collection[str], max_age_s: int | None) -> NeededAuthentication | None:
    """The checked requirement, None where nothing is asked; ConfigurationError for one that no token could meet."""
    names = (acr,) if isinstance(acr, str) else tuple(acr)
    if not all(_is_plain(name) for name in names):
        raise ConfigurationError("acr must be a class such as urn:ostiary:aal2, or a list of several")
    if max_age_s is not None and (type(max_age_s) is not int or max_age_s < 0):
        raise ConfigurationError("max_age_s must be a whole number of seconds, 0 or more")
    return NeededAuthentication(names, max_age_s) if names or max_age_s is not None else None


def _is_plain(name: object) -> bool:
    """A challenge lists the classes in quotes with spaces between them (RFC 9470 §3)."""
    return isinstance(name, str) and _CLASS.fullmatch(name) is not None


def meets_acr(actual: str | None, acceptable: Collection[str]) -> bool:
    """Whether a token's `acr` is one of the acceptable classes or implies one: aal3 ⊃ phr ⊃ aal2 ⊃ aal1.

    A class that is not ours meets only itself; a token that states none meets none.
    """
    if actual is None:
        return False
    return not {actual, *_IMPLIED.get(actual, ())}.isdisjoint(acceptable)


def is_fresh(token: AccessToken, max_age_s: int, *, now: float, leeway_s: float) -> bool:
    """Whether the person signed in at most `max_age_s` ago; never where the token does not say when.

    `now` is seconds since the epoch. An `auth_time` that lies in the future proves nothing.
    """
    if token.auth_time is None:
        return False
    age_s = now - token.auth_time.timestamp()
    return -leeway_s <= age_s <= max_age_s + leeway_s


def check_authentication(token: AccessToken, needed: NeededAuthentication, *, now: float, leeway_s: float) -> None:
    """Raise InsufficientAuthentication unless the token's sign-in is strong and fresh enough (RFC 9470 §3)."""
    if needed.acr and not meets_acr(token.acr, needed.acr):
        raise InsufficientAuthentication("a stronger sign-in is needed", acr=needed.acr, max_age_s=needed.max_age_s)
    if needed.max_age_s is not None and not is_fresh(token, needed.max_age_s, now=now, leeway_s=leeway_s):
        raise InsufficientAuthentication("a more recent sign-in is needed", acr=needed.acr, max_age_s=needed.max_age_s)
