"""`ostiary risk calibrate`: learns from good sign-ins, refuses too few, and goes back."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from audit.catalogue import RECOVERY_NOT_ME
from base.ids import new_id
from risk.calibration import Calibration
from tests.risk.past import Past, odds_of
from tests.server.command_line import CommandLine
from tests.server.past import scorer_in_use, write

GOOD = 1_200


def calm_site(now: datetime) -> Iterator[Past]:
    """A site whose sign-ins look more alike than the shipped calibration has it, and one that was somebody else's."""
    draw = random.Random(5)
    people = [new_id(now) for _ in range(30)]
    for number in range(GOOD):
        yield Past(now - timedelta(hours=1 + number), people[number % 30], draw.gauss(odds_of(5), 0.5))
    victim = new_id(now)
    yield Past(now - timedelta(days=2), victim, odds_of(100))
    yield Past(now - timedelta(days=1), victim, kind=RECOVERY_NOT_ME, data={"about": "new_device"})
    yield Past(now - timedelta(days=3), people[0])


@pytest.fixture
def site(cli: CommandLine) -> CommandLine:
    """A deployment with enough of a past."""
    write(cli, calm_site)
    return cli


def calibrated(cli: CommandLine) -> list[object]:
    """What the log says of calibrations."""
    return [each["data"] for each in cli.events() if each["name"] == "risk.calibrated"]


def test_a_calibration_makes_points_the_friction_that_they_stand_for(site: CommandLine) -> None:
    days = {f"site-{datetime.now(UTC):%Y-%m-%d}-1"}
    found = site.json("risk", "calibrate")
    days.add(f"site-{datetime.now(UTC):%Y-%m-%d}-1")
    name = str(found["calibration"])
    assert name in days
    assert (found["before"], found["is_active"], found["days"]) == ("shipped-1", True, 90)
    assert [found[each] for each in ("good", "doubted", "unscored", "learned_from")] == [GOOD, 1, 1, GOOD]
    meeting: dict[str, dict[str, float]] = found["meeting"]  # type: ignore[assignment]
    assert meeting["30"]["before"] == 0.0
    assert meeting["30"]["after"] == pytest.approx(0.05, abs=0.005)
    assert 0.0 < meeting["60"]["after"] <= 0.015, "twelve sign-ins beyond are too few to be taken by their word"
    assert found["anchors_before"] == [list(each) for each in Calibration.shipped().anchors]
    assert scorer_in_use(site) == name
    assert calibrated(site) == [{"before": "shipped-1", "calibration": name, "learned_from": GOOD}]


def test_another_one_gets_another_number_and_the_shipped_one_can_come_back(site: CommandLine) -> None:
    first, second = (site.json("risk", "calibrate") for _ in range(2))
    assert str(first["calibration"]).endswith("-1")
    assert (second["before"], str(second["calibration"])[-2:]) == (first["calibration"], "-2")
    assert first["anchors"] == second["anchors"], "the same sign-ins say the same"
    assert scorer_in_use(site) == second["calibration"]
    status = site.json("risk", "status")
    kept: list[dict[str, object]] = status["calibrations"]  # type: ignore[assignment]
    assert [each["id"] for each in kept] == [first["calibration"], second["calibration"]]
    assert [each["active_since"] is None for each in kept] == [True, False]
    assert (status["calibration"], status["anchors"]) == (second["calibration"], second["anchors"])
    back = site.json("risk", "calibrate", "--shipped")
    assert back == {"calibration": "shipped-1", "before": second["calibration"], "is_active": True}
    assert scorer_in_use(site) == "shipped-1"
    assert len(calibrated(site)) == 3
    again = site.run("risk", "calibrate", "--shipped")
    assert (again.exit_code, again.stdout) == (0, "shipped-1 is in use\n")
    assert len(calibrated(site)) == 3, "what changed nothing is no event"


def test_a_dry_run_shows_and_changes_nothing(site: CommandLine) -> None:
    result = site.run("risk", "calibrate", "--dry-run")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"{GOOD} good sign-ins of the last 90 days (1 doubted, 1 without a score)"
    assert lines[-1].endswith("would be next; shipped-1 stays in use")
    assert "30 points" in result.stdout
    assert site.json("risk", "calibrate", "--dry-run")["is_active"] is False
    assert scorer_in_use(site) == "shipped-1"
    assert calibrated(site) == []


def test_too_few_sign_ins_are_refused_with_their_number(site: CommandLine) -> None:
    result = site.run("risk", "calibrate", "--days", "30", "--json")
    words = (
        "the last 30 days hold 719 good sign-ins, and 1000 are needed to say what is usual here"
        " (1 doubted, 1 without a score): shipped-1 stays in use"
    )
    assert (result.exit_code, result.stderr.strip()) == (1, words)
    assert json.loads(result.stdout) == {"error": words}
    assert scorer_in_use(site) == "shipped-1"
    assert calibrated(site) == []


def test_the_status_of_a_new_deployment_is_what_comes_with_it(cli: CommandLine) -> None:
    words = cli.run("risk", "status", OSTIARY_RISK__STEP_UP="55").stdout
    assert words.startswith("shipped-1 is in use: it comes with the server\n")
    assert words.endswith("thresholds: notice 30, step_up 55, strong 90\n")
    assert cli.json("risk", "status")["calibrations"] == []
