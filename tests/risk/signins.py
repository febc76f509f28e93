"""People's sign-ins as the tests of the score need them: usual ones, and what is unusual about the next."""

from dataclasses import replace
from typing import Any, TypeVar, cast

from hypothesis import strategies as st

from risk.browsers import parse_user_agent
from risk.calibration import Calibration
from risk.history.population import Population
from risk.history.profile import Profile
from risk.place import Place
from risk.scorer import Scorer
from risk.sighting import (
    Activity,
    Browser,
    BrowserFacts,
    Elsewhere,
    Reported,
    Sighting,
    Surroundings,
)
from risk.values import Assessment

DAY_S, START_S = 86_400.0, 1_700_000_000.0
ISTANBUL = Place("TR", "Istanbul", "Istanbul", 41.0082, 28.9784, 20, 9121, "Turk Telekom")
ANKARA = Place("TR", "Ankara", "Ankara", 39.9334, 32.8597, 20, 34984, "Superonline")
SYDNEY = Place("AU", "New South Wales", "Sydney", -33.8688, 151.2093, 20, 1221, "Telstra")
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1"
)
Value = TypeVar("Value", Sighting, Surroundings)
SCORER = Scorer(Calibration.shipped())
QUIET = Surroundings(account=Activity(), address=Activity(), network=Activity(), lists=frozenset())


def changed(value: Value, **changes: object) -> Value:
    """The same sign-in or surroundings with other values in these fields."""
    return replace(value, **cast(dict[str, Any], changes))


def usual(day: float = 0.0) -> Sighting:
    """A sign-in like every other of this person: at home, with their own device, in the morning."""
    agent = CHROME.format(126)
    return Sighting(
        at_s=START_S + day * DAY_S,
        address="198.51.100.7",
        network="198.51.100.0/24",
        place=ISTANBUL,
        user_agent=agent,
        browser=parse_user_agent(agent),
        languages="tr-tr,tr;q=0.9",
        facts=BrowserFacts("1080p", "Europe/Istanbul", "Win32"),
        device="laptop",
        has_cookie=True,
        tls="t13d1516h2",
    )


def with_agent(sighting: Sighting, agent: str) -> Sighting:
    """The same sign-in by another browser."""
    return replace(sighting, user_agent=agent, browser=parse_user_agent(agent))


def foreign(day: float) -> Sighting:
    """Somebody else with the password: another country, network, browser, and no cookie."""
    unknown = replace(usual(day), address="203.0.113.9", network="203.0.113.0/24", place=SYDNEY, languages="en-au")
    return replace(with_agent(unknown, IPHONE), device=None, has_cookie=False, facts=None, tls="another")


def learned(count: int = 30, *sightings: Sighting) -> tuple[Profile, Population]:
    """The history of somebody with so many usual sign-ins, one a day, and then the given ones; and everyone's."""
    profile, population = Profile.empty(), Population.shipped()
    for number in range(400):
        # Others, so that the person is not everyone.
        other = replace(usual(number / 20), address=f"192.0.{number}.1", network=f"192.0.{number}.0/24", device=None)
        population.learn(replace(other, place=ANKARA if number % 3 else ISTANBUL, has_cookie=False))
    for sighting in (*(usual(day) for day in range(count)), *sightings):
        population.learn(sighting, before=profile)
        profile.learn(sighting)
    return profile, population


def assess(sighting: Sighting, *past: Sighting, count: int = 30, around: Surroundings = QUIET) -> Assessment:
    """The assessment of a sign-in after such a history."""
    return SCORER.assess(sighting, *learned(count, *past), around)


def odds_of(assessment: Assessment, signal: str) -> float | None:
    """What a signal gave, or None where it said nothing."""
    return next((each.log_odds for each in assessment.reasons if each.signal == signal), None)


# Anything that may come, sensible or not.
_TEXT = st.none() | st.sampled_from(["", "a", "198.51.100.7", "tr-tr", "Ünlü\n\x00\ud800"]) | st.text(max_size=30)
_NUMBER = st.none() | st.floats(allow_nan=True, allow_infinity=True)
TIMES = st.floats(START_S - 3 * DAY_S, START_S + 900 * DAY_S)
PLACES = st.one_of(
    st.sampled_from([ISTANBUL, ANKARA, SYDNEY, Place(), Place("TR"), Place("DE", asn=3320)]),
    st.builds(
        Place,
        *(st.none() | st.sampled_from(["TR", "AU", "X" * 80]), _TEXT, _TEXT, _NUMBER, _NUMBER, _NUMBER),
        *(st.none() | st.integers(0, 2**32 - 1), _TEXT, st.sampled_from([None, "hosting", "mobile", "anonymous"])),
    ),
)
_VERSIONS = st.none() | st.integers(0, 10**6)
BROWSERS = st.none() | st.builds(
    Browser,
    *(st.sampled_from(["Chrome", "Safari", "HeadlessChrome"]), _VERSIONS, st.sampled_from(["Windows", "iOS", "Linux"])),
    *(_VERSIONS, st.sampled_from(["desktop", "mobile", "bot", "other"])),
)
SIGHTINGS = st.one_of(
    st.builds(usual, st.floats(0, 900)),
    st.builds(foreign, st.floats(0, 900)),
    st.builds(
        Sighting,
        at_s=TIMES,
        address=_TEXT,
        network=_TEXT,
        place=PLACES,
        user_agent=_TEXT,
        browser=BROWSERS,
        languages=_TEXT,
        facts=st.none() | st.builds(BrowserFacts, _TEXT, _TEXT, _TEXT),
        device=_TEXT,
        has_cookie=st.booleans(),
        tls=_TEXT,
    ),
)
_SUMS = st.floats(0, 1e6)
ACTIVITIES = st.none() | st.builds(Activity, _SUMS, _SUMS, _SUMS)
SURROUNDINGS = st.builds(
    Surroundings,
    account=ACTIVITIES,
    address=ACTIVITIES,
    network=ACTIVITIES,
    lists=st.none() | st.frozensets(st.sampled_from(["tor", "hosting", "mobile", "anonymous", "blocked", "ours"])),
    reported=st.lists(
        st.builds(Reported, st.sampled_from(["stolen_card", "scraping"]), st.floats(), st.just("payments")), max_size=4
    ).map(tuple),
    elsewhere=st.lists(st.builds(Elsewhere, PLACES, TIMES), max_size=4).map(tuple),
    password_changed_s=st.none() | TIMES,
    factor_changed_s=st.none() | TIMES,
    recovered_s=st.none() | TIMES,
    is_breached=st.booleans(),
    began=st.none() | SIGHTINGS,
)
