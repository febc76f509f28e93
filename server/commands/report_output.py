"""How a report of any kind is asked for, written and handed out at the command line."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from audit.reports.forms import Form, Written, write_report
from audit.reports.model import Report
from audit.reports.opening import open_report
from audit.reports.pdf import PdfFailed
from audit.reports.scope import Sections
from audit.reports.store import keep_report
from audit.reports.words import known_languages, load_words
from base.errors import NotReady
from identity.errors import Refused
from identity.services import Services
from server.commands.frame import ACTOR, Frame

_Command = TypeVar("_Command", bound=Callable[..., object])


class Instant(click.ParamType[datetime]):
    """A day or a time; without a zone it is UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("expected a day or a time, such as 2026-11-22 or 2026-11-22T20:00:00Z", param, ctx)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def form_options(work: _Command) -> _Command:
    """In which form and language a report is written, and where to."""
    for option in (
        click.option(
            "--output", type=click.Path(path_type=Path), help="The file or folder to write to; default: this folder."
        ),
        click.option(
            "--format", "form", type=click.Choice([form.value for form in Form]), default=Form.PDF.value,
            show_default=True, help="The form: pdf, html, csv (a zip), json or xlsx.",
        ),
        click.option("--language", default="en", show_default=True, help="The language: en or tr."),
    ):  # fmt: skip
        work = option(work)
    return work


def check_language(language: str) -> None:
    """Raises UsageError for a language that reports do not speak."""
    if language not in known_languages():
        raise click.UsageError(f"--language: expected one of {', '.join(known_languages())}")


async def keep_and_write(services: Services, sections: Sections, report: Report, form: str, now: datetime) -> Written:
    """Stores the report with its event, and writes it opened; raises NotReady where the PDF cannot be set."""
    audit = services.audit
    opened = await open_report(audit, sections, report)
    try:
        written = await write_report(opened, load_words(report.language, sections.folders), Form(form))
    except PdfFailed as fault:
        raise NotReady(f"the PDF could not be set: {fault}") from fault
    async with audit.database.transaction() as db:
        await keep_report(db, audit.emitter, report, actor=ACTOR, now=now, formats=(form,))
    return written


def hand_out(frame: Frame, report: Report, written: Written, output: Path | None) -> None:
    """Writes the file, for its owner alone, and answers where it is; `-` is standard output."""
    if output is not None and str(output) == "-":
        if frame.as_json:
            raise click.UsageError("--output - and --json both want standard output")
        sys.stdout.buffer.write(written.body)
        sys.stdout.buffer.flush()
        return
    path = output or Path()
    path = path / written.name if path.is_dir() else path
    try:
        path.touch(mode=0o600)
        path.write_bytes(written.body)
    except OSError as fault:
        raise Refused("output", f"{path} cannot be written: {fault.strerror}") from None
    document = {"id": report.id, "file": str(path), "bytes": len(written.body)}
    frame.answer(document, f"{report.id} is in {path} ({len(written.body)} bytes)")
