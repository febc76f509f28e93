"""Everyone's sign-ins together: bounded, fading, and the same whichever process saw them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.history import facets
from risk.history.novelty import BUCKETS, bucket_of
from risk.history.packing import Unreadable
from risk.history.population import LIMITS, Population
from risk.history.profile import Profile
from risk.sighting import Sighting
from tests.risk.signins import SIGHTINGS, foreign, learned, usual


def count_of(population: Population, facet: int, text: str, day: float) -> float:
    """How many sign-ins with this value count on that day."""
    return population.counts[facet].get(facets.key_of(facet, text), 0.0) * population.unit(usual(day).at_s)


def test_counts_halve_in_ninety_days() -> None:
    population = Population.empty().learn(usual(0)).learn(replace(usual(90), address="192.0.2.1"))
    assert count_of(population, facets.ADDRESS, "198.51.100.7", 90) == pytest.approx(0.5)
    assert count_of(population, facets.ADDRESS, "192.0.2.1", 90) == pytest.approx(1.0)


def test_years_of_sign_ins_stay_in_numbers_that_can_be_stored() -> None:
    population = Population.empty()
    for day in range(0, 365 * 12, 5):
        population.learn(usual(day))
    assert max(population.totals) < 1e5
    again = Population.from_bytes(population.to_bytes())
    last = 365 * 12 - 5
    expected = 1 / (1 - 0.5 ** (5 / 90))
    assert count_of(again, facets.ADDRESS, "198.51.100.7", last) == pytest.approx(expected, rel=0.02)


def test_two_processes_together_know_what_one_would_have_known() -> None:
    whole, one, other = Population.empty(), Population.empty(), Population.empty()
    for day in range(60):
        sighting = usual(day) if day % 2 else foreign(day)
        whole.learn(sighting)
        (one if day % 2 else other).learn(sighting)
    one.merge(other)
    unit, merged = whole.unit(usual(60).at_s), one.unit(usual(60).at_s)
    for facet in range(facets.DEVICE):
        mine = {key: count * merged for key, count in one.counts[facet].items()}
        assert mine == pytest.approx({key: count * unit for key, count in whole.counts[facet].items()})
    assert one.last_s == whole.last_s


def test_nothing_merged_changes_nothing_and_merging_into_nothing_takes_all() -> None:
    population = learned(3)[1]
    before = population.to_bytes()
    assert population.merge(Population.empty()).to_bytes() == before
    empty = Population.empty().merge(population)
    assert count_of(empty, facets.ADDRESS, "198.51.100.7", 3) == pytest.approx(
        count_of(population, facets.ADDRESS, "198.51.100.7", 3)
    )


def test_a_long_life_among_many_addresses_stays_bounded() -> None:
    population = Population.empty()
    for number in range(LIMITS[facets.ADDRESS] + 5_000):
        population.learn(replace(usual(number / 1000), address=f"a{number}", network=f"n{number}"))
    assert len(population.counts[facets.ADDRESS]) <= 1.1 * LIMITS[facets.ADDRESS]
    assert len(population.to_bytes()) < 1_000_000


def test_how_often_something_new_is_usual_is_learned_from_everyone() -> None:
    """Where addresses change with every sign-in, a new one is soon no evidence."""
    population, profile = Population.shipped(), Profile.empty()
    bucket = bucket_of(80)
    before = population.rate(facets.ADDRESS, bucket, 1.0)
    for number in range(600):
        sighting = replace(usual(number / 10), address=f"a{number}")
        population.learn(sighting, before=profile)
        profile.learn(sighting)
    unit = population.unit(usual(60).at_s)
    assert population.rate(facets.ADDRESS, bucket, unit) > 0.8 > before
    assert population.usual_length(facets.ADDRESS, unit) > 40
    assert bucket < BUCKETS


@given(st.lists(SIGHTINGS, max_size=8))
@settings(max_examples=60)
def test_whatever_is_learned_can_be_stored_and_read(taught: list[Sighting]) -> None:
    population = Population.shipped()
    for sighting in taught:
        population.learn(sighting)
    encoded = population.to_bytes()
    assert Population.from_bytes(encoded).to_bytes() == encoded


@given(st.binary(max_size=100))
def test_bytes_that_are_no_population_are_refused_by_one_error(garbage: bytes) -> None:
    with pytest.raises(Unreadable):
        Population.from_bytes(garbage)


def test_a_moment_that_is_none_is_not_learned() -> None:
    assert Population.empty().learn(replace(usual(0), at_s=float("nan"))).totals[facets.ADDRESS] == 0
