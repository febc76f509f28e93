"""What one record of a database file says of a place, in the two forms that such files have. Pure.

*Nested* records are those of GeoIP2 and GeoLite2 (and of DB-IP's own files, which follow them): maps within maps, read
through the models of `geoip2`. *Flat* ones are those of ip-location-db: `country_code`, `state1`, `city`, `latitude`
and `longitude` as texts, `autonomous_system_number`, `autonomous_system_organization`; and IPinfo's, where the
names are `country`, `region`, `asn` (`AS64500`) and `as_name`.
"""

from collections.abc import Mapping

from geoip2.models import City

from risk.place import NOWHERE, Place
from risk.places.place_values import country_code, degrees, name_text, network_number, radius

_MAPS = ("country", "location", "registered_country", "continent", "traits", "city")


def is_nested(record: Mapping[str, object]) -> bool:
    """Whether a record has the form of GeoIP2's databases."""
    return any(isinstance(record.get(name), dict) for name in _MAPS)


def place_in(record: object) -> Place:
    """What a record says; NOWHERE where it says nothing known. A damaged record may raise TypeError or ValueError."""
    if not isinstance(record, dict):
        return NOWHERE
    return _nested(record) if is_nested(record) else _flat(record)


def _nested(record: Mapping[str, object]) -> Place:
    found = City(["en"], **record)  # type: ignore[arg-type]
    place, traits = found.location, found.traits
    return _place(
        country=found.country.iso_code,
        region=found.subdivisions[0].name if found.subdivisions else None,
        city=found.city.name,
        position=(place.latitude, place.longitude, place.accuracy_radius),
        network=(traits.autonomous_system_number, traits.autonomous_system_organization),
    )


def _flat(record: Mapping[str, object]) -> Place:
    def first(*names: str) -> object:
        return next((record[name] for name in names if record.get(name) not in (None, "")), None)

    return _place(
        # In some files `country` is the code, in others the name beside a code.
        country=first("country_code", "country"),
        region=first("state1", "region"),
        city=first("city"),
        position=(first("latitude", "lat"), first("longitude", "lng"), first("accuracy_radius", "radius")),
        network=(
            first("autonomous_system_number", "asn"),
            first("autonomous_system_organization", "as_name", "as_org"),
        ),
    )


def _place(
    *,
    country: object,
    region: object,
    city: object,
    position: tuple[object, object, object],
    network: tuple[object, object],
) -> Place:
    latitude, longitude, radius_km = degrees(position[0], 90), degrees(position[1], 180), radius(position[2])
    name = name_text(city)
    # The middle of a country is no position; nor is the point where zeros meet, which is in the sea.
    if latitude is None or longitude is None or (name is None and radius_km is None) or latitude == longitude == 0:
        latitude = longitude = radius_km = None
    asn = network_number(network[0])
    return Place(
        country=country_code(country),
        region=name_text(region),
        city=name,
        latitude=latitude,
        longitude=longitude,
        radius_km=radius_km,
        asn=asn,
        network_name=name_text(network[1]) if asn is not None else None,
    )
