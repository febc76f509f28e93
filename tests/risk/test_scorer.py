"""The score: its bounds, its sum, and what it says of people whom one can imagine."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.calibration import Calibration
from risk.history.population import Population
from risk.history.profile import Profile
from risk.scorer import SIGNALS, Scorer
from risk.sentences import SENTENCES
from risk.shares import BASELINE, with_points
from risk.sighting import Reported, Sighting, Surroundings
from risk.values import Level, Reason
from tests.risk.signins import (
    ANKARA,
    CHROME,
    QUIET,
    SCORER,
    SIGHTINGS,
    SURROUNDINGS,
    assess,
    changed,
    foreign,
    learned,
    odds_of,
    usual,
    with_agent,
)

REASONS = st.lists(
    st.builds(Reason, st.sampled_from(["a", "b", "c", "d"]), st.floats(-6, 6), detail=st.just({})), max_size=8
)


def test_a_usual_sign_in_is_low_and_a_foreign_one_critical() -> None:
    assert assess(usual(30)).score < 10
    stranger = assess(foreign(30))
    assert stranger.level is Level.CRITICAL
    assert {"device_missing", "country_new", "kind_new"} <= {each.signal for each in stranger.reasons}


def test_a_known_device_and_a_known_network_are_seen_to_reassure() -> None:
    """S35: what reassures lowers, so that its absence is felt."""
    whole = assess(usual(30))
    assert (odds_of(whole, "device_known") or 0) < -3
    assert (odds_of(whole, "address_known") or 0) < -2.5
    assert whole.score < assess(replace(usual(30), device=None, has_cookie=False)).score


@pytest.mark.parametrize("gone", ["address", "network", "place", "user_agent", "browser", "languages", "facts", "tls"])
def test_what_cannot_be_asked_never_lowers_the_score_of_a_usual_sign_in(gone: str) -> None:
    """S35"""
    neutral = Sighting(0.0)
    whole, without = assess(usual(30)), assess(changed(usual(30), **{gone: getattr(neutral, gone)}))
    assert without.log_odds >= whole.log_odds
    assert without.score >= whole.score


def test_without_any_place_a_score_is_made_and_says_what_was_missing() -> None:
    """S35: unknown is never taken for zero."""
    blind = assess(replace(usual(30), place=Sighting(0.0).place), around=Surroundings())
    assert set(blind.missing) >= {"country", "operator", "city", "account_activity", "lists"}
    assert blind.log_odds >= assess(usual(30)).log_odds


def test_a_history_that_could_not_be_read_speaks_for_nobody() -> None:
    """S35"""
    _, population = learned()
    lost = SCORER.assess(usual(30), None, population, QUIET)
    assert "history" in lost.missing
    assert all(each.log_odds >= 0 for each in lost.reasons)
    assert lost.score > SCORER.assess(usual(30), Profile.empty(), population, QUIET).score


def test_a_new_place_costs_somebody_who_always_stays_more_than_somebody_who_always_travels() -> None:
    def journey(day: float) -> Sighting:
        place = replace(ANKARA, city=f"City {day}", asn=int(5000 + day))
        return replace(usual(day), place=place, address=f"10.0.{day}.1", network=f"10.0.{day}.0/24")

    stays, travels = assess(journey(60)), assess(journey(60), *(journey(day) for day in range(30, 60)))
    assert travels.log_odds < stays.log_odds - 2
    assert (odds_of(travels, "operator_new") or 0) < 1


def test_the_first_sign_in_is_neither_praised_nor_suspected() -> None:
    first = SCORER.assess(usual(0), Profile.empty(), Population.shipped(), QUIET)
    assert first.level is Level.LOW
    assert [each.signal for each in first.reasons] == [BASELINE, "first_signin"]


def test_a_newer_version_of_the_same_browser_is_nearly_no_evidence_and_an_older_one_is_some() -> None:
    same, newer, older = (assess(with_agent(usual(30), CHROME.format(each))).log_odds for each in (126, 128, 98))
    assert newer - same < 1
    assert older - newer > 1


def test_an_operators_block_and_a_reported_takeover_are_refusals_whatever_the_score() -> None:
    blocked = replace(QUIET, lists=frozenset({"blocked"}))
    taken = replace(QUIET, reported=(Reported("taken_over", 3.0, "support"),))
    assert assess(usual(30)).refusal is None
    assert assess(usual(30), around=blocked).refusal == "address_blocked"
    assert assess(usual(30), around=taken).refusal == "taken_over"


@given(SIGHTINGS, st.lists(SIGHTINGS, max_size=6), SURROUNDINGS)
@settings(max_examples=150)
def test_every_score_is_bounded_explained_and_shared_out_to_the_last_point(
    sighting: Sighting, past: list[Sighting], around: Surroundings
) -> None:
    profile, population = Profile.empty(), Population.shipped()
    for each in past:
        population.learn(each, before=profile)
        profile.learn(each)
    found = SCORER.assess(sighting, profile, population, around)
    assert 0 <= found.score <= 100
    assert sum(each.points for each in found.reasons) == found.score
    assert all(each.points >= 0 and (each.points == 0 or each.log_odds >= 0) for each in found.reasons)
    assert all(-6 <= each.log_odds <= 6 for each in found.reasons)
    assert sum(each.log_odds for each in found.reasons) == pytest.approx(found.log_odds, abs=1e-5)
    assert {each.signal for each in found.reasons} <= set(SENTENCES)
    assert found.calibration == "shipped-1"


@given(SIGHTINGS, st.lists(SIGHTINGS, max_size=6), SURROUNDINGS, st.randoms())
@settings(max_examples=50)
def test_the_order_of_the_signals_changes_nothing(
    sighting: Sighting, past: list[Sighting], around: Surroundings, chance: random.Random
) -> None:
    profile, population = Profile.empty(), Population.shipped()
    for each in past:
        profile.learn(each)
    shuffled = list(SIGNALS)
    chance.shuffle(shuffled)
    other = Scorer(Calibration.shipped(), tuple(shuffled))
    expected = SCORER.assess(sighting, profile, population, around)
    assert other.assess(sighting, profile, population, around) == expected


@given(REASONS, st.integers(0, 100), st.integers(0, 100), st.randoms())
def test_points_are_whole_sum_to_the_score_and_do_not_depend_on_order(
    reasons: list[Reason], score: int, baseline: int, chance: random.Random
) -> None:
    shared = with_points(reasons, score, baseline)
    assert sum(each.points for each in shared) == score
    assert all(each.points >= 0 for each in shared)
    shuffled = reasons[:]
    chance.shuffle(shuffled)
    assert with_points(shuffled, score, baseline) == shared
    raising = [each.log_odds for each in shared if each.log_odds > 0]
    assert raising == sorted(raising, reverse=True)


def test_the_same_history_from_its_bytes_gives_the_same_score() -> None:
    profile, population = learned()
    again = Profile.from_bytes(profile.to_bytes()), Population.from_bytes(population.to_bytes())
    twice = Profile.from_bytes(again[0].to_bytes()), Population.from_bytes(again[1].to_bytes())
    assert SCORER.assess(foreign(30), *again, QUIET) == SCORER.assess(foreign(30), *twice, QUIET)
    assert SCORER.assess(foreign(30), *again, QUIET).log_odds == pytest.approx(
        SCORER.assess(foreign(30), profile, population, QUIET).log_odds, abs=1e-4
    )
