"""Distances and speeds."""

from __future__ import annotations

from math import inf, isclose, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.place import NOWHERE, Place
from risk.places.distance import EARTH_KM, distance_km, great_circle_km, least_distance_km, speed_kmh

LATITUDE, LONGITUDE = st.floats(-90, 90), st.floats(-180, 180)
PLACE = st.builds(
    Place, latitude=LATITUDE, longitude=LONGITUDE, radius_km=st.none() | st.floats(0, 1000), city=st.just("X")
)
SECONDS = st.floats(-1e9, 1e9)

ISTANBUL = Place(city="Istanbul", latitude=41.0082, longitude=28.9784, radius_km=20)
ANKARA = Place(city="Ankara", latitude=39.9334, longitude=32.8597, radius_km=20)
SYDNEY = Place(city="Sydney", latitude=-33.8688, longitude=151.2093, radius_km=20)


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [(ISTANBUL, ANKARA, 349.5), (ISTANBUL, SYDNEY, 14943), (ANKARA, SYDNEY, 14600)],
)
def test_known_distances_come_out(a: Place, b: Place, km: float) -> None:
    assert distance_km(a, b) == pytest.approx(km, rel=0.005)


def test_a_quarter_of_the_equator_and_the_way_across_the_date_line() -> None:
    assert great_circle_km(0, 0, 0, 90) == pytest.approx(pi / 2 * EARTH_KM)
    assert great_circle_km(0, 179.5, 0, -179.5) == pytest.approx(EARTH_KM * pi / 180)
    assert great_circle_km(90, 0, 90, 137) == pytest.approx(0, abs=1e-6)


def test_both_radii_are_taken_off_and_an_unknown_one_counts_as_a_large_city() -> None:
    middles = distance_km(ISTANBUL, ANKARA)
    assert middles is not None
    assert least_distance_km(ISTANBUL, ANKARA) == pytest.approx(middles - 40)
    unknown = Place(city="Ankara", latitude=39.9334, longitude=32.8597)
    assert least_distance_km(ISTANBUL, unknown) == pytest.approx(middles - 70)


def test_speed_is_what_the_way_needs_at_least() -> None:
    assert speed_kmh(ISTANBUL, ANKARA, seconds=3600) == pytest.approx(309.5, rel=0.01)
    assert speed_kmh(ISTANBUL, SYDNEY, seconds=0) == inf
    assert speed_kmh(ISTANBUL, ISTANBUL, seconds=0) == 0
    assert speed_kmh(ISTANBUL, SYDNEY, seconds=5e-324) == inf


def test_without_a_position_nothing_is_claimed() -> None:
    """S35"""
    country_only = Place(country="TR", city="Istanbul")
    assert distance_km(ISTANBUL, NOWHERE) is least_distance_km(country_only, ISTANBUL) is None
    assert speed_kmh(NOWHERE, ISTANBUL, seconds=1) is None


@given(a=PLACE, b=PLACE)
def test_distances_are_the_same_both_ways_and_never_more_than_half_round_the_earth(a: Place, b: Place) -> None:
    there, back = distance_km(a, b), distance_km(b, a)
    assert there is not None
    assert back is not None
    assert isclose(there, back, rel_tol=1e-9, abs_tol=1e-6)
    assert 0 <= there <= pi * EARTH_KM + 1e-6
    assert distance_km(a, a) == 0


@given(a=PLACE, b=PLACE, c=PLACE)
def test_no_detour_is_shorter_than_the_way(a: Place, b: Place, c: Place) -> None:
    whole, first, second = distance_km(a, c), distance_km(a, b), distance_km(b, c)
    assert whole is not None
    assert first is not None
    assert second is not None
    assert whole <= first + second + 1e-3


@given(a=PLACE, b=PLACE, seconds=SECONDS, wider_km=st.floats(0, 1000))
def test_speed_is_never_negative_and_a_wider_radius_never_makes_it_higher(
    a: Place, b: Place, seconds: float, wider_km: float
) -> None:
    """S35"""
    speed = speed_kmh(a, b, seconds=seconds)
    radius_km = 50.0 if a.radius_km is None else a.radius_km
    wider = Place(latitude=a.latitude, longitude=a.longitude, radius_km=radius_km + wider_km)
    slower = speed_kmh(wider, b, seconds=seconds)
    assert speed is not None
    assert slower is not None
    assert 0 <= slower <= speed
    assert speed == speed_kmh(a, b, seconds=-seconds)
