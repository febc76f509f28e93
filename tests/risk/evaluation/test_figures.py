"""ROC, areas, detection and re-authentication against what counting by hand gives, ties and all."""

import math
from itertools import pairwise
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from risk.evaluation.figures import (
    area_under_curve,
    detection_at,
    reauthentication,
    roc,
    threshold_for,
)

# Few different values, so that ties are common.
SCORES = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30).map(sorted)


@given(SCORES, SCORES)
def test_the_area_is_how_often_an_attack_scores_above_a_good_sign_in_a_tie_counting_half(
    good: list[float], attacks: list[float]
) -> None:
    wins = sum((attack > each) + 0.5 * (attack == each) for attack in attacks for each in good)
    assert math.isclose(area_under_curve(good, attacks), wins / (len(good) * len(attacks)))


@given(SCORES, SCORES)
def test_the_curve_has_every_threshold_and_the_area_below_it_is_the_area(
    good: list[float], attacks: list[float]
) -> None:
    curve = roc(good, attacks)
    by_hand = {
        (sum(each >= t for each in good) / len(good), sum(each >= t for each in attacks) / len(attacks))
        for t in (*good, *attacks, math.inf)
    }
    assert set(curve) == by_hand
    assert (curve[0], curve[-1]) == ((0.0, 0.0), (1.0, 1.0))
    below = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(curve))
    assert math.isclose(below, area_under_curve(good, attacks), abs_tol=1e-9)


@given(SCORES, SCORES, st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.3, 1.0]))
def test_detection_at_a_share_is_the_best_threshold_that_asks_no_more_than_that(
    good: list[float], attacks: list[float], share: float
) -> None:
    reachable = [caught for asked, caught in roc(good, attacks) if asked <= share + 1e-12]
    assert detection_at(good, attacks, share) == max(reachable)


def test_a_share_that_cannot_be_met_exactly_counts_on_the_stricter_side() -> None:
    good = [1.0] * 90 + [2.0] * 10
    attacks = [2.0, 3.0]
    assert detection_at(good, attacks, 0.05) == 0.5
    assert detection_at(good, attacks, 0.10) == 1.0


@given(SCORES, st.sampled_from([0.5, 0.9, 0.98, 0.995, 1.0]))
def test_the_threshold_catches_the_share_and_a_higher_one_would_not(attacks: list[float], share: float) -> None:
    threshold = threshold_for(attacks, share)
    assert sum(each >= threshold for each in attacks) / len(attacks) >= share - 1e-9
    higher = [each for each in attacks if each > threshold]
    assert len(higher) / len(attacks) < share


def test_the_threshold_for_98_of_a_hundred_lets_the_two_lowest_go() -> None:
    assert threshold_for([float(each) for each in range(100)], 0.98) == 2.0


def test_reauthentication_is_the_median_over_people_of_the_share_of_their_first_sign_ins_that_are_asked() -> None:
    people = {
        "a": [5.0, 0.0, 0.0, 5.0],  # asked 1/1, 1/2, 1/3, 2/4
        "b": [0.0, 5.0, 0.0],  # asked 0/1, 1/2, 1/3
        "c": [0.0],  # asked 0/1
    }
    rates = reauthentication(people.values(), 5.0, longest=5)
    assert rates == [
        median([1.0, 0.0, 0.0]),
        0.5,
        1 / 3,
        0.5,
        None,
    ]


def test_a_score_at_the_threshold_is_asked() -> None:
    assert reauthentication([[2.0]], 2.0, longest=1) == [1.0]
    assert reauthentication([[2.0]], 2.000001, longest=1) == [0.0]
