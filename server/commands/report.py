"""`ostiary report daily|list|show`."""

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click

from audit.reports.compose import compose_daily
from audit.reports.forms import Form, NoSuchTable, Written, write_report
from audit.reports.model import Report, UnreadableReport
from audit.reports.opening import open_report
from audit.reports.pdf import PdfFailed
from audit.reports.store import find_report, keep_report, list_reports
from audit.reports.words import known_languages, load_words
from base.errors import NotReady
from identity.errors import Refused
from identity.services import Services
from server.commands import report_evidence, report_kinds
from server.commands.frame import ACTOR, Frame, framed, plain, table
from server.reporting import report_sections

_Command = TypeVar("_Command", bound=Callable[..., object])


@click.group("report")
def command() -> None:
    """What a day looked like, to be handed over."""


def _output_options(work: _Command) -> _Command:
    """How a report is written, and where to."""
    for option in (
        click.option("--table", "table_name", metavar="NAME", help="With csv: this table alone, not a zip of all."),
        click.option(
            "--output", type=click.Path(path_type=Path), help="The file or folder to write to; default: this folder."
        ),
        click.option(
            "--format", "form", type=click.Choice([form.value for form in Form]), default=Form.PDF.value,
            show_default=True, help="The form: pdf, html, csv (a zip), json or xlsx.",
        ),
    ):  # fmt: skip
        work = option(work)
    return work


@command.command("daily")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The day (UTC); default: yesterday.")
@click.option("--language", default="en", show_default=True, help="The language: en or tr.")
@_output_options
@framed
def daily(
    frame: Frame,
    day: datetime | None,
    language: str,
    form: str,
    output: Path | None,
    table_name: str | None,
) -> None:
    """Make the report of a day, keep it, and write it to a file (- for standard output)."""
    if language not in known_languages():
        raise click.UsageError(f"--language: expected one of {', '.join(known_languages())}")
    _check_options(frame, form, output, table_name)

    async def work(services: Services, now: datetime) -> tuple[Report, Written]:
        wanted = (day or now - timedelta(days=1)).date()
        audit, sections = services.audit, report_sections()
        try:
            report = await compose_daily(audit, sections, wanted, language=language, made_by=ACTOR, now=now)
        except ValueError as fault:
            raise Refused("day", str(fault)) from None
        written = await _written(services, report, form, table_name)
        async with audit.database.transaction() as db:
            await keep_report(db, audit.emitter, report, actor=ACTOR, now=now, formats=(form,))
        return report, written

    report, written = frame.with_services(work)
    _hand_out(frame, report, written, output)


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=30, show_default=True, help="How many, newest first.")
@framed
def list_(frame: Frame, limit: int) -> None:
    """List the reports that are kept, newest first."""

    async def work(services: Services, now: datetime) -> list[tuple[str, str, datetime, datetime, datetime]]:
        async with services.database.reading() as db:
            found = await list_reports(db, limit=limit)
        return [(each.id, each.kind, each.from_at, each.until_at, each.created_at) for each in found]

    found = frame.with_services(work)
    document = [
        {"id": each[0], "kind": each[1], "from": each[2], "until": each[3], "created_at": each[4]} for each in found
    ]
    rows = [
        (name, kind, f"{from_at:%Y-%m-%d %H:%M}", f"{until_at:%Y-%m-%d %H:%M}", f"{made:%Y-%m-%d %H:%M}")
        for name, kind, from_at, until_at, made in found
    ]
    head = ("id", "kind", "from (UTC)", "until", "made")
    frame.answer(plain(document), table([head, *rows] if rows else [], empty="No report was made yet."))


@command.command("show")
@click.argument("report_id")
@_output_options
@framed
def show(frame: Frame, report_id: str, form: str, output: Path | None, table_name: str | None) -> None:
    """Write a kept report to a file again (- for standard output)."""
    _check_options(frame, form, output, table_name)

    async def work(services: Services, now: datetime) -> tuple[Report, Written]:
        try:
            async with services.database.reading() as db:
                report = await find_report(db, report_id)
        except UnreadableReport as fault:
            raise NotReady(f"the report was made by another version: {fault}") from fault
        if report is None:
            raise Refused("report_id", "there is no such report: ostiary report list names them")
        return report, await _written(services, report, form, table_name)

    report, written = frame.with_services(work)
    _hand_out(frame, report, written, output)


def _check_options(frame: Frame, form: str, output: Path | None, table_name: str | None) -> None:
    if table_name is not None and form != Form.CSV:
        raise click.UsageError("--table goes with --format csv")
    if frame.as_json and _is_stdout(output):
        raise click.UsageError("--output - and --json both want standard output")


def _is_stdout(output: Path | None) -> bool:
    return output is not None and str(output) == "-"


async def _written(services: Services, report: Report, form: str, table_name: str | None) -> Written:
    sections = report_sections()
    opened = await open_report(services.audit, sections, report)
    words = load_words(report.language, sections.folders)
    try:
        return await write_report(opened, words, Form(form), table=table_name)
    except NoSuchTable as fault:
        raise Refused("table", str(fault)) from None
    except PdfFailed as fault:
        raise NotReady(f"the PDF could not be set: {fault}") from fault


def _hand_out(frame: Frame, report: Report, written: Written, output: Path | None) -> None:
    if _is_stdout(output):
        sys.stdout.buffer.write(written.body)
        sys.stdout.buffer.flush()
        return
    path = output or Path()
    path = path / written.name if path.is_dir() else path
    try:
        path.write_bytes(written.body)
    except OSError as fault:
        raise Refused("output", f"{path} cannot be written: {fault.strerror}") from None
    document = {"id": report.id, "file": str(path), "bytes": len(written.body)}
    frame.answer(document, f"{report.id} is in {path} ({len(written.body)} bytes)")


for _other in (report_evidence.evidence, report_evidence.verify, report_kinds.access, report_kinds.controls):
    command.add_command(_other)
