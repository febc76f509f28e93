"""`ostiary policy`: sets are shown, checked, drafted, put in force and taken back by command, with exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policy.starter import starter_set
from tests.policy.set_texts import NO_ADMINISTRATION, NOTE, starter_with
from tests.server.command_line import CommandLine

BROKEN = "permit (principal, action);"


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """The starter set and one policy more, as a file."""
    path = tmp_path / "night.cedar"
    path.write_text(starter_with(NOTE).policies)
    return path


def test_a_set_is_put_in_force_listed_compared_and_taken_back(cli: CommandLine, night: Path) -> None:
    done = cli.json("policy", "activate", str(night), "--reason", "the night is ours")
    assert (done["activated"], done["revision"], done["before"]) == (True, 2, 1)
    assert (done["added"], done["also_changed"]) == (["night.closed"], ["tests"])
    listed = cli.json("policy", "list")
    sets: list[dict[str, object]] = listed["sets"]  # type: ignore[assignment]
    assert [(each["revision"], each["activated_by"], each["reason"]) for each in sets] == [
        (2, "cli", "the night is ours"),
        (1, "system", "the set that a deployment begins with"),
    ]
    assert cli.json("policy", "show")["policies"] == starter_with(NOTE).policies
    assert cli.json("policy", "show", "1")["policies"] == starter_set().policies
    compared = cli.json("policy", "diff", "1")
    assert (compared["from"], compared["to"], compared["removed"]) == ("revision 2", "revision 1", ["night.closed"])
    assert '-@id("night.closed")' in str(compared["lines"])
    back = cli.json("policy", "rollback", "1", "--reason", "nobody slept")
    assert (back["revision"], back["before"], back["removed"]) == (3, 2, ["night.closed"])
    assert cli.json("policy", "diff", "starter")["lines"] == ""
    assert [name for name in cli.names() if str(name).startswith("policy.")] == [
        "policy.activated",
        "policy.rolled_back",
    ]


def test_the_same_set_again_is_no_new_revision(cli: CommandLine, night: Path) -> None:
    for expected in (True, False):
        done = cli.json("policy", "activate", str(night), "--reason", "as the pipeline says")
        assert (done["is_new"], done["revision"]) == (expected, 2)


def test_a_set_with_faults_stays_out_and_the_exit_code_is_one(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "broken.cedar"
    path.write_text(f"\n{BROKEN}")
    result = cli.run("policy", "activate", str(path), "--reason", "why not", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["activated"], document["why"], document["revision"]) == (False, "faults", 1)
    assert document["findings"][0]["line"] == 2
    shown = cli.run("policy", "activate", str(path), "--reason", "why not")
    assert shown.exit_code == 1
    assert "error: line 2: policies:" in shown.stdout
    assert "not put in force: there are faults in it: 1" in shown.stdout
    assert cli.names().count("policy.activation_refused") == 2


def test_a_set_is_checked_from_files_without_a_database(tmp_path: Path, night: Path) -> None:
    nowhere = CommandLine({"OSTIARY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    found = nowhere.json("policy", "check", str(night))
    assert (found["is_usable"], found["findings"]) == (True, [])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.cedar").write_text(BROKEN)
    result = nowhere.run("policy", "check", str(tmp_path / "broken"))
    assert result.exit_code == 1
    assert "1 error keeps it back" in result.stdout


def test_a_draft_is_begun_written_compared_activated_and_gone(cli: CommandLine, night: Path, tmp_path: Path) -> None:
    begun = cli.json("policy", "draft", "autumn")
    assert (begun["name"], begun["based_on"], begun["version"], begun["findings"]) == ("autumn", 1, 1, [])
    written = cli.json("policy", "draft", "autumn", str(night), "--shadow")
    assert (written["version"], written["is_shadow"]) == (2, True)
    assert cli.json("policy", "check", "--draft", "autumn")["is_usable"] is True
    assert cli.json("policy", "diff", "draft:autumn")["added"] == ["night.closed"]
    out = tmp_path / "out"
    assert cli.json("policy", "show", "draft:autumn", "--output", str(out)) == {
        "written": [str(out / "policies.cedar")]
    }
    assert (out / "policies.cedar").read_text() == night.read_text()
    done = cli.json("policy", "activate", "--draft", "autumn", "--reason", "leaves fall")
    assert done["revision"] == 2
    gone = cli.run("policy", "show", "draft:autumn")
    assert (gone.exit_code, gone.stderr) == (1, "draft: there is no draft autumn\n")


def test_a_draft_over_an_older_set_is_refused_until_its_writer_says_what_it_is_over(
    cli: CommandLine, night: Path
) -> None:
    cli.json("policy", "draft", "late")
    cli.json("policy", "activate", str(night), "--reason", "somebody was quicker")
    result = cli.run("policy", "activate", "--draft", "late", "--reason", "mine")
    assert result.exit_code == 1
    assert "it was written over revision 1, and revision 2 is in force" in result.stdout
    assert cli.json("policy", "draft", "late", "--based-on", "2")["based_on"] == 2
    done = cli.json("policy", "activate", "--draft", "late", "--reason", "mine")
    assert (done["revision"], done["removed"]) == (3, ["night.closed"])


def test_what_would_lock_out_every_administrator_is_refused_and_named(cli: CommandLine, tmp_path: Path) -> None:
    """S43"""
    created = cli.run(
        "user", "create", "--email", "ada@example.com", "--name", "Ada", "--admin", "--password-stdin",
        stdin="a quiet harbour at dusk 7\n",
    )  # fmt: skip
    assert created.exit_code == 0, created.output
    path = tmp_path / "closed.cedar"
    path.write_text(starter_with(NO_ADMINISTRATION).policies)
    result = cli.run("policy", "activate", str(path), "--reason", "closed", "--over-any")
    assert result.exit_code == 1
    assert "no administrator could sign in and change policies any more" in result.stdout
    assert "no.administration" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["show", "77"], 1, "revision: there is no revision 77"),
        (["rollback", "77", "--reason", "x"], 1, "revision: there is no revision 77"),
        (["rollback", "1"], 2, "--reason"),
        (["rollback", "1", "--reason", " "], 1, "reason: expected 1 to 256 characters on one line"),
        (["activate", "--reason", "x"], 2, "expected either PATH or --draft NAME"),
        (["activate", "--draft", "none", "--reason", "x"], 1, "draft: there is no draft none"),
        (["draft", "No Name"], 1, "name: expected up to 64 of a-z"),
        (["draft", "none", "--remove"], 1, "draft: there is no draft none"),
        (["draft", "a", "--based-on", "9"], 1, "based-on: there is no revision 9"),
        (["check", "gone.cedar"], 1, "set: gone.cedar: No such file or directory"),
        (["check"], 2, "expected either PATH or --draft NAME"),
        (["diff", "gone.cedar"], 1, "set: gone.cedar: No such file or directory"),
    ],
)
def test_what_is_not_there_or_not_right_is_named(cli: CommandLine, words: list[str], code: int, expected: str) -> None:
    result = cli.run("policy", *words)
    assert result.exit_code == code, result.output
    assert expected in result.stderr
