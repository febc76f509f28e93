"""`ostiary audit verify|checkpoint|export --bundle`: what they print, their exit codes, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from audit.ledger.notes import parse_checkpoint, verify_note
from server.commands.progress import Counting
from tests.server.command_line import CommandLine


def change(cli: CommandLine, statement: str) -> None:
    """Writes into the database behind the program's back."""
    url = cli.environ["OSTIARY_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def signed(cli: CommandLine) -> CommandLine:
    """A log of five events under a checkpoint."""
    cli.json("user", "create", "--username", "ada")
    assert cli.json("audit", "checkpoint")["size"] == 5
    return cli


def test_a_whole_log_verifies(signed: CommandLine) -> None:
    """S45"""
    signed.json("user", "create", "--username", "bob")
    found = signed.json("audit", "verify")
    assert (found["ok"], found["size"], found["covered"], found["unnumbered"]) == (True, 5, 5, 1)
    result = signed.run("audit", "verify")
    assert result.exit_code == 0
    assert "The log is whole: 5 events." in result.stdout
    assert "the last that fits covers 5" in result.stdout
    assert "Not covered by any: 0 events behind it, and 1 not numbered yet (since 20" in result.stdout
    assert found["uncovered_since"] is None
    assert str(found["unnumbered_since"]).endswith("+00:00")


def test_a_changed_log_is_told_with_its_place_and_exit_code_1(signed: CommandLine) -> None:
    """S45"""
    change(signed, "UPDATE events SET actor = 'somebody' WHERE seq = 4")
    result = signed.run("audit", "verify", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    words = "event 4: actor in its columns and in its body differ"
    assert (found["ok"], found["findings"]) == (False, [{"first": 4, "last": 4, "words": words}])
    told = signed.run("audit", "verify")
    assert told.exit_code == 1
    assert f"Wrong: {words}." in told.stdout


def test_a_cut_tail_is_found_by_the_checkpoint_that_lies_outside(signed: CommandLine) -> None:
    """S45"""
    change(signed, "DELETE FROM events WHERE seq = 4")
    change(signed, "DELETE FROM checkpoints")
    result = signed.run("audit", "verify")
    assert result.exit_code == 1
    assert "Wrong: event 4 is missing: its row is gone, and no clean-up removed it." in result.stdout


def test_a_checkpoint_can_be_verified_with_the_printed_key(signed: CommandLine) -> None:
    made = signed.json("audit", "checkpoint")
    key = str(signed.json("audit", "checkpoint", "--key")["key"])
    assert made["key"] == key == signed.run("audit", "checkpoint", "--key").stdout.strip()
    said = parse_checkpoint(verify_note(str(made["note"]), key))
    assert (said.size, said.root.hex()) == (made["size"], made["root"])
    assert signed.run("audit", "checkpoint").stdout == made["note"]


def test_a_bundle_is_written_and_verifies_without_settings_or_database(signed: CommandLine, tmp_path: Path) -> None:
    """S45"""
    bundle, kept = tmp_path / "log.gz", tmp_path / "kept.txt"
    kept.write_text(signed.run("audit", "checkpoint").stdout)
    key = str(signed.json("audit", "checkpoint", "--key")["key"])
    signed.json("user", "create", "--username", "bob")
    written = signed.json("audit", "export", "--bundle", str(bundle), "--from", "2", "--checkpoint", str(kept))
    assert (written["first"], written["last"], written["size"], written["personal"]) == (2, 5, 6, False)
    assert bundle.stat().st_mode & 0o777 == 0o600
    assert signed.names()[-1] == "admin.evidence_made"

    nothing = CommandLine({"OSTIARY_DATABASE_URL": "no database", "OSTIARY_ISSUER": "no issuer"})
    found = nothing.json("audit", "verify", "--bundle", str(bundle), "--checkpoint", str(kept), "--key", key)
    assert (found["ok"], found["key_given"], found["confirmed"]) == (True, True, [5])
    told = nothing.run("audit", "verify", "--bundle", str(bundle))
    assert told.exit_code == 0
    assert "The bundle holds: events 2 to 5 are in the log localhost:3201/audit." in told.stdout
    assert "No checkpoint of yours confirms it" in told.stdout
    assert "That is the key which the bundle itself names: compare it with the one that you were told." in told.stdout

    bundle.write_bytes(bundle.read_bytes()[:-30])
    broken = nothing.run("audit", "verify", "--bundle", str(bundle), "--checkpoint", str(kept))
    assert broken.exit_code == 1
    assert "Wrong: line " in broken.stdout


def test_an_empty_key_or_checkpoint_file_is_not_taken_for_given(signed: CommandLine, tmp_path: Path) -> None:
    """S45"""
    bundle, empty = tmp_path / "log.gz", tmp_path / "empty.txt"
    empty.touch()
    signed.json("audit", "export", "--bundle", str(bundle))
    for key in ("", " \n"):
        refused = signed.run("audit", "verify", "--bundle", str(bundle), "--key", key)
        assert refused.exit_code == 2
        assert "--key is empty; expected the log's key, as `audit checkpoint --key` printed it" in refused.stderr
    for args in (("--bundle", str(bundle)), ()):
        found = signed.run("audit", "verify", *args, "--checkpoint", str(empty))
        assert found.exit_code == 1
        assert f"Wrong: {empty} holds no checkpoint, so nothing is compared with it." in found.stdout


def test_personal_fields_are_in_a_bundle_only_where_asked_for(signed: CommandLine, tmp_path: Path) -> None:
    open_, closed = tmp_path / "open.gz", tmp_path / "closed.gz"
    signed.json("audit", "export", "--bundle", str(open_), "--personal")
    signed.json("audit", "export", "--bundle", str(closed))
    assert signed.json("audit", "verify", "--bundle", str(open_))["opened"] == 5
    assert signed.json("audit", "verify", "--bundle", str(closed))["opened"] == 0
    told = [each["data"] for each in signed.events() if each["name"] == "admin.evidence_made"]
    assert told == [
        {"first": 0, "last": 4, "size": 5, "personal": True},
        {"first": 0, "last": 5, "size": 6, "personal": False},
    ]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("verify", "--key", "x"), 2, "--key goes with --bundle"),
        (("verify", "--checkpoint", "no-such-file"), 2, "does not exist"),
        (("export", "--from", "1"), 2, "go with --bundle"),
        (("export", "--bundle", "{folder}/x", "--from", "soon"), 2, "expected an event's number, or a time such as"),
        (("export", "--bundle", "{folder}/x", "--from", "99"), 1, "there is no event in this range"),
        (("export", "--bundle", "{folder}/x", "--checkpoint", "{file}"), 1, "--checkpoint: expected a signed note"),
        (("export", "--bundle", "{file}"), 2, "exists already"),
        (("verify", "--bundle", "{file}"), 1, "the first line is no header of a log bundle"),
    ],
)
def test_a_refusal_is_one_sentence(
    cli: CommandLine, tmp_path: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    file = tmp_path / "file"
    file.write_text("no note\n")
    result = cli.run("audit", *(each.format(folder=tmp_path, file=file) for each in args))
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert not (tmp_path / "x").exists()


def test_an_unreachable_database_is_exit_code_3(cli: CommandLine) -> None:
    url = "postgresql://nobody@127.0.0.1:9/none"
    assert cli.run("audit", "verify", OSTIARY_DATABASE_URL=url).exit_code == 3


@pytest.mark.parametrize(("is_terminal", "start"), [(True, "\r"), (False, "")])
def test_progress_is_told_now_and_then(
    is_terminal: bool, start: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("server.commands.progress.time.monotonic", lambda: now)
    lines: list[str] = []
    progress = Counting("verified", lines.append, is_terminal=is_terminal)
    progress.told(1, 100)
    now += 10
    progress.told(20, 100)
    told = capsys.readouterr().err or lines[0]
    assert told == f"{start}20 of 100 events verified, 40 s left"
