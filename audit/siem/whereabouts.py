"""An event's place as SIEMs want it: each part of the kind that their fields demand, or not there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known of a place; degrees are both there or neither."""

    city: str | None = None
    region: str | None = None
    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    asn: int | None = None
    network_name: str | None = None

    @property
    def is_named(self) -> bool:
        """Whether any of the names is known."""
        return bool(self.city or self.region or self.country)


def parse_place(place: object) -> Whereabouts:
    """The parts of a stored place. What is of another kind than it should be is left out here."""
    if not isinstance(place, Mapping):
        return Whereabouts()
    country, number = _text(place.get("country")), place.get("asn")
    latitude, longitude = _degrees(place.get("latitude"), 90), _degrees(place.get("longitude"), 180)
    is_placed = latitude is not None and longitude is not None
    return Whereabouts(
        city=_text(place.get("city")),
        region=_text(place.get("region")),
        country=country if country and _COUNTRY.fullmatch(country) else None,
        latitude=latitude if is_placed else None,
        longitude=longitude if is_placed else None,
        asn=number if type(number) is int and 0 < number < 2**32 else None,
        network_name=_text(place.get("network_name")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _degrees(value: object, most: int) -> float | None:
    return float(value) if type(value) in (int, float) and abs(value) <= most else None  # type: ignore[arg-type]
