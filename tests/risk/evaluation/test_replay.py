"""The replay: in time order, only good sign-ins learned, takeovers judged and forgotten."""

from dataclasses import replace

import pytest

from risk.evaluation.cookies import returning_in
from risk.evaluation.dataset import Row
from risk.evaluation.models import Histories, Ostiary
from risk.evaluation.replay import Replayed, replay
from risk.evaluation.sightings import browser_of, sighting_of
from risk.evaluation.simulate.world import World, make_world
from risk.place import NOWHERE, Place
from risk.sighting import Browser
from tests.risk.evaluation.rows import AT, DAY, FIREFOX, row

ABROAD: dict[str, object] = {
    "address": "45.9.148.3",
    "country": "RU",
    "region": "Moscow",
    "city": "Moscow",
    "asn": 14061,
    "user_agent": FIREFOX,
    "browser": "Firefox 121.0",
    "system": "Linux",
}


@pytest.fixture(scope="module")
def world() -> World:
    """A small world."""
    return make_world(11, people=30, days=60, takeovers=10)


def takeover(at_s: float, kind: str = "naive", person: str = "ada") -> Row:
    """Somebody else with Ada's password, from abroad."""
    return row(at_s, person, attacker=kind, **ABROAD)  # type: ignore[arg-type]


def days(count: int) -> list[Row]:
    """So many good sign-ins of Ada's, a day apart."""
    return [row(AT + DAY * day, token="t1" if day else None) for day in range(count)]


def test_every_good_sign_in_after_the_first_is_judged_and_every_takeover_by_its_kind() -> None:
    rows = [*days(5), row(AT + DAY * 5, "bob"), takeover(AT + DAY * 6), takeover(AT + DAY * 6, "vpn")]
    found = replay(rows)
    assert (found.rows, found.people) == (8, 2)
    for scores in (found.ours, found.baseline):
        assert (len(scores.good), list(scores.people), len(scores.people["ada"])) == (4, ["ada"], 4)
        assert {kind: len(each) for kind, each in scores.attackers.items()} == {"naive": 1, "vpn": 1}
    assert found.ours.attackers["naive"][0] > max(found.ours.good)
    assert found.baseline.attackers["naive"][0] > max(found.baseline.good)


def test_takeovers_are_never_learned_by_either_model(world: World) -> None:
    with_attacks = replay(world.rows)
    # A hundred times as many change nothing, and so do none.
    flooded = replay([again for each in world.rows for again in [each] * (100 if each.attacker else 1)])
    without = replay([each for each in world.rows if each.attacker is None])
    for other in (flooded, without):
        assert other.ours.good == with_attacks.ours.good
        assert other.baseline.good == with_attacks.baseline.good
    assert len(with_attacks.ours.good) > 300
    assert sorted(set(flooded.ours.attackers["targeted"])) == sorted(set(with_attacks.ours.attackers["targeted"]))


def test_failed_sign_ins_are_neither_judged_nor_learned_and_raise_what_comes_after_them() -> None:
    quiet = [*days(5), takeover(AT + DAY * 5)]
    tries = [replace(takeover(AT + DAY * 5 - 60 * n), attacker=None, succeeded=False) for n in range(20, 0, -1)]
    loud = [*days(5), *tries, takeover(AT + DAY * 5)]
    calm, noisy = replay(quiet), replay(loud)
    assert noisy.ours.good == calm.ours.good
    assert (noisy.baseline.good, noisy.baseline.attackers) == (calm.baseline.good, calm.baseline.attackers)
    assert noisy.ours.attackers["naive"][0] > calm.ours.attackers["naive"][0]


def test_a_takeover_is_judged_even_where_the_file_says_that_it_failed() -> None:
    found = replay([*days(3), replace(takeover(AT + DAY * 3), succeeded=False)])
    assert len(found.ours.attackers["naive"]) == 1


def test_the_same_rows_give_the_same_scores_to_the_last_digit(world: World) -> None:
    first, second = replay(world.rows), replay(world.rows)
    assert (first.ours, first.baseline) == (second.ours, second.baseline)


def test_histories_that_rest_in_bytes_judge_as_those_at_hand_do(world: World) -> None:
    shelf = Ostiary(histories=Histories(live=3), returning=returning_in(world.rows))
    resting, live = replay(world.rows, model=shelf), replay(world.rows)
    assert list(resting.ours.good) == pytest.approx(list(live.ours.good), abs=1e-3)


def test_the_processor_time_of_a_score_is_measured(world: World) -> None:
    assert 0 < replay(world.rows).score_us < 5000


def test_the_work_is_told_as_it_goes(world: World) -> None:
    told: list[int] = []
    found: Replayed = replay(world.rows, told=told.append)
    assert told == list(range(200, found.rows + 1, 200))


def test_a_row_reaches_the_scorer_as_a_sign_in_of_a_deployment_would() -> None:
    seen = sighting_of(row(), device="d1", has_cookie=True)
    assert (seen.at_s, seen.address, seen.network) == (AT, "203.0.113.7", "203.0.113.0/24")
    assert seen.place == Place(country="NO", region="Oslo", city="Oslo", asn=29695)
    assert not seen.place.has_position
    assert (seen.device, seen.has_cookie) == ("d1", True)
    assert seen.browser == Browser("Chrome", 120, "Windows", 10, "desktop")


def test_the_columns_speak_only_where_there_is_no_user_agent() -> None:
    silent = row(user_agent=None, browser="Chrome Mobile 81.0.4044", system="Android 10", kind="mobile")
    assert browser_of(silent) == Browser("Chrome Mobile", 81, "Android", 10, "mobile")
    assert browser_of(row(user_agent=FIREFOX)) == Browser("Firefox", 121, "Linux", None, "desktop")
    nothing = row(user_agent=None, browser=None, system=None, kind=None)
    assert browser_of(nothing) is None
    assert sighting_of(row(country=None, region=None, city=None, asn=None)).place == NOWHERE
