"""What an operator's edge (a CDN, a load balancer) has found, from its request headers: the country and city, and how
the connection was made. Pure.

Whoever calls this has made sure that the request came through a trusted proxy (S34); garbage says nothing.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from risk.place import Place
from risk.places.place_values import MAX_TEXT, country_code, name_text

_HANDSHAKE_DIGITS = 16


@dataclass(frozen=True, slots=True)
class EdgeHeaders:
    """The names of the two headers, in lower case; a city alone means nothing."""

    country: bytes
    city: bytes | None = None


@dataclass(frozen=True, slots=True)
class EdgePlace:
    """What the edge says of the caller's place."""

    country: str
    city: str | None = None


def read_edge_place(headers: Iterable[tuple[bytes, bytes]], names: EdgeHeaders) -> EdgePlace | None:
    """The place in a request's headers, None without a usable country. A header given twice says nothing."""
    countries, cities = list[bytes](), list[bytes]()
    for name, value in headers:
        if name == names.country:
            countries.append(value)
        elif name == names.city:
            cities.append(value)
    country = country_code(countries[0].decode("latin-1").strip()) if len(countries) == 1 else None
    if country is None:
        return None
    return EdgePlace(country, _city(cities[0]) if len(cities) == 1 else None)


def read_handshake(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """A short digest of what the edge says of the TLS handshake (such as its JA4), None where it says nothing.

    Whatever an edge sends there is compared and never read. A header given twice says nothing.
    """
    found = [value.strip() for key, value in headers if key == name]
    if len(found) != 1 or not found[0]:
        return None
    return hashlib.sha256(found[0]).hexdigest()[:_HANDSHAKE_DIGITS]


def place_by_edge(place: Place, edge: EdgePlace | None) -> Place:
    """A database's place as the edge corrects it: its country holds, and its city with it.

    Where both mean the same place the database's details stay. Where the edge names another country or city, the
    database's position belongs elsewhere and is dropped: no distance is claimed from it. The network stays.
    """
    if edge is None:
        return place
    if place.country == edge.country:
        if edge.city is None or _folded(edge.city) == _folded(place.city or ""):
            return place
        if place.city is None:
            # The position, if there is one, is the country's with a radius that fits.
            return replace(place, city=edge.city)
    return Place(
        country=edge.country,
        city=edge.city,
        asn=place.asn,
        network_name=place.network_name,
        network_kind=place.network_kind,
    )


def _city(value: bytes) -> str | None:
    # Some edges send UTF-8, some percent-encode it, since header fields are ASCII by their standard.
    raw = value[: 12 * MAX_TEXT]
    try:
        return name_text((unquote_to_bytes(raw) if b"%" in raw else raw).decode())
    except UnicodeDecodeError:
        return None


def _folded(name: str) -> str:
    """A city's name without marks and case: İstanbul is Istanbul."""
    return "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each)).casefold()
