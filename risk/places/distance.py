"""How far apart two places are, and how fast somebody must have been: km and km/h, pure.

A database's position is the middle of where an address is used, so both radii are taken off before anything is
claimed. Where a position is missing nothing is said (None), which is never taken for a zero (S35).
"""

from math import asin, cos, inf, radians, sin, sqrt

from risk.place import Place

# The earth's mean radius (IUGG R1); treating it as a sphere is wrong by 0.6 % at most, far less than the radii.
EARTH_KM = 6371.0088
# For databases that do not say how exact they are: about the size of a large city with its suburbs.
USUAL_RADIUS_KM = 50.0


def great_circle_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """The distance of two points in degrees along the surface, by the haversine formula: 0 to 20,015 km."""
    a, b = radians(latitude_a), radians(latitude_b)
    across = sin(radians(longitude_b - longitude_a) / 2) ** 2
    chord = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * across
    # Rounding may leave the chord of opposite points above 1 by the last bit.
    return 2 * EARTH_KM * asin(sqrt(min(1.0, chord)))


def distance_km(a: Place, b: Place) -> float | None:
    """The distance between the middles of two places; None where one has no position."""
    if a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
        return None
    return great_circle_km(a.latitude, a.longitude, b.latitude, b.longitude)


def least_distance_km(a: Place, b: Place) -> float | None:
    """The distance that certainly lies between: less both radii, 0 where they touch, None without positions."""
    middles = distance_km(a, b)
    return None if middles is None else max(0.0, middles - _radius_km(a) - _radius_km(b))


def speed_kmh(a: Place, b: Place, *, seconds: float) -> float | None:
    """The least speed from one place to the other within `seconds` (the sign is ignored: clocks differ).

    0 where the places may be the same, infinite where there was no time at all, None without positions.
    """
    km = least_distance_km(a, b)
    if km is None or km == 0.0:
        return km
    hours = abs(seconds) / 3600
    # A subnormal number of hours would overflow; it is no time either.
    return km / hours if hours > 1e-9 else inf


def _radius_km(place: Place) -> float:
    return USUAL_RADIUS_KM if place.radius_km is None else max(0.0, place.radius_km)
