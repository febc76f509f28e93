"""A device cookie that was replaced and came back: evidence of a copy, whatever else there is."""

from dataclasses import replace

import pytest

from risk.calibration import Calibration
from risk.history.population import Population
from risk.history.profile import Profile
from risk.scorer import Scorer
from risk.sentences import sentence
from risk.sighting import Sighting
from risk.values import Reason

SCORER, POPULATION = Scorer(Calibration.shipped()), Population.shipped()
SEEN = Sighting(at_s=1_700_000_000.0, address="a", network="n", device="d1", has_cookie=True)


def profile_of(count: int) -> Profile:
    """A person who signed in so often, with one device."""
    profile = Profile.empty()
    for day in range(count):
        profile = profile.learn(replace(SEEN, at_s=SEEN.at_s + day * 86_400))
    return profile


@pytest.mark.parametrize("count", [0, 1, 40])
def test_a_copied_cookie_weighs_three_beside_what_an_unknown_device_weighs(count: int) -> None:
    profile = profile_of(count)
    unknown = replace(SEEN, at_s=SEEN.at_s + 50 * 86_400, device=None)
    plain = SCORER.assess(unknown, profile, POPULATION)
    cloned = SCORER.assess(replace(unknown, is_cloned=True), profile, POPULATION)
    assert cloned.log_odds == pytest.approx(plain.log_odds + 3.0)
    assert cloned.score >= plain.score
    (reason,) = [each for each in cloned.reasons if each.signal == "device_cloned"]
    assert isinstance(reason, Reason)
    assert "device_cloned" not in {each.signal for each in plain.reasons}


def test_it_is_said_in_both_languages() -> None:
    assert (
        sentence("device_cloned", {}) == "The browser brought a cookie that had been replaced: it may have been copied."
    )
    assert "kopyalanmış" in sentence("device_cloned", {}, "tr")
