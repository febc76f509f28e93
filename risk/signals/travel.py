"""Impossible travel: faster than an airliner, after both radii and the way to and from the airport are taken off."""

from risk.chains import Compared
from risk.history import facets
from risk.place import Place
from risk.places.distance import distance_km, least_distance_km
from risk.sighting import Surroundings
from risk.values import Detail, Reason

MOST = 2.0
FASTEST_KMH = 1000.0
AIRPORT_KM = 100.0
# A mobile operator's gateway, a hosting network or an anonymiser stands where its owner put it, not where the person
# is.
_ELSEWHERE_BY_NATURE = 0.3
_KNOWN_THERE = 0.3
_COUNTRY_CHANGED, _COUNTRY_WITHIN_S = 0.8, 7200.0


def find_travel(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`travel_impossible` by distance; with countries only `country_changed`, and no distance is claimed."""
    profile, sighting = compared.profile, compared.sighting
    if not profile.signins:
        return ()
    here, there = sighting.place, profile.last_place
    seconds = abs(sighting.at_s - profile.last_s)
    odds = travel_odds(there, here, seconds)
    if odds is None:
        return _changed_country(compared, seconds)
    if not odds:
        return ()
    if compared.known[facets.CITY] or compared.known[facets.NETWORK] or compared.known[facets.OPERATOR]:
        odds *= _KNOWN_THERE
    km = distance_km(there, here) or 0.0
    return (
        Reason(
            "travel_impossible",
            odds,
            detail={
                "km": round(km),
                "minutes": round(seconds / 60),
                "km_h": round(min(km / max(seconds / 3600, 1 / 60), 1e6)),
                "from": there.city or there.country or "",
                "to": here.city or here.country or "",
            },
        ),
    )


def travel_odds(a: Place, b: Place, seconds: float) -> float | None:
    """From 0 at 1,000 km/h to 2 at 3,000 km/h; None where one of the two has no position."""
    km = least_distance_km(a, b) if _is_on_earth(a) and _is_on_earth(b) else None
    if km is None:
        return None
    too_far = km - AIRPORT_KM - FASTEST_KMH * seconds / 3600
    if not too_far > 0.0:
        return 0.0
    speed = (km - AIRPORT_KM) / max(seconds / 3600, 1 / 60)
    odds = MOST * min(1.0, 0.4 + 0.6 * (speed - FASTEST_KMH) / (2 * FASTEST_KMH))
    return odds * (_ELSEWHERE_BY_NATURE if a.network_kind or b.network_kind else 1.0)


def _is_on_earth(place: Place) -> bool:
    """Whether the position is one: files hold what they hold."""
    latitude, longitude = place.latitude, place.longitude
    return latitude is not None and longitude is not None and abs(latitude) <= 90.0 and abs(longitude) <= 360.0


def _changed_country(compared: Compared, seconds: float) -> tuple[Reason, ...]:
    here, there = compared.sighting.place, compared.profile.last_place
    if not here.country or not there.country or here.country == there.country or seconds >= _COUNTRY_WITHIN_S:
        return ()
    odds = _COUNTRY_CHANGED * (1.0 - seconds / _COUNTRY_WITHIN_S)
    if here.network_kind or there.network_kind:
        odds *= _ELSEWHERE_BY_NATURE
    if compared.known[facets.COUNTRY]:
        odds *= _KNOWN_THERE
    detail: Detail = {"from": there.country, "to": here.country, "minutes": round(seconds / 60)}
    return (Reason("country_changed", odds, detail=detail),)
