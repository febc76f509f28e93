"""Charts: well-formed, to scale, with round steps, and told in words."""

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.reports.charts import draw_chart, ticks
from audit.reports.model import Chart, Series
from tests.audit.reports.hostile import hostile_report

_SVG = "{http://www.w3.org/2000/svg}"


def test_bars_stand_upon_each_other_to_scale() -> None:
    chart = Chart(
        key="c", title="Sign-ins", shape="stacked", labels=("00", "01"), says="Few.",
        series=(Series("Good", (100, 300), "good"), Series("Bad", (50, 0), "bad")),
    )  # fmt: skip
    svg = fromstring(draw_chart(chart, str))
    assert svg.attrib["aria-label"] == "Sign-ins. Few."
    bars = [rect.attrib for rect in svg.iter(f"{_SVG}rect") if float(rect.attrib["y"]) > 20]
    assert [bar["class"] for bar in bars] == ["t-good", "t-bad", "t-good"]
    good, bad, other = ({name: float(bar[name]) for name in ("x", "y", "height")} for bar in bars)
    assert good["x"] == bad["x"] < other["x"]
    assert good["height"] == pytest.approx(2 * bad["height"], rel=0.01)
    assert other["height"] == pytest.approx(3 * good["height"], rel=0.01)
    assert bad["y"] + bad["height"] == pytest.approx(good["y"], abs=0.02)


def test_labels_that_do_not_fit_beside_each_other_are_left_out() -> None:
    labels = tuple(f"day {number}" for number in range(400))
    chart = Chart(key="c", title="T", shape="line", labels=labels, series=(Series("s", tuple(range(400))),))
    texts = [text.text for text in fromstring(draw_chart(chart, str)).iter(f"{_SVG}text")]
    shown = [text for text in texts if text and text.startswith("day")]
    assert 5 < len(shown) < 20


def test_what_others_wrote_cannot_leave_its_place() -> None:
    """S49"""
    for chart in hostile_report().sections[0].charts:
        svg = fromstring(draw_chart(chart, str))
        assert {element.tag.removeprefix(_SVG) for element in svg.iter()} <= {"svg", "text", "rect", "line", "polyline"}


def test_without_values_there_is_an_axis_and_nothing_else() -> None:
    empty = Chart(key="c", title="T", shape="stacked", labels=("a",), series=(Series("s", (0,)),))
    assert len(list(fromstring(draw_chart(empty, str)).iter(f"{_SVG}rect"))) == 1
    none = Chart(key="c", title="T", shape="ranked", labels=(), series=(Series("s", ()),))
    assert list(fromstring(draw_chart(none, str)).iter(f"{_SVG}rect")) == []


@given(st.floats(min_value=0.001, max_value=1e12))
def test_steps_are_round_whole_numbers_that_reach_the_highest_value(highest: float) -> None:
    steps = ticks(highest)
    assert steps[0] == 0
    assert steps[-1] >= highest
    assert 2 <= len(steps) <= 7
    assert all(step == int(step) for step in steps)
