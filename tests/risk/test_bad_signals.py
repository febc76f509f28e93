"""Adding what is bad never lowers a score, and nothing that is merely unknown does (S35)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from risk.history.population import Population
from risk.history.profile import Profile
from risk.place import Place
from risk.sighting import Activity, Elsewhere, Reported, Sighting, Surroundings
from tests.risk.signins import (
    ANKARA,
    DAY_S,
    ISTANBUL,
    PLACES,
    SCORER,
    SIGHTINGS,
    START_S,
    SURROUNDINGS,
    SYDNEY,
    TIMES,
    changed,
    learned,
    usual,
)

WORSE = st.one_of(
    st.builds(lambda kind, weight: ("reported", Reported(kind, weight, "s")), st.just("k"), st.floats(0, 50)),
    st.sampled_from(["tor", "hosting", "anonymous", "blocked", "ours"]).map(lambda name: ("lists", name)),
    st.builds(Elsewhere, PLACES, TIMES).map(lambda each: ("elsewhere", each)),
    st.sampled_from(["account", "address", "network"]).map(lambda name: (name, 7.0)),
    st.just(("is_breached", True)),
    st.sampled_from(["password_changed_s", "factor_changed_s", "recovered_s"]).map(lambda name: (name, 60.0)),
)


def worsened(around: Surroundings, worse: tuple[str, object], at_s: float) -> Surroundings:
    """The same surroundings with one more bad thing in them."""
    match worse:
        case "reported", Reported() as report:
            return replace(around, reported=(*around.reported, report))
        case "lists", str(name):
            return replace(around, lists=(around.lists or frozenset()) | {name})
        case "elsewhere", Elsewhere() as other:
            return replace(around, elsewhere=(*around.elsewhere, other))
        case "is_breached", _:
            return replace(around, is_breached=True)
        case "account" | "address" | "network" as name, float(more):
            seen: Activity = getattr(around, name) or Activity()
            return changed(around, **{name: replace(seen, failures=seen.failures + more, people=seen.people + more)})
        case str(name), float(ago):
            return changed(around, **{name: max(at_s - ago, getattr(around, name) or 0.0)})
        case _:
            raise AssertionError(worse)


@given(SIGHTINGS, st.lists(SIGHTINGS, max_size=5), SURROUNDINGS, WORSE)
@settings(max_examples=200)
def test_adding_a_bad_signal_never_lowers_the_score(
    sighting: Sighting, past: list[Sighting], around: Surroundings, worse: tuple[str, object]
) -> None:
    """S35"""
    profile, population = Profile.empty(), Population.shipped()
    for each in past:
        profile.learn(each)
    before = SCORER.assess(sighting, profile, population, around)
    after = SCORER.assess(sighting, profile, population, worsened(around, worse, sighting.at_s))
    assert after.log_odds >= before.log_odds - 1e-6
    assert after.score >= before.score


@given(SIGHTINGS, SURROUNDINGS, st.sampled_from(["account", "address", "network", "lists"]))
def test_what_could_not_be_asked_around_a_sign_in_says_nothing(
    sighting: Sighting, around: Surroundings, gone: str
) -> None:
    """S35: unknown is as good as quiet, never better."""
    quiet: object = frozenset() if gone == "lists" else Activity()
    known = SCORER.assess(sighting, PROFILE, POPULATION, changed(around, **{gone: quiet}))
    unknown = SCORER.assess(sighting, PROFILE, POPULATION, changed(around, **{gone: None}))
    assert unknown.log_odds == known.log_odds
    assert f"{gone}_activity" in unknown.missing or gone in unknown.missing


@given(
    st.sampled_from(["198.51.100.7", "198.51.100.8", "203.0.113.9"]),
    st.sampled_from([ISTANBUL, ANKARA, SYDNEY]),
    st.sampled_from(["laptop", None]),
    st.sampled_from(["place", "city", "position", "browser", "facts", "languages", "device"]),
)
def test_no_reason_that_reassures_comes_from_what_is_missing(
    address: str, place: Place, device: str | None, gone: str
) -> None:
    """S35: a sign-in with a fact less has no reason that it had not, unless that reason raises."""
    network = address.rpartition(".")[0] + ".0/24"
    whole = replace(usual(30), address=address, network=network, place=place, device=device, has_cookie=bool(device))
    match gone:
        case "city":
            less = replace(whole, place=replace(place, city=None))
        case "position":
            less = replace(whole, place=replace(place, latitude=None, longitude=None))
        case "place":
            less = replace(whole, place=Place())
        case "device":
            less = replace(whole, device=None, has_cookie=False)
        case _:
            less = changed(whole, **{gone: None})
    before = SCORER.assess(whole, PROFILE, POPULATION)
    after = SCORER.assess(less, PROFILE, POPULATION)
    reassuring = {each.signal.partition("_")[0] for each in before.reasons if each.log_odds < 0}
    for reason in after.reasons:
        is_network = reason.signal.partition("_")[0] in {"operator", "country", "network", "address"}
        assert reason.log_odds >= 0 or is_network or reason.signal.partition("_")[0] in reassuring


GONE = ("address", "network", "place", "country", "city", "asn", "user_agent", "browser", "facts", "languages", "tls")


def without(sighting: Sighting, gone: Collection[str]) -> Sighting:
    """The sighting as if these facts could not have been asked; a device that cannot be told is none."""
    place = Place() if "place" in gone else sighting.place
    if "country" in gone:
        place = replace(place, country=None, region=None, city=None, latitude=None, longitude=None)
    if "city" in gone:
        place = replace(place, city=None, region=None, latitude=None, longitude=None)
    if "asn" in gone:
        place = replace(place, asn=None, network_name=None)
    fields = {name: None for name in gone if name not in {"place", "country", "city", "asn", "device"}}
    if "device" in gone:
        fields |= {"device": None}
    return changed(sighting, **{**fields, "place": place})


@given(st.sets(st.sampled_from([*GONE, "device"])), st.sets(st.sampled_from(GONE)))
@settings(max_examples=300)
def test_however_much_cannot_be_asked_a_usual_sign_in_is_never_lower_for_it(few: set[str], more: set[str]) -> None:
    """S35: also where half of the databases are gone already, and then the other half."""
    less, least = without(usual(30), few), without(usual(30), few | more)
    scores = [SCORER.assess(each, PROFILE, POPULATION).log_odds for each in (usual(30), less, least)]
    assert scores[1] >= scores[0]
    assert scores[2] >= scores[0]


def test_a_report_that_speaks_for_somebody_says_nothing() -> None:
    around = Surroundings(reported=(Reported("trusted", -5.0, "shop"), Reported("odd", float("nan"), "shop")))
    assert SCORER.assess(usual(30), PROFILE, POPULATION, around) == SCORER.assess(usual(30), PROFILE, POPULATION)


def test_a_clock_that_runs_backwards_gives_a_score_all_the_same() -> None:
    early = SCORER.assess(replace(usual(0), at_s=START_S - 400 * DAY_S), PROFILE, POPULATION)
    assert 0 <= early.score <= 100


PROFILE, POPULATION = learned()
