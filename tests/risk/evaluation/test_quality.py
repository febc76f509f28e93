"""The score tells attackers from people in worlds that nobody tuned it to; the floors are far below the figures."""

import pytest

from risk.evaluation.figures import HISTORY
from risk.evaluation.replay import replay
from risk.evaluation.report import Report, asked_at, report_on
from risk.evaluation.simulate.world import make_world

SEEDS = (90_001, 90_002)


@pytest.fixture(scope="module", params=SEEDS)
def report(request: pytest.FixtureRequest) -> Report:
    """What a middling world gives."""
    seed: int = request.param
    return report_on(replay(make_world(seed, people=90, days=150, takeovers=60).rows))


@pytest.mark.parametrize(
    ("kind", "area", "caught"),
    [
        ("naive", 0.99, 0.95),
        ("vpn", 0.96, 0.80),
        ("targeted", 0.90, 0.50),
        ("very_targeted", 0.80, 0.10),
        ("stolen_cookie", 0.85, 0.35),
    ],
)
def test_attackers_of_each_kind_stand_out_and_more_than_under_the_baseline(
    report: Report, kind: str, area: float, caught: float
) -> None:
    ours, theirs = report.attackers[kind], report.baseline[kind]
    assert ours.auc is not None
    assert theirs.auc is not None
    assert ours.auc > max(area, theirs.auc)
    assert ours.detected[0.05] > max(caught, theirs.detected[0.05] - 0.01)


def test_people_are_seldom_asked_where_nearly_all_attackers_are_caught(report: Report) -> None:
    for kind, most in (("naive", 0.1), ("vpn", 0.2), ("targeted", 0.3)):
        rate = asked_at(report.attackers[kind], 0.98, HISTORY)
        assert rate is not None
        assert rate <= most
