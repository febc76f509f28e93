"""`ostiary report evidence|verify`: a bundle for an outsider, and what the outsider runs."""

from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.bundle.form import BundleRefused
from audit.evidence.manifest import EvidenceRefused, Manifest
from audit.evidence.verify import EvidenceVerdict, verify_evidence
from audit.ledger.notes import NoteRefused
from audit.verification.values import Progress
from base.errors import NotReady
from identity.errors import Refused
from server.commands.audit_bundle import check_key, read_checkpoints
from server.commands.evidence_words import evidence_document, evidence_words
from server.commands.frame import ACTOR, REFUSED, Frame, framed
from server.commands.progress import Counting
from server.commands.report_output import Instant, check_language

if TYPE_CHECKING:
    from audit.evidence.making import EvidenceRequest
    from identity.services import Services

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FORMS = ("pdf", "html", "csv", "json", "xlsx")


@click.command("evidence")
@click.option("--from", "since", type=Instant(), required=True, help="Where the period begins (UTC).")
@click.option("--until", type=Instant(), help="Where it ends, itself left out; default: now.")
@click.option(
    "--format", "forms", type=click.Choice(_FORMS), multiple=True, default=("pdf",), show_default=True,
    help="A form of the report, besides JSON; may be given several times.",
)  # fmt: skip
@click.option("--language", default="en", show_default=True, help="The language: en or tr.")
@click.option("--personal", is_flag=True, help="Put names, addresses and personal fields in, with their salts.")
@click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, help="Prove a way to these checkpoints.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The new file.")
@framed
def evidence(
    frame: Frame,
    *,
    since: datetime,
    until: datetime | None,
    forms: tuple[str, ...],
    language: str,
    personal: bool,
    checkpoints: tuple[Path, ...],
    output: Path,
) -> None:
    """Write a signed file with the report of a period, its exact events, and what proves them."""
    check_language(language)
    if output.exists():
        raise click.UsageError(f"{output} exists already; evidence is written to a new file")
    progress = Counting("written", frame.say)

    async def work(services: "Services", now: datetime) -> Manifest:
        from audit.evidence.making import EvidenceRequest
        from audit.reports.forms import Form
        from audit.reports.model import Period

        end = min(until or now, now)
        if since >= end:
            raise Refused("from", "expected a time before the end, and before now")
        asked = EvidenceRequest(
            period=Period(since, end),
            forms=frozenset(Form(each) for each in forms),
            language=language,
            with_personal=personal,
            against=read_checkpoints(services.audit, checkpoints),
            made_by=ACTOR,
            version=metadata.version("ostiary-server"),
        )
        return await _make(services, asked, output, now, progress.told)

    manifest = frame.with_services(work)
    progress.clear()
    _tell(frame, manifest, output)


async def _make(
    services: "Services", asked: "EvidenceRequest", output: Path, now: datetime, told: Progress
) -> Manifest:
    from audit.evidence.making import make_evidence
    from audit.reports.pdf import PdfFailed
    from server.reporting import report_sections

    try:
        return await make_evidence(services.audit, report_sections(), asked, output, now=now, told=told)
    except (EvidenceRefused, BundleRefused, LookupError, PdfFailed) as refused:
        raise NotReady(str(refused)) from None
    except OSError as fault:
        raise Refused("output", f"{output} cannot be written: {fault.strerror}") from None


def _tell(frame: Frame, manifest: Manifest, output: Path) -> None:
    numbers = manifest.numbers
    document = {
        "file": str(output),
        "report": manifest.report,
        "first": numbers and numbers.first,
        "last": numbers and numbers.last,
        "in_period": numbers.in_period if numbers else 0,
        "size": manifest.checkpoint_size,
        "personal": manifest.personal,
        "key": manifest.key,
    }
    held = f"events {numbers.first} to {numbers.last}" if numbers else "no events, since the period has none,"
    frame.answer(document, f"{manifest.report} with {held} is in {output}\n{manifest.personal_words}")


@click.command("verify")
@click.argument("file", type=_FILE)
@click.option("--key", help="The log's key, as `audit checkpoint --key` printed it and you were told.")
@click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, help="A file of checkpoints that you kept.")
@framed
def verify(frame: Frame, file: Path, key: str | None, checkpoints: tuple[Path, ...]) -> None:
    """Check an evidence bundle, without any database: exit code 1, and the first thing that is wrong, where one is."""
    check_key(key)
    progress = Counting("verified", frame.say)
    try:
        with file.open("rb") as opened:
            verdict = verify_evidence(opened, checkpoints=checkpoints, vkey=key, told=progress.told)
    except (EvidenceRefused, NoteRefused) as refused:
        raise NotReady(f"{file}: {refused}") from None
    except OSError as failure:
        raise NotReady(f"{failure.filename or file}: {failure.strerror}") from None
    progress.clear()
    _answer(frame, verdict)


def _answer(frame: Frame, verdict: EvidenceVerdict) -> None:
    frame.answer(evidence_document(verdict), evidence_words(verdict))
    if not verdict.ok:
        raise click.exceptions.Exit(REFUSED)
