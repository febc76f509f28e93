"""`ostiary report`: made, listed, written again, in every form, and refused in words."""

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.server.command_line import CommandLine

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
STARTS = {"pdf": b"%PDF-", "html": b"<!doctype html>", "csv": b"PK", "json": b"{", "xlsx": b"PK"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the commands run in."""
    made = tmp_path / "out"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def test_a_report_is_made_kept_listed_and_written_again_in_every_form(cli: CommandLine, folder: Path) -> None:
    cli.json("user", "create", "--email", "ada@example.com", "--name", "Ada")
    made = cli.json("report", "daily", "--day", TODAY)
    report_id, pdf = str(made["id"]), folder / f"ostiary-daily-{TODAY}.pdf"
    assert (made["file"], made["bytes"]) == (pdf.name, pdf.stat().st_size)
    (listed,) = json.loads(cli.run("report", "list", "--json").stdout)
    assert (listed["id"], listed["kind"], listed["from"]) == (report_id, "daily", f"{TODAY}T00:00:00Z")
    for form, start in STARTS.items():
        shown = cli.json("report", "show", report_id, "--format", form, "--output", str(folder / f"again.{form}"))
        assert shown["id"] == report_id
        assert (folder / f"again.{form}").read_bytes().startswith(start), form
    assert report_id in cli.run("report", "list").stdout
    document = json.loads((folder / "again.json").read_bytes())
    assert (document["id"], document["kind"], document["language"]) == (report_id, "daily", "en")
    acts = next(section for section in document["sections"] if section["key"] == "administration")
    assert ["An account was made.", "Ada (ada@example.com)"] in [row[3:5] for row in acts["tables"][0]["rows"]]
    (event,) = [event for event in cli.events() if event["name"] == "admin.report_made"]
    assert event["data"] == {
        "kind": "daily", "from": document["period"]["from_at"].replace("Z", "+00:00"),
        "until": document["period"]["until_at"].replace("Z", "+00:00"), "formats": ["pdf"],
    }  # fmt: skip


def test_a_day_can_be_chosen_and_written_in_turkish_to_standard_output(cli: CommandLine, folder: Path) -> None:
    result = cli.run("report", "daily", "--day", "2026-01-31", "--format", "html", "--language", "tr", "--output", "-")
    assert result.exit_code == 0, result.output
    assert "Günlük güvenlik raporu" in result.stdout
    assert "31 Ocak 2026 Cumartesi" in result.stdout
    assert '<html lang="tr">' in result.stdout
    assert list(folder.iterdir()) == []


def test_yesterday_is_what_is_reported_where_no_day_is_named(cli: CommandLine, folder: Path) -> None:
    # Around midnight the day may change between the two looks at the clock.
    days = {f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"}
    made = cli.json("report", "daily", "--format", "json")
    days.add(f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}")
    assert str(made["file"]) in {f"ostiary-daily-{day}.json" for day in days}


def test_one_table_can_be_had_alone(cli: CommandLine, folder: Path) -> None:
    cli.json("report", "daily", "--day", TODAY, "--format", "csv", "--output", "all.zip")
    with zipfile.ZipFile(folder / "all.zip") as archive:
        names = archive.namelist()
        keys = archive.read("keys-keys.csv")
    assert {"figures.csv", "keys-keys.csv", "proof-facts.csv"} <= set(names)
    cli.json("report", "daily", "--day", TODAY, "--format", "csv", "--table", "keys-keys", "--output", "keys.csv")
    assert (folder / "keys.csv").read_bytes() == keys


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("daily", "--day", "2999-01-01"), 1, "day: expected a day that has begun (UTC)"),
        (("daily", "--day", "yesterday"), 2, "does not match the format '%Y-%m-%d'"),
        (("daily", "--language", "de"), 2, "--language: expected one of en, tr"),
        (("daily", "--format", "docx"), 2, "'docx' is not one of 'pdf', 'html', 'csv', 'json', 'xlsx'"),
        (("daily", "--table", "keys-keys"), 2, "--table goes with --format csv"),
        (("daily", "--format", "csv", "--table", "none"), 1, "table: expected one of figures, "),
        (("daily", "--format", "json", "--output", "-", "--json"), 2, "both want standard output"),
        (("daily", "--format", "json", "--output", "none/report.json"), 1, "none/report.json cannot be written"),
        (("show", "rpt_none"), 1, "there is no such report: ostiary report list names them"),
        (("list",), 0, "No report was made yet."),
    ],
)
def test_what_cannot_be_done_is_said(
    cli: CommandLine, folder: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    result = cli.run("report", *args)
    assert (result.exit_code, words in result.output) == (code, True), result.output
