"""`ostiary report evidence|verify|access|controls`: what they print, their exit codes, and what they leave behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.evidence.manifest import WITHOUT_PERSONAL
from tests.audit.evidence.made_evidence import pack, unpack
from tests.server.command_line import CommandLine

YESTERDAY = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"


@pytest.fixture
def bundle(cli: CommandLine, tmp_path: Path) -> Path:
    """The evidence of a short log."""
    cli.json("user", "create", "--username", "ada")
    path = tmp_path / "evidence.zip"
    made = cli.json("report", "evidence", "--from", YESTERDAY, "--format", "html", "--output", str(path))
    assert (made["first"], made["last"], made["in_period"], made["personal"]) == (0, 4, 5, False)
    return path


def test_evidence_is_made_told_and_verified(cli: CommandLine, bundle: Path, tmp_path: Path) -> None:
    """S45"""
    key = str(cli.json("audit", "checkpoint", "--key")["key"])
    kept = str(tmp_path / "var" / "checkpoints.txt")
    found = cli.json("report", "verify", str(bundle), "--key", key, "--checkpoint", kept)
    assert (found["ok"], found["wrong"], found["in_period"], found["key_given"]) == (True, [], 5, True)
    assert found["confirmed"]
    told = cli.run("report", "verify", str(bundle))
    assert told.exit_code == 0
    assert "The evidence holds: every file is as it was signed." in told.stdout
    assert "compare it with the one that you were told" in told.stdout
    assert WITHOUT_PERSONAL in told.stdout
    assert set(cli.names()[-2:]) == {"admin.evidence_made", "admin.report_made"}


def test_verification_needs_no_deployment(cli: CommandLine, bundle: Path) -> None:
    """S45"""
    nowhere = {"OSTIARY_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "OSTIARY_MASTER_KEY": "broken"}
    assert cli.run("report", "verify", str(bundle), **nowhere).exit_code == 0


def test_an_empty_key_or_checkpoint_file_is_not_taken_for_given(cli: CommandLine, bundle: Path, tmp_path: Path) -> None:
    """S45"""
    empty = tmp_path / "empty.txt"
    empty.touch()
    refused = cli.run("report", "verify", str(bundle), "--key", "")
    assert refused.exit_code == 2
    assert "--key is empty; expected the log's key" in refused.stderr
    found = cli.run("report", "verify", str(bundle), "--checkpoint", str(empty))
    assert found.exit_code == 1
    assert "empty.txt holds no checkpoint, so nothing is compared with it" in found.stdout


def test_a_changed_bundle_is_exit_code_1_with_the_first_thing_that_is_wrong(cli: CommandLine, bundle: Path) -> None:
    """S45"""
    files = unpack(bundle.read_bytes())
    files["report.html"] = files["report.html"].replace(b"Evidence", b"Evidense")
    bundle.write_bytes(pack(files))
    told = cli.run("report", "verify", str(bundle))
    assert told.exit_code == 1
    assert told.stdout.startswith("Wrong: report.html was changed: its SHA-256 is not the one in manifest.json.")
    found = json.loads(cli.run("report", "verify", str(bundle), "--json").stdout)
    assert found["ok"] is False
    bundle.write_bytes(b"no zip")
    refused = cli.run("report", "verify", str(bundle))
    assert refused.exit_code == 1
    assert "this is no whole zip file: its end is missing" in refused.stderr


def test_usage_is_exit_code_2(cli: CommandLine, bundle: Path) -> None:
    assert cli.run("report", "verify", str(bundle) + "x").exit_code == 2
    again = cli.run("report", "evidence", "--from", YESTERDAY, "--output", str(bundle))
    assert again.exit_code == 2
    assert "evidence is written to a new file" in again.stderr
    wrong = cli.run("report", "evidence", "--from", "yesterday", "--output", str(bundle) + "x")
    assert wrong.exit_code == 2
    assert "expected a day or a time" in wrong.stderr
    assert cli.run("report", "access", "--language", "xx").exit_code == 2
    late = cli.run("report", "evidence", "--from", "2999-01-01", "--output", str(bundle) + "x")
    assert late.exit_code == 1
    assert "expected a time before the end, and before now" in late.stderr


@pytest.mark.parametrize("form", ["pdf", "html", "csv", "json", "xlsx"])
def test_the_access_review_is_made_in_every_form_and_kept(cli: CommandLine, tmp_path: Path, form: str) -> None:
    cli.json("user", "create", "--email", "ada@example.com", "--name", "Ada", "--admin")
    path = tmp_path / f"review.{form}"
    made = cli.json("report", "access", "--format", form, "--output", str(path))
    assert path.stat().st_size == made["bytes"]
    assert path.stat().st_mode & 0o777 == 0o600
    (kept,) = json.loads(cli.run("report", "list", "--json").stdout)
    assert (kept["id"], kept["kind"]) == (made["id"], "access")
    assert cli.events()[-1]["data"]["kind"] == "access"  # type: ignore[index]


@pytest.mark.parametrize("framework", ["soc2", "pci"])
def test_the_controls_page_is_made_and_kept(cli: CommandLine, tmp_path: Path, framework: str) -> None:
    cli.json("user", "create", "--username", "ada")
    path = tmp_path / "controls.html"
    cli.json("report", "controls", "--framework", framework, "--format", "html", "--output", str(path))
    page = path.read_text()
    assert "acts-by-shared-command" in page
    assert "A row that fails, from this deployment" in page
    assert "Outside this server" in page
    (kept,) = json.loads(cli.run("report", "list", "--json").stdout)
    assert kept["kind"] == f"controls-{framework}"
