"""The report: a document of fixed shape, words, and a drawing that stands on its own."""

import json
from xml.etree import ElementTree as ET

import pytest

from risk.evaluation.drawing import draw
from risk.evaluation.picture import to_png
from risk.evaluation.replay import Replayed, Scores, replay
from risk.evaluation.report import Report, as_document, as_words, report_on
from risk.evaluation.simulate.world import make_world

SVG = "{http://www.w3.org/2000/svg}"
SHAPE = {"auc", "tpr_at_fpr", "reauthentication"}


@pytest.fixture(scope="module")
def report() -> Report:
    """What a small world gives."""
    return report_on(replay(make_world(4, people=40, days=90, takeovers=15).rows))


def test_the_document_has_exactly_the_shape_that_was_promised(report: Report) -> None:
    document = as_document(report)
    assert json.loads(json.dumps(document)) == document
    assert set(document) == {"rows", "people", "attackers", "baseline", "score_us"}
    for side in ("attackers", "baseline"):
        kinds = document[side]
        assert isinstance(kinds, dict)
        assert set(kinds) == {"naive", "vpn", "targeted", "very_targeted", "stolen_cookie"}
        for kind in kinds.values():
            assert set(kind) == SHAPE
            assert set(kind["tpr_at_fpr"]) == {"0.01", "0.05", "0.10"}
            assert set(kind["reauthentication"]) == {"0.98", "0.995"}
            figures = [kind["auc"], *kind["tpr_at_fpr"].values(), *kind["reauthentication"].values()]
            assert all(0 <= figure <= 1 for figure in figures)


def test_the_two_rates_of_the_document_are_those_at_twelve_sign_ins_of_history() -> None:
    scores = Scores()
    for person in ("a", "b", "c"):
        for place in range(20):
            # Asked at the first three of twelve.
            scores.add_good(person, 9.0 if place < 3 else 0.0)
    scores.add_attack("x", 9.0)
    document = as_document(report_on(Replayed(rows=61, people=3, ours=scores, baseline=scores)))
    assert document["attackers"] == {
        "x": {
            "auc": 0.925,
            "tpr_at_fpr": {"0.01": 0.0, "0.05": 0.0, "0.10": 0.0},
            "reauthentication": {"0.98": 0.25, "0.995": 0.25},
        }
    }


def test_what_a_file_cannot_tell_is_null_and_said(report: Report) -> None:
    only_attacks = Scores()
    only_attacks.add_attack("takeover", 1.0)
    lonely = report_on(Replayed(rows=1, people=0, ours=only_attacks, baseline=only_attacks))
    assert as_document(lonely)["attackers"] == {
        "takeover": {
            "auc": None,
            "tpr_at_fpr": {"0.01": None, "0.05": None, "0.10": None},
            "reauthentication": {"0.98": None, "0.995": None},
        }
    }
    nothing = report_on(Replayed(rows=5, people=2))
    assert as_document(nothing)["attackers"] == {}
    assert "no takeovers" in as_words(nothing)
    for each in (lonely, nothing):
        ET.fromstring(draw(each))


def test_the_words_name_every_kind_beside_the_baseline(report: Report) -> None:
    words = as_words(report)
    for kind in report.attackers:
        assert sum(line.startswith(f"{kind} ") for line in words.splitlines()) == 4
    assert "12\nsign-ins of history" in words
    assert f"{report.rows} rows" in words
    assert f"{report.reached[30]:.2%} reach 30, " in words
    assert 0 <= report.reached[90] <= report.reached[60] <= report.reached[30] <= 1


def test_the_drawing_is_titled_and_has_a_line_for_each_kind_and_model_and_no_outside_parts(report: Report) -> None:
    root = ET.fromstring(draw(report))
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == "How good the risk score is"
    lines = [line for line in root.iter(f"{SVG}polyline") if line.get("points", "").count(",") > 2]
    assert len(lines) == 4 * len(report.attackers)
    assert {tag.tag.removeprefix(SVG) for tag in root.iter()} <= {
        *("svg", "title", "rect", "text", "line", "polyline", "polygon", "circle"),
    }
    words = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    for expected in ("share of attackers caught", "sign-ins of history", "very targeted", "Freeman"):
        assert expected in words


def test_a_name_from_a_file_stays_text_in_the_drawing_and_in_the_words() -> None:
    scores = Scores()
    scores.add_good("a", 0.0)
    name = '"><script>\x1b[2J</script>'
    scores.add_attack(name, 1.0)
    hostile = report_on(Replayed(rows=2, people=1, ours=scores, baseline=scores))
    root = ET.fromstring(draw(hostile))
    assert not list(root.iter(f"{SVG}script"))
    assert "\x1b" not in draw(hostile) + as_words(hostile)


def test_the_drawing_becomes_a_picture(report: Report) -> None:
    png = to_png(draw(report))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    assert width > 1500
    assert height > 1000
