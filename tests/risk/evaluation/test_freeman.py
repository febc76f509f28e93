"""The baseline against values worked out by hand from the formula of its public implementation."""

import math

import pytest

from risk.evaluation.dataset import Row
from risk.evaluation.freeman import WEIGHTS, Freeman
from tests.risk.evaluation.rows import row

A, B, C, D = WEIGHTS[1]
FIRST = row(person="ada", address="198.51.100.1", asn=1, country="US", user_agent="u1", browser="b1", system="o1")
OTHER = row(person="bob", address="198.51.100.2", asn=1, country="US", user_agent="u2", browser="b2", system="o1")


@pytest.fixture
def freeman() -> Freeman:
    """Ada signed in twice, Bob once: three sign-ins of two people, one operator, one country, two browsers."""
    learned = Freeman()
    for each in (FIRST, FIRST, OTHER):
        learned.learn(each)
    return learned


def risk(freeman: Freeman, **facts: object) -> float:
    """The risk of a sign-in of Ada's that differs from her first by these facts."""
    usual: dict[str, object] = {name: getattr(FIRST, name) for name in Row.__slots__}
    return math.exp(freeman.score(Row(**(usual | facts))))  # type: ignore[arg-type]


# p(attack) / p(Ada signs in): one of two people, two of three sign-ins.
SHARE = (1 / 2) / (2 / 3)
# Everyone's likelihood of her address: seen twice with one operator and one country below it (2 / (2 + 3)), among
# three sign-ins and 1 + 1 + 1 unseen (2 / (3 + 3)); then all share operator and country.
ADDRESS = 0.6 * (2 / 5) * (2 / 6) + 0.3 + 0.1
# Her user agent: twice, with one browser, system and kind below (2 / (2 + 4)), of 3 + (2 + 1 + 1 + 1); then levels.
AGENT = A * (2 / 6) * (2 / 8) + B * (2 / 3) + C + D


def test_a_sign_in_as_always_divides_what_everyone_does_by_what_she_does(freeman: Freeman) -> None:
    assert risk(freeman) == pytest.approx(ADDRESS * AGENT * SHARE)


def test_an_address_never_seen_is_smoothed_once_and_leaves_her_operator_and_country(freeman: Freeman) -> None:
    everyone = 0.6 * 1 / (3 + 3) + 0.3 + 0.1
    assert risk(freeman, address="198.51.100.3") == pytest.approx(everyone / 0.4 * AGENT * SHARE)


def test_an_operator_never_seen_adds_nothing_to_either_side(freeman: Freeman) -> None:
    everyone = 0.6 * 1 / (3 + 3) + 0.1
    assert risk(freeman, address="192.0.2.1", asn=2) == pytest.approx(everyone / 0.1 * AGENT * SHARE)


def test_a_feature_of_which_nothing_was_seen_counts_four(freeman: Freeman) -> None:
    assert risk(freeman, address="192.0.2.1", asn=2, country="NO") == pytest.approx(4 * AGENT * SHARE)


def test_somebody_elses_browser_counts_by_how_common_it_is_and_by_the_levels_that_she_shares(freeman: Freeman) -> None:
    everyone = A * (1 / 5) * (1 / 8) + B * (1 / 3) + C + D
    assert risk(freeman, user_agent="u2", browser="b2") == pytest.approx(ADDRESS * everyone / (C + D) * SHARE)


def test_a_person_without_history_counts_as_one_sign_in_that_shares_nothing(freeman: Freeman) -> None:
    assert risk(freeman, person="eve") == pytest.approx(4 * 4 * (1 / 2) / (1 / 3))


def test_judging_learns_nothing(freeman: Freeman) -> None:
    before = risk(freeman)
    risk(freeman, person="eve", address="192.0.2.1")
    assert risk(freeman) == before


def test_the_weights_of_each_feature_are_those_that_were_published() -> None:
    assert WEIGHTS[0] == (0.6, 0.3, 0.1)
    assert [round(weight, 4) for weight in WEIGHTS[1]] == [0.5387, 0.268, 0.1882, 0.0051]
    assert all(math.isclose(sum(weights), 1.0) for weights in WEIGHTS)
