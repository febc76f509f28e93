"""`ostiary policy check`: whether a set could be put in force, without doing so."""

import sys
from datetime import datetime
from pathlib import Path

import click

from identity.services import Services
from policy.checking import check_set
from policy.starter import PolicySetText
from server.commands.frame import REFUSED, Frame, framed
from server.policy_documents import shown_findings
from server.policy_sources import load_draft, load_files


@click.command("check")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--draft", "name", metavar="NAME", help="A draft, in place of files.")
@framed
def check(frame: Frame, path: Path | None, name: str | None) -> None:
    """Read, check and test the set in PATH (a .cedar file, or a folder); files need no database.

    Errors keep a set back, and the exit code is 1; warnings do not.
    """
    text = load_wanted(frame, path, name)
    checked = check_set(text)
    errors, count = len(checked.errors), len(checked.policies)
    tests = f"{len(text.tests)} golden tests"
    summary = count_errors(errors) + " it back" if errors else f"{count} policies and {tests}: it can be put in force"
    document = {"is_usable": not errors, "policies": count, "findings": shown_findings(checked.findings)}
    frame.answer(document, "\n".join((*map(str, checked.findings), summary)))
    if errors:
        sys.exit(REFUSED)


def count_errors(errors: int) -> str:
    """How many keep a set back, in words."""
    return "1 error keeps" if errors == 1 else f"{errors} errors keep"


def load_wanted(frame: Frame, path: Path | None, name: str | None) -> PolicySetText:
    """The set in files or in a draft; raises UsageError where not exactly one of them is named, and Refused."""
    if (path is None) == (name is None):
        raise click.UsageError("expected either PATH or --draft NAME")
    if path is not None:
        return load_files(path)
    draft_name = str(name)

    async def work(services: Services, now: datetime) -> PolicySetText:
        async with services.database.reading() as db:
            return (await load_draft(db, draft_name)).text

    return frame.with_services(work)
