"""Past sign-ins: read newest first in bounded memory, doubted by what came after, and drawn from by chance."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from statistics import fmean

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from audit.catalogue import (
    LOGIN_BEGUN,
    PASSWORD_SET,
    RECOVERY_DONE,
    RECOVERY_NOT_ME,
    RECOVERY_RESET_MADE,
    RISK_REPORTED,
    EventType,
)
from audit.tables import events
from base.ids import PERSON, new_id, show_id
from risk import past_signins
from risk.calibration import Calibration
from risk.distinct import Distinct
from risk.learning import Sample, read_scores, share_meeting
from risk.past_signins import PastSignin, walk_signins
from tests.identity.forms import sign_in
from tests.risk.past import Past, write_past
from tests.world import World
from tests.world_fixtures import world

__all__ = ["world"]


async def walked(world: World, *, days: float = 60, client_id: str | None = None) -> list[PastSignin]:
    """The sign-ins of the last days."""
    now = world.clock()
    walk = walk_signins(world.services.database, since=now - timedelta(days=days), until=now, client_id=client_id)
    return [each async for each in walk]


@pytest.mark.anyio
async def test_sign_ins_come_newest_first_each_once_however_small_the_batches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_signins, "BATCH", 3)
    now = world.clock()
    people = [new_id(now) for _ in range(2)]
    # Several share an instant; some are too old, of another kind, or of another application.
    past = [Past(now - timedelta(days=1 + number // 4), people[number % 2], float(number)) for number in range(14)]
    others = [Past(now - timedelta(days=70), people[0], 1.0), Past(now, people[0], kind=LOGIN_BEGUN)]
    await write_past(world.services, [*past, *others, Past(now - timedelta(days=9), people[0], 99.0, client_id="cli")])
    found = await walked(world)
    assert sorted(each.log_odds or 0.0 for each in found) == [*map(float, range(14)), 99.0]
    assert [each.at for each in found] == sorted((each.at for each in found), reverse=True)
    assert len({each.event_id for each in found}) == 15
    assert [each.log_odds for each in await walked(world, client_id="cli")] == [99.0]


DOUBTS: list[tuple[EventType, dict[str, object], float, bool]] = [
    (RECOVERY_NOT_ME, {"about": "new_device"}, 1, True),
    (RECOVERY_DONE, {"by": "link"}, 29, True),
    (RECOVERY_RESET_MADE, {"password": True, "factors": False, "expires_at": 0}, 0.1, True),
    (RISK_REPORTED, {"about": "person", "kind": "taken_over", "weight": 5.0}, 3, True),
    (RISK_REPORTED, {"about": "person", "kind": "scraping", "weight": 5.0}, 3, False),
    (RECOVERY_NOT_ME, {"about": "new_device"}, 31, False),
    (RECOVERY_NOT_ME, {"about": "new_device"}, -1, False),
    (PASSWORD_SET, {"why": "changed"}, 1, False),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "data", "days", "is_doubted"), DOUBTS)
async def test_what_comes_soon_after_a_sign_in_doubts_it_and_nobody_elses(
    world: World, kind: EventType, data: dict[str, object], days: float, is_doubted: bool
) -> None:
    now = world.clock()
    at, person, other = now - timedelta(days=40), new_id(now), new_id(now)
    doubt = Past(at + timedelta(days=days), person, kind=kind, data=data)
    await write_past(world.services, [Past(at, person, 1.0), Past(at, other, 2.0), doubt])
    assert {each.log_odds: each.is_doubted for each in await walked(world)} == {1.0: is_doubted, 2.0: False}


@pytest.mark.anyio
async def test_a_report_that_was_withdrawn_doubts_nothing(world: World) -> None:
    now = world.clock()
    at, people = now - timedelta(days=9), [new_id(now) for _ in range(2)]
    told: list[Past] = []
    for number, person in enumerate(people):
        about: dict[str, object] = {"about": "person", "report": f"sig_{number}"}
        data = {**about, "kind": "taken_over", "weight": 5.0}
        told += [Past(at, person, float(number)), Past(at + timedelta(days=1), person, kind=RISK_REPORTED, data=data)]
    taken_back: dict[str, object] = {"about": "person", "report": "sig_1", "kind": "withdrawn", "weight": 0}
    told.append(Past(at + timedelta(days=2), people[1], kind=RISK_REPORTED, data=taken_back))
    await write_past(world.services, told)
    assert {each.log_odds: each.is_doubted for each in await walked(world)} == {0.0: True, 1.0: False}


@pytest.mark.anyio
async def test_the_first_doubt_after_a_sign_in_counts_and_not_a_later_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where so many people were doubted that those of long ago are forgotten on the way."""
    monkeypatch.setattr(past_signins, "_LEAST_KEPT", 1)
    now = world.clock()
    person, others = new_id(now), [new_id(now) for _ in range(5)]
    days = [Past(now - timedelta(days=day), person, float(day)) for day in (80, 70, 50, 45, 3)]
    said = [Past(now - timedelta(days=day), person, kind=RECOVERY_NOT_ME, data={"about": "x"}) for day in (48, 1)]
    said += [Past(now - timedelta(days=75), each, kind=RECOVERY_DONE, data={"by": "link"}) for each in others]
    await write_past(world.services, [*days, *said])
    found = {each.log_odds: each.is_doubted for each in await walked(world, days=90)}
    assert found == {80.0: False, 70.0: True, 50.0: True, 45.0: False, 3.0: True}


