"""Records as the known databases have them, and files made of them."""

from __future__ import annotations

from pathlib import Path

from tests.risk.mmdb_writer import Value, make_mmdb

LANGUAGES = ("de", "en", "es", "fr", "ja", "pt-BR", "ru", "zh-CN")
ISTANBUL, BERLIN, NEW_YORK, ANKARA = "81.213.1.1", "91.64.1.1", "2600:1000::1", "88.248.1.1"


def names(name: str) -> Value:
    """A name in every language that MaxMind gives; only the English one is the name itself."""
    return {each: name if each == "en" else f"{name} ({each})" for each in LANGUAGES}


def geolite_city(
    country: str, city: str | None, latitude: float, longitude: float, radius_km: int = 20, region: str | None = None
) -> dict[str, Value]:
    """A record of GeoLite2-City."""
    record: dict[str, Value] = {
        "continent": {"code": "EU", "geoname_id": 6255148, "names": names("Europe")},
        "country": {"geoname_id": 298795, "iso_code": country, "names": names(f"land {country}")},
        "location": {
            "accuracy_radius": radius_km,
            "latitude": latitude,
            "longitude": longitude,
            "time_zone": "Europe/Istanbul",
        },
        "registered_country": {"geoname_id": 298795, "iso_code": country, "names": names(f"land {country}")},
    }
    if city is not None:
        record["city"] = {"geoname_id": 745044, "names": names(city)}
    if region is not None:
        record["subdivisions"] = [{"geoname_id": 745042, "iso_code": "34", "names": names(region)}]
    return record


def geolite_asn(number: int, name: str) -> dict[str, Value]:
    """A record of GeoLite2-ASN, and of ip-location-db's files of networks."""
    return {"autonomous_system_number": number, "autonomous_system_organization": name}


def flat_city(country: str, city: str, latitude: str, longitude: str, state: str = "") -> dict[str, Value]:
    """A record of ip-location-db's files of cities: all texts, empty where unknown."""
    return {
        "city": city,
        "country_code": country,
        "latitude": latitude,
        "longitude": longitude,
        "postcode": "",
        "state1": state,
        "state2": "",
        "timezone": "",
    }


CITIES: dict[str, dict[str, Value]] = {
    "81.213.0.0/16": geolite_city("TR", "Istanbul", 41.0247, 28.9252, 20, "Istanbul"),
    "88.248.0.0/16": geolite_city("TR", "Ankara", 39.9199, 32.8543, 50, "Ankara"),
    "91.64.0.0/14": geolite_city("DE", "Berlin", 52.5196, 13.4069, 10, "Land Berlin"),
    "2600:1000::/28": geolite_city("US", "New York", 40.7128, -74.006, 100, "New York"),
}
NETWORKS: dict[str, dict[str, Value]] = {
    "81.213.0.0/16": geolite_asn(9121, "Turk Telekom"),
    "88.248.0.0/16": geolite_asn(9121, "Turk Telekom"),
    "91.64.0.0/14": geolite_asn(3209, "Vodafone GmbH"),
    "2600:1000::/28": geolite_asn(6167, "Verizon"),
}


def write_cities(path: Path, records: dict[str, dict[str, Value]] | None = None) -> Path:
    """A small GeoLite2-City."""
    path.write_bytes(make_mmdb(records or CITIES, database_type="GeoLite2-City"))
    return path


def write_networks(path: Path) -> Path:
    """A small GeoLite2-ASN."""
    path.write_bytes(make_mmdb(NETWORKS, database_type="GeoLite2-ASN", record_size=24))
    return path
