"""`ostiary risk evaluate` and `simulate`: files in, figures out, refusals in words."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from server.cli import main
from tests.risk.evaluation.rows import LEAST, write


def run(*args: str | Path) -> Result:
    """One command under `ostiary risk`."""
    return CliRunner().invoke(main, ["risk", *map(str, args)])


def test_a_made_up_file_is_evaluated_drawn_and_told_in_json(tmp_path: Path) -> None:
    data, svg, png = tmp_path / "world.csv", tmp_path / "a.svg", tmp_path / "a.png"
    asked = ("--seed", "7", "--people", "30", "--days", "60", "--takeovers", "10", "--json")
    made = json.loads(run("simulate", "--out", data, *asked).stdout)
    assert (made["seed"], made["people"], made["file"]) == (7, 30, str(data))
    assert made["rows"] == len(data.read_text(encoding="utf-8").splitlines()) - 1
    result = run("evaluate", "--dataset", data, "--svg", svg, "--png", png, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["rows"], found["people"]) == (made["rows"], 30)
    assert set(found["attackers"]) == set(found["baseline"])
    assert found["score_us"] > 0
    assert svg.read_text(encoding="utf-8").startswith("<svg ")
    assert png.read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_writes_the_same_bytes_and_never_over_a_file(tmp_path: Path) -> None:
    asked = ("--seed", "7", "--people", "10", "--days", "30", "--takeovers", "3")
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    for out in (first, second):
        assert run("simulate", "--out", out, *asked).exit_code == 0
    assert first.read_bytes() == second.read_bytes()
    again = run("simulate", "--out", first, *asked)
    assert again.exit_code == 2
    assert "exists already; a data set is written to a new file" in again.output


def test_words_show_the_figures_and_an_unsorted_file_is_sorted_and_said(tmp_path: Path) -> None:
    late = {**LEAST, "Login Timestamp": "2020-02-05 10:00:00"}
    attack = {**late, "Is Account Takeover": "True", "IP Address": "45.9.148.3"}
    result = run("evaluate", "--dataset", write(tmp_path / "a.csv", [late, attack, LEAST]))
    assert result.exit_code == 0, result.output
    assert "is not in time order: it is sorted through a temporary folder first" in result.stderr
    assert result.stdout.startswith("3 rows, 1 people, 1 good sign-ins judged;")
    assert "takeover  1          ostiary       1.000" in result.stdout


def test_a_bad_file_is_refused_by_row_and_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [LEAST, {**LEAST, "IP Address": "here"}])
    result = run("evaluate", "--dataset", path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"error": f"{path}: row 3: IP Address: expected an IP address, found 'here'"}


def test_a_drawing_into_no_folder_is_refused_before_the_work(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [{**LEAST, "IP Address": "here"}])
    result = run("evaluate", "--dataset", path, "--svg", tmp_path / "none" / "a.svg")
    assert result.exit_code == 2
    assert "there is no such folder" in result.output
