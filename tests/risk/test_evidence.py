"""What belongs together is not counted twice, and what is known little weighs little."""

from __future__ import annotations

from dataclasses import replace

import pytest

from risk.history import facets
from risk.history.population import Population
from risk.history.profile import Profile
from risk.sighting import Elsewhere
from tests.risk.signins import (
    ANKARA,
    CHROME,
    IPHONE,
    ISTANBUL,
    QUIET,
    SCORER,
    SYDNEY,
    assess,
    learned,
    odds_of,
    usual,
    with_agent,
)

SOON = usual(29).at_s + 1800


def test_one_new_place_teaches_one_level_and_not_each_below_it() -> None:
    """A journey does not make new addresses usual at home."""
    profile = learned(20)[0]
    before = list(profile.novel)
    profile.learn(replace(usual(21), address="x", network="y", place=replace(ISTANBUL, asn=64999)))
    rose = {facet for facet in range(facets.FACETS) if profile.novel[facet] > before[facet]}
    assert rose == {facets.OPERATOR}


def test_a_newer_browser_teaches_nothing_of_how_often_browsers_are_new() -> None:
    profile = learned(20)[0].learn(with_agent(usual(21), CHROME.format(127)))
    assert profile.novel[facets.VERSION] == profile.novel[facets.AGENT] == 0
    assert profile.tested[facets.VERSION] > 0


def test_travel_to_where_the_person_often_is_weighs_little() -> None:
    commuting = [replace(usual(30 + day), place=SYDNEY, address="s", network="t") for day in range(3)]
    back = replace(usual(32), at_s=commuting[-1].at_s + 1800)
    known = odds_of(assess(back, *commuting), "travel_impossible") or 0
    there = replace(usual(29), at_s=SOON, address="s", network="t", place=SYDNEY)
    unknown = odds_of(assess(there), "travel_impossible")
    assert 0 < known < (unknown or 0) / 2


def test_a_session_far_away_says_less_where_the_last_sign_in_said_it_already() -> None:
    around = replace(QUIET, elsewhere=(Elsewhere(ISTANBUL, SOON),))
    there = replace(usual(29), at_s=SOON, address="s", network="t", place=SYDNEY)
    said = assess(there, around=around)
    later = replace(there, at_s=SOON + 86_400)
    fresh = assess(later, around=replace(QUIET, elsewhere=(Elsewhere(ISTANBUL, later.at_s),)))
    assert odds_of(said, "travel_impossible") is not None
    assert odds_of(fresh, "travel_impossible") is None
    assert 0 < (odds_of(said, "sessions_apart") or 0) < (odds_of(fresh, "sessions_apart") or 0)


def test_three_sign_ins_say_less_of_somebodys_hours_than_sixty() -> None:
    night = replace(usual(61), at_s=usual(61).at_s + 12 * 3600)
    few, many = (odds_of(assess(night, count=count), "hour_unusual") or 0 for count in (3, 60))
    assert 0 < few < many


def test_a_browser_reassures_little_beside_the_cookie_that_it_holds() -> None:
    profile, others = learned(30)[0], Population.shipped()
    without = replace(usual(30), device=None, has_cookie=False)
    alone = odds_of(SCORER.assess(without, profile, others), "browser_known")
    beside = odds_of(SCORER.assess(usual(30), profile, others), "browser_known")
    assert alone == -1.2
    assert beside == -0.7


def test_whatever_is_new_its_evidence_is_bounded() -> None:
    profile, population = learned(120)
    for index in range(len(profile.novel)):
        profile.novel[index] = 0.0
    population.novel = [0.0] * len(population.novel)
    population.tested = [1e9] * len(population.tested)
    stranger = with_agent(replace(usual(121), address="x", network="y", place=SYDNEY, device=None), IPHONE)
    found = SCORER.assess(stranger, profile, population, QUIET)
    assert odds_of(found, "device_new") == 3.5
    assert odds_of(found, "country_new") == 5.0
    assert 1.0 < (odds_of(found, "kind_new") or 0) <= 4.0


@pytest.mark.parametrize("count", [1, 30, 200])
def test_a_person_whom_everyones_counts_have_not_reached_yet_is_scored_all_the_same(count: int) -> None:
    """Processes add what they saw only now and then."""
    profile = Profile.empty()
    for day in range(count):
        profile.learn(usual(day))
    found = SCORER.assess(usual(count), profile, Population.empty(), QUIET)
    assert found.score < 10
    assert (odds_of(found, "address_known") or 0) < -2
    abroad = SCORER.assess(replace(usual(count), place=SYDNEY, address="x", network="y"), profile, Population.empty())
    assert (odds_of(abroad, "country_new") or 0) > 1.5


def test_what_a_person_did_alone_does_not_make_it_common() -> None:
    """Somebody's own sign-ins are taken out of everyone's: in a small company they are most of them."""
    profile, alone = Profile.empty(), Population.empty()
    for day in range(40):
        alone.learn(usual(day), before=profile)
        profile.learn(usual(day))
    of_many = learned(40)[1]
    for population in (alone, of_many):
        found = SCORER.assess(usual(40), profile, population, QUIET)
        assert (odds_of(found, "address_known") or 0) < -2.8
    assert odds_of(SCORER.assess(replace(usual(40), place=ANKARA), profile, alone, QUIET), "city_new") is None
