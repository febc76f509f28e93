"""`ostiary user delete`: erased from the log as well, in one transaction with the deletion."""

from __future__ import annotations

from pathlib import Path

from audit.removal.journal import read_journal
from base.ids import PERSON, show_id
from tests.server.command_line import CommandLine

ADA = ("user", "create", "--username", "ada", "--email", "ada@example.com")


def test_the_command_erases_too_and_says_where_the_journal_fails(cli: CommandLine, tmp_path: Path) -> None:
    """S47"""
    made = str(cli.json(*ADA)["id"])
    path = tmp_path / "full" / "erasures.journal"
    path.parent.touch()
    cli.environ["OSTIARY_AUDIT__ERASURE_JOURNAL"] = str(path)
    refused = cli.run("user", "delete", "ada", "--yes")
    assert (refused.exit_code, "the journal of erasures cannot be written" in refused.stderr) == (3, True)
    assert cli.json("user", "show", "ada")["state"] == "active"
    path.parent.unlink()
    assert cli.json("user", "delete", "ada", "--yes") == {"id": made, "state": "deleted"}
    journal = read_journal(path)
    (erased,) = [event for event in cli.events() if event["name"] == "admin.person_erased"]
    assert (erased["actor"], erased["subject"]) == ("cli", made)
    created = next(event for event in cli.events() if event["name"] == "admin.person_created")
    assert created["personal"] is None
    assert [show_id(PERSON, erasure.subject_id) for erasure in journal.erasures] == [made]
