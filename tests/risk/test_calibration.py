"""From log-odds to points: a threshold is a chosen friction."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.calibration import LEAST_SAMPLE, Calibration, CalibrationRefused, TooFewSignIns

ODDS = st.floats(allow_nan=False, allow_infinity=True)


def sample(count: int, seed: int = 1) -> list[float]:
    """Good sign-ins as they are: most far below zero, a few far above."""
    chance = random.Random(seed)
    return [chance.gauss(-6, 2) + (chance.expovariate(0.4) if chance.random() < 0.2 else 0) for _ in range(count)]


def test_a_learned_calibration_asks_one_good_sign_in_in_twenty_a_hundred_and_a_thousand() -> None:
    good = sample(200_000)
    calibration = Calibration.fit(good, id="ours")
    reached = [sum(calibration.score_of(each) >= points for each in good) / len(good) for points in (30, 60, 90)]
    assert reached == pytest.approx([0.05, 0.01, 0.001], rel=0.05)
    assert calibration.score_of(sorted(good)[100_000]) in (9, 10)
    assert (calibration.id, calibration.learned_from) == ("ours", 200_000)


def test_a_thousand_sign_ins_are_the_least_and_what_is_no_number_is_none_of_them() -> None:
    with pytest.raises(TooFewSignIns, match="at least 1000 good sign-ins, found 999"):
        Calibration.fit([*sample(LEAST_SAMPLE - 1), float("nan")], id="few")
    assert Calibration.fit(sample(LEAST_SAMPLE), id="enough").learned_from == LEAST_SAMPLE


@pytest.mark.parametrize("seed", range(10))
def test_a_small_sample_does_not_set_the_highest_threshold_by_one_lucky_sign_in(seed: int) -> None:
    """The tail of a thousand is continued from what is known: 90 is rarer than its highest."""
    small, large = (Calibration.fit(sample(count, seed), id="x") for count in (1_000, 200_000))
    asked = sum(small.score_of(each) >= 90 for each in sample(100_000, seed + 100)) / 100_000
    assert asked < 0.006
    assert small.anchors[4][0] > small.anchors[3][0] + 0.5 * (large.anchors[4][0] - large.anchors[3][0])


def test_sign_ins_that_all_look_alike_make_no_cliff() -> None:
    calibration = Calibration.fit([-7.0] * 5_000, id="same")
    assert calibration.score_of(-7.0) <= 10
    assert calibration.score_of(-6.9) < 30


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=50), ODDS, ODDS)
def test_more_log_odds_are_never_fewer_points(good: list[float], a: float, b: float) -> None:
    for calibration in (Calibration.fit(good * LEAST_SAMPLE, id="any"), Calibration.shipped()):
        low, high = sorted((calibration.score_of(a), calibration.score_of(b)))
        assert 0 <= low <= high <= 100
        assert (calibration.score_of(min(a, b)), calibration.score_of(max(a, b))) == (low, high)


def test_a_stored_calibration_comes_back_and_a_broken_one_is_refused() -> None:
    calibration = Calibration.fit(sample(2_000), id="ours")
    assert Calibration.of_body("ours", calibration.body) == calibration
    for broken in ("", "{}", '{"anchors":[[0,0]],"learned_from":1}', '{"anchors":[[1,50],[0,60]],"learned_from":1}'):
        with pytest.raises(CalibrationRefused):
            Calibration.of_body("ours", broken)


@pytest.mark.parametrize(
    "anchors", [((0.0, 0),), ((0.0, 10), (0.0, 20)), ((0.0, 20), (1.0, 10)), ((0.0, 0), (float("inf"), 100))]
)
def test_anchors_that_do_not_rise_are_refused(anchors: tuple[tuple[float, int], ...]) -> None:
    with pytest.raises(ValueError, match="rising"):
        Calibration("bad", anchors)
