"""The sides of a sign-in that are counted, and the short keys under which their values are counted.

Each chain goes from coarse to fine: a value of one level stands (mostly) within one of the level before. A key is 64
bits of a digest, so that a history has a fixed size whatever a browser sends.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from risk.place import Place
from risk.sighting import Browser, BrowserFacts, Sighting

# The places of the tables in a history. Their order is part of what is stored: add at the end.
COUNTRY, OPERATOR, NETWORK, ADDRESS, CITY, KIND, SYSTEM, FAMILY, VERSION, AGENT = range(10)
LANGUAGE, TIME_ZONE, SCREEN, PLATFORM, TLS, DEVICE = range(10, 16)
FACETS = 16

NETWORK_CHAIN = (COUNTRY, OPERATOR, NETWORK, ADDRESS)
PLACE_CHAIN = (COUNTRY, CITY)
BROWSER_CHAIN = (KIND, SYSTEM, FAMILY, VERSION, AGENT)
TRAITS = (LANGUAGE, TIME_ZONE, SCREEN, PLATFORM, TLS)
# Within what a value stands, the nearest first.
PARENTS: Mapping[int, tuple[int, ...]] = {
    facet: chain[place - 1 :: -1] if place else ()
    for chain in (NETWORK_CHAIN, PLACE_CHAIN, BROWSER_CHAIN)
    for place, facet in enumerate(chain)
}

MAX_TEXT = 512
_CACHED = 8192

Keys = tuple[int | None, ...]
_NO_BROWSER: Keys = (None, None, None, None)
_NO_FACTS = BrowserFacts()


@lru_cache(maxsize=_CACHED)
def key_of(facet: int, text: str) -> int:
    """The key of a value: never 0; what stands after 512 characters is not looked at."""
    told = f"{facet}:{text[:MAX_TEXT]}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little") or 1


def keys_of(sighting: Sighting) -> Keys:
    """The key of each facet but DEVICE, in their order, None where it is unknown."""
    place = place_keys(sighting.place)
    browser, facts = sighting.browser, sighting.facts or _NO_FACTS
    return (
        place[0],
        place[1],
        _key(NETWORK, sighting.network),
        _key(ADDRESS, sighting.address),
        place[2],
        *(_NO_BROWSER if browser is None else browser_keys(browser)),
        _key(AGENT, sighting.user_agent),
        _key(LANGUAGE, sighting.languages),
        _key(TIME_ZONE, facts.time_zone),
        _key(SCREEN, facts.screen),
        _key(PLATFORM, facts.platform),
        _key(TLS, sighting.tls),
    )


def _key(facet: int, text: str | None) -> int | None:
    return key_of(facet, text[:MAX_TEXT]) if text else None


@lru_cache(maxsize=_CACHED)
def place_keys(place: Place) -> tuple[int | None, int | None, int | None]:
    """Country, operator and city. A city needs its country: there is a Paris in Texas."""
    country = key_of(COUNTRY, place.country.upper()) if place.country else None
    operator = key_of(OPERATOR, str(place.asn)) if place.asn else None
    city = None
    if place.city and place.country:
        city = key_of(CITY, f"{place.country.upper()}|{place.region or ''}|{place.city}")
    return country, operator, city


@lru_cache(maxsize=_CACHED)
def browser_keys(browser: Browser) -> Keys:
    """Kind, system, family and version, each with what it stands within."""
    system = f"{browser.kind}|{browser.system}"
    family = f"{system}|{browser.family}"
    version = None if browser.version is None else key_of(VERSION, f"{family}|{browser.version}")
    return key_of(KIND, browser.kind), key_of(SYSTEM, system), key_of(FAMILY, family), version


def device_key(device: str) -> int:
    """The key of a device's id."""
    return key_of(DEVICE, device)
