"""Each signal alone: what it says, how strongly, and what weakens it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from risk.browsers import parse_user_agent
from risk.place import Place
from risk.sighting import Activity, BrowserFacts, Elsewhere, Reported, Sighting, Surroundings
from tests.risk.signins import (
    ANKARA,
    CHROME,
    DAY_S,
    IPHONE,
    ISTANBUL,
    QUIET,
    SYDNEY,
    assess,
    changed,
    foreign,
    odds_of,
    usual,
    with_agent,
)

NOW_S = usual(30).at_s
HOME = usual(30)
CAFE = replace(HOME, address="192.0.2.200", network="192.0.2.0/24")


def given(sighting: Sighting, signal: str, *past: Sighting, around: Surroundings = QUIET) -> float:
    """What the signal gave; 0 where it said nothing."""
    return odds_of(assess(sighting, *past, around=around), signal) or 0.0


def test_a_cookie_that_was_always_there_is_missed() -> None:
    assert given(replace(HOME, device=None, has_cookie=False), "device_missing") > 2.5
    assert given(replace(HOME, device=None, has_cookie=True), "device_new") > 2.5


def test_a_cookie_is_not_missed_where_it_was_lost_every_second_time() -> None:
    past = [replace(usual(30 + day), device=f"new {day}", has_cookie=False) for day in range(20)]
    assert given(replace(usual(50), device=None, has_cookie=False), "device_missing", *past) < 1


def test_a_person_who_never_had_a_device_is_not_missing_one() -> None:
    bare = [replace(usual(day), device=None, has_cookie=False) for day in range(5)]
    found = assess(replace(usual(6), device=None, has_cookie=False), *bare, count=0)
    assert not {each.signal for each in found.reasons} & {"device_missing", "device_new", "device_known"}


def test_a_cookie_in_another_browser_reassures_nobody_and_elsewhere_too_it_speaks_against() -> None:
    """S33: a stolen cookie is found by what came with it."""
    known = given(HOME, "device_known")
    travelled = given(replace(HOME, place=SYDNEY, address="x", network="y"), "device_known")
    assert known < travelled < -2
    assert given(with_agent(HOME, IPHONE), "device_browser_changed") > -1
    assert given(replace(foreign(30), device="laptop", has_cookie=True), "device_moved") > 1


def test_a_newer_browser_on_a_known_device_is_the_same_device() -> None:
    assert given(with_agent(HOME, CHROME.format(131)), "device_known") == given(HOME, "device_known")
    assert given(with_agent(HOME, CHROME.format(90)), "device_known") > given(HOME, "device_known") + 1


def test_the_coarsest_level_that_is_new_is_the_one_that_counts() -> None:
    neighbour = replace(HOME, address="198.51.100.8")
    operator = replace(CAFE, place=replace(ISTANBUL, asn=64999))
    abroad = replace(CAFE, place=SYDNEY)
    steps = [
        given(HOME, "address_known"),
        given(neighbour, "address_new"),
        given(CAFE, "network_new"),
        given(operator, "operator_new"),
        given(abroad, "country_new"),
    ]
    assert steps == sorted(steps)
    assert all(later > earlier + 0.2 for earlier, later in itertools.pairwise(steps))


def test_a_network_of_everybody_costs_less_than_one_where_nobody_comes_from() -> None:
    common, rare = replace(CAFE, place=ANKARA), replace(CAFE, place=replace(ANKARA, asn=64999))
    assert given(rare, "operator_new") > given(common, "operator_new") + 0.3


def test_a_city_says_no_more_than_its_network_does_already() -> None:
    other = replace(ISTANBUL, region="Izmir", city="Izmir")
    same_network = replace(HOME, place=other)
    assert given(same_network, "city_new") == 0
    new_network, new_operator = replace(CAFE, place=other), replace(CAFE, place=replace(other, asn=64999))
    assert given(new_operator, "city_new") < given(new_network, "city_new")
    assert given(CAFE, "city_known") < -0.3


def test_travel_faster_than_an_airliner_is_told_in_kilometres() -> None:
    soon = replace(CAFE, at_s=usual(29).at_s + 1800, place=SYDNEY)
    found = assess(soon)
    reason = next(each for each in found.reasons if each.signal == "travel_impossible")
    assert reason.log_odds > 1.5
    assert reason.detail["km"] == pytest.approx(14_943, rel=0.01)
    assert (reason.detail["minutes"], reason.detail["from"], reason.detail["to"]) == (30, "Istanbul", "Sydney")
    assert given(replace(soon, at_s=usual(29).at_s + 20 * 3600), "travel_impossible") == 0
    for kind in ("mobile", "hosting", "anonymous"):
        weak = changed(soon, place=replace(SYDNEY, network_kind=kind))
        assert 0 < given(weak, "travel_impossible") < 0.7


def test_an_airports_distance_is_no_travel() -> None:
    near = replace(CAFE, at_s=usual(29).at_s + 60, place=replace(ISTANBUL, latitude=41.9, city="Kirklareli"))
    assert given(near, "travel_impossible") == 0


def test_with_countries_alone_no_distance_is_claimed() -> None:
    past = [replace(usual(30 + day), place=Place("TR")) for day in range(3)]
    soon = replace(CAFE, at_s=usual(32).at_s + 1200, place=Place("AU"))
    found = assess(soon, *past)
    assert odds_of(found, "travel_impossible") is None
    assert 0 < (odds_of(found, "country_changed") or 0) < 1
    assert all("km" not in each.detail for each in found.reasons)


def test_an_unusual_hour_is_a_small_thing() -> None:
    night = replace(HOME, at_s=NOW_S + 12 * 3600)
    assert 0 < given(night, "hour_unusual") <= 0.7
    assert -0.4 <= given(HOME, "hour_usual") < 0
    assert given(replace(HOME, at_s=NOW_S + 3600), "hour_usual") < 0


def test_programs_and_browsers_that_hide_what_they_are_are_noticed() -> None:
    assert given(with_agent(HOME, "python-requests/2.31"), "browser_automated") > 2
    assert given(replace(HOME, user_agent="", browser=None), "browser_missing") > 2
    assert given(replace(HOME, user_agent=None, browser=None), "browser_missing") == 0
    past = [with_agent(usual(30 + day), "python-requests/2.31") for day in range(5)]
    assert given(with_agent(usual(36), "python-requests/2.32"), "browser_automated", *past) < 1


def test_a_platform_that_contradicts_the_user_agent_is_noticed() -> None:
    facts = BrowserFacts("1080p", "Europe/Istanbul", "Linux x86_64")
    assert given(replace(HOME, facts=facts), "platform_contradicts") > 1
    assert given(HOME, "platform_contradicts") == 0
    assert given(replace(HOME, facts=replace(facts, time_zone="Asia/Tokyo")), "time_zone_new") > 0.5


def test_failures_and_sprays_count_beyond_what_people_mistype() -> None:
    typos = replace(QUIET, account=Activity(failures=2), address=Activity(failures=20, successes=300, people=9))
    assert not {each.signal for each in assess(HOME, around=typos).reasons} & {"account_burst", "address_spray"}
    guessed = replace(QUIET, account=Activity(failures=30))
    assert given(foreign(30), "account_burst", around=guessed) > 1.5
    assert given(HOME, "account_burst", around=guessed) < 1
    spray = replace(QUIET, address=Activity(failures=40, people=40), network=Activity(failures=40, people=40))
    assert given(HOME, "address_spray", around=spray) > 2
    assert 0 < given(HOME, "network_spray", around=spray) <= 1.25


def test_the_heaviest_list_counts_and_a_usual_network_is_not_held_against_its_people() -> None:
    listed = replace(QUIET, lists=frozenset({"tor", "hosting", "ours"}))
    assert given(foreign(30), "listed_tor", around=listed) == 2
    assert given(HOME, "listed_tor", around=listed) == 0.5
    assert given(foreign(30), "listed", around=replace(QUIET, lists=frozenset({"ours"}))) == 1
    assert given(HOME, "listed_blocked", around=replace(QUIET, lists=frozenset({"blocked"}))) == 6
    assert given(replace(CAFE, place=replace(SYDNEY, network_kind="hosting")), "listed_hosting") > 1


@pytest.mark.parametrize(
    ("field", "signal"),
    [
        ("recovered_s", "account_recovered"),
        ("factor_changed_s", "factor_changed"),
        ("password_changed_s", "password_changed"),
    ],
)
def test_credentials_that_changed_of_late_count_and_fade(field: str, signal: str) -> None:
    stranger = replace(HOME, device=None, has_cookie=False)
    fresh, old, ancient = (
        given(stranger, signal, around=changed(QUIET, **{field: NOW_S - ago})) for ago in (60, 30 * 3600, 8 * DAY_S)
    )
    assert fresh > old > ancient == 0
    assert given(HOME, signal, around=changed(QUIET, **{field: NOW_S - 60})) < fresh / 2
    assert given(stranger, "password_breached", around=replace(QUIET, is_breached=True)) > 0.5


def test_an_account_that_slept_for_a_year_is_noticed_and_a_rare_guest_is_not() -> None:
    assert given(usual(30 + 365), "account_dormant") > 0.5
    assert given(usual(30 + 60), "account_dormant") == 0
    seldom = [usual(30 + 120 * number) for number in range(1, 9)]
    assert given(usual(30 + 120 * 9), "account_dormant", *seldom) == 0
    assert given(usual(30 + 120 * 9), "signs_in_seldom", *seldom) > 0


def test_two_live_sessions_too_far_apart_are_noticed() -> None:
    around = replace(QUIET, elsewhere=(Elsewhere(ISTANBUL, NOW_S - 60), Elsewhere(SYDNEY, NOW_S - 60)))
    away = replace(CAFE, place=ANKARA)
    assert given(away, "sessions_apart", around=around) > 1
    assert 0 < given(HOME, "sessions_apart", around=around) < 0.6
    near = replace(QUIET, elsewhere=(Elsewhere(ISTANBUL, NOW_S - 60),))
    assert given(HOME, "sessions_apart", around=near) == 0


@pytest.mark.parametrize(
    ("now", "signal", "least"),
    [
        (replace(HOME, address="198.51.100.8"), "session_address_changed", 0.05),
        (CAFE, "session_network_changed", 0.2),
        (replace(CAFE, place=ANKARA), "session_operator_changed", 0.7),
        (replace(CAFE, place=SYDNEY), "session_country_changed", 1.4),
        (with_agent(HOME, IPHONE), "session_browser_changed", 3),
        (with_agent(HOME, CHROME.format(90)), "session_browser_older", 1),
        (replace(HOME, user_agent="", browser=None), "session_browser_hidden", 1),
        (replace(HOME, device=None), "session_device_lost", 1.5),
        (replace(HOME, device="another"), "session_device_changed", 2.5),
    ],
)
def test_what_changes_within_a_session_is_noticed(now: Sighting, signal: str, least: float) -> None:
    assert given(now, signal, around=replace(QUIET, began=HOME)) > least
    assert given(HOME, signal, around=replace(QUIET, began=HOME)) == 0


def test_a_telephone_that_changes_its_network_or_updates_its_browser_is_no_thief() -> None:
    mobile = replace(CAFE, place=replace(ANKARA, network_kind="mobile"))
    assert given(mobile, "session_operator_changed", around=replace(QUIET, began=HOME)) < 0.4
    updated = assess(with_agent(HOME, CHROME.format(127)), around=replace(QUIET, began=HOME))
    assert not [each for each in updated.reasons if each.signal.startswith("session_")]
    hidden = replace(HOME, browser=parse_user_agent(None), user_agent=None)
    assert given(hidden, "session_browser_hidden", around=replace(QUIET, began=HOME)) == 0


def test_reports_weigh_what_they_say_within_bounds() -> None:
    def reported(*weights: float) -> Surroundings:
        return replace(QUIET, reported=tuple(Reported("scraping", weight, "shop") for weight in weights))

    assert given(HOME, "reported", around=reported(2.0)) == 2
    assert given(HOME, "reported", around=reported(400.0)) == 5
    many = assess(HOME, around=reported(4.0, 4.0, 4.0))
    assert sum(each.log_odds for each in many.reasons if each.signal == "reported") == 7