@pytest.mark.anyio
async def test_good_doubted_and_unscored_sign_ins_are_told_apart(world: World) -> None:
    now = world.clock()
    person, other = new_id(now), new_id(now)
    at = now - timedelta(days=2)
    past = [
        Past(at, person, -3.5),
        Past(at, person, 1.0),
        Past(at, other, 4.0),
        Past(at, person),
        Past(at, person, 7.0),
    ]
    said = Past(at, other, kind=RECOVERY_NOT_ME, data={"about": "x"})
    await write_past(world.services, [*past, said])
    async with world.services.database.transaction() as db:
        changed = update(events).where(events.c.body.contains('"log_odds":7.0'))
        await db.execute(changed.values(body='{"risk":'))
    told: list[tuple[int, int]] = []
    found = await read_scores(
        world.services.database,
        since=now - timedelta(days=90),
        until=now,
        draw=random.Random(1),
        told=lambda done, whole: told.append((done, whole)),
    )
    assert (sorted(found.good.values), found.doubted, found.unscored) == ([-3.5, 1.0], 1, 2)
    assert told == [(2 * 86_400, 90 * 86_400)]


@pytest.mark.anyio
async def test_nobody_calibrates_a_site_by_signing_in_all_day(world: World) -> None:
    """With an account of one's own, and its second factor, odd sign-ins are good ones: their number must be bounded."""
    now = world.clock()
    noon = now.replace(hour=12, minute=0) - timedelta(days=3)
    poisoner, people = new_id(now), [new_id(now) for _ in range(8)]
    odd = [Past(noon - timedelta(days=number % 2, minutes=number), poisoner, 9.0) for number in range(60)]
    await write_past(world.services, [*odd, *(Past(noon, each, -3.0) for each in people)])
    found = await read_scores(world.services.database, since=now - timedelta(days=90), until=now, draw=random.Random(1))
    assert sorted(found.good.values) == [-3.0] * 8 + [9.0] * 8
    assert found.beyond == 52


@pytest.mark.anyio
async def test_a_sign_in_through_the_pages_is_found_with_what_was_assessed(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
    (body,) = await world.events("login.succeeded")
    world.clock.move(seconds=1)
    (found,) = await walked(world)
    assert (found.person, found.methods, found.client_id) == (show_id(PERSON, person.id), frozenset({"pwd"}), None)
    assert found.log_odds == msgspec.convert(body["risk"], dict[str, object])["log_odds"]
    assert not found.is_doubted


@given(st.lists(st.floats(allow_nan=False), max_size=60), st.integers(1, 20))
def test_a_sample_is_bounded_and_holds_nothing_but_what_was_seen(seen: Iterable[float], most: int) -> None:
    sample, values = Sample(random.Random(3), most), list(seen)
    for each in values:
        sample.add(each)
    assert (sample.seen, len(sample.values)) == (len(values), min(most, len(values)))
    assert set(sample.values) <= set(values)


def test_a_sample_prefers_neither_the_first_nor_the_last() -> None:
    sample = Sample(random.Random(4), 2_000)
    for each in range(40_000):
        sample.add(each)
    assert fmean(sample.values) == pytest.approx(20_000, rel=0.05)


@pytest.mark.parametrize(("names", "off_by"), [(0, 0), (1, 0), (40, 0), (100_000, 200)])
def test_different_names_are_counted_however_often_they_come(names: int, off_by: int) -> None:
    distinct = Distinct()
    for _ in range(2):
        for number in range(names):
            distinct.add(f"usr_{number:032x}")
    assert abs(distinct.count - names) <= off_by


def test_the_share_that_meets_a_threshold_is_exact() -> None:
    calibration = Calibration("x", ((0.0, 0), (100.0, 100)))
    odds = [float(each) for each in range(100)]
    assert [share_meeting(calibration, odds, points) for points in (0, 30, 90, 100)] == [1.0, 0.7, 0.1, 0.0]
    assert share_meeting(calibration, [], 30) == 0.0
