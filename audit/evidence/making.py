"""Makes an evidence bundle: a report over a period, and what proves the events behind it, in one pass with flat memory.

The order matters: everything of the period is numbered and signed first, then the report is computed, then the range
of events is fixed and told, and only then is anything written.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

from sqlalchemy import func, select

from audit.bundle.form import BundleWriter, Header
from audit.bundle.making import BundleRange, NothingToProve, begin_bundle, bundle_events, checkpoint_now
from audit.catalogue import EVIDENCE_MADE
from audit.evidence.chosen import choose_checkpoints, find_numbers
from audit.evidence.closing import close_report, stated_count
from audit.evidence.container import EvidenceWriter
from audit.evidence.manifest import (
    CHECKPOINTS,
    EVENTS,
    MANIFEST,
    NOTE,
    WITH_PERSONAL,
    WITHOUT_PERSONAL,
    EvidenceRefused,
    Manifest,
    Numbers,
    Window,
    encode_manifest,
    show_instant,
    sign_manifest,
)
from audit.ledger.checkpoints import StoredCheckpoint
from audit.ledger.notes import Checkpoint, parse_checkpoint, verify_note
from audit.record import Event
from audit.reports.compose import compose
from audit.reports.forms import Form, write_report
from audit.reports.model import Period, Report
from audit.reports.opening import open_report
from audit.reports.scope import Sections
from audit.reports.store import keep_report
from audit.reports.words import Words, load_words
from audit.services import AuditServices
from audit.tables import events
from audit.verification.row_checks import parse_body
from base.clock import to_micros

KIND = "evidence"
_ROOM = Path(__file__).parent
_WAIT_S, _LOOKS = 0.1, 100
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRequest:
    """What is asked for. `against` are checkpoints that the reader holds; `version` is this program's."""

    period: Period
    forms: frozenset[Form] = frozenset({Form.PDF})
    language: str = "en"
    with_personal: bool = False
    against: Sequence[Checkpoint] = field(default=())
    made_by: str
    version: str


async def make_evidence(
    audit: AuditServices, sections: Sections, asked: EvidenceRequest, path: Path, *, now: datetime, told: Progress
) -> Manifest:
    """Writes the file whole or not at all, for its owner alone, and returns its manifest.

    Raises EvidenceRefused where events of the period arrive meanwhile, PdfFailed, and LookupError where the ledger's
    hashes are gone.
    """
    await _number_all(audit, asked.period)
    newest = await checkpoint_now(audit, now=now)
    words = load_words(asked.language, (*sections.folders, _ROOM))
    report = await compose(
        audit, sections, asked.period, kind=KIND, title=words.text("Evidence report"), words=words,
        made_by=asked.made_by, now=now,
    )  # fmt: skip
    begun = await _begin(audit, asked, newest, now)
    async with audit.database.transaction() as db:
        forms = (Form.JSON.value, *sorted(asked.forms - {Form.JSON}))
        await keep_report(db, audit.emitter, report, actor=asked.made_by, now=now, formats=forms)
    report = await open_report(audit, sections, report) if asked.with_personal else close_report(report)
    return await _written(_Making(audit, asked, report, words, begun, told), path)


@dataclass(frozen=True, slots=True)
class _Begun:
    """What is fixed before anything is written: the events, the checkpoints' notes, and the size of the last one."""

    header: Header | None
    notes: Sequence[str]
    size: int


async def _number_all(audit: AuditServices, period: Period) -> None:
    """Waits until whatever numbers events has numbered those of the period; raises EvidenceRefused."""
    query = select(func.count()).where(events.c.seq.is_(None), events.c.at < period.until_at)
    for _ in range(_LOOKS):
        await checkpoint_now(audit, now=audit.clock())
        async with audit.database.reading() as db:
            if not (await db.execute(query)).scalar_one():
                return
        await asyncio.sleep(_WAIT_S)
    raise EvidenceRefused("events of the period are not numbered yet: is another process numbering them? try again")


async def _begin(
    audit: AuditServices, asked: EvidenceRequest, newest: StoredCheckpoint | None, now: datetime
) -> _Begun:
    """The header of the events' bundle, None for an empty period, and the checkpoints; the event that tells of it."""
    async with audit.database.reading() as db:
        found = await find_numbers(db, asked.period)
        notes = [] if newest is None else await choose_checkpoints(db, asked.period, newest)
    if found is None or newest is None:
        size = newest.size if newest else 0
        told = {"first": None, "last": None, "size": size, "personal": asked.with_personal}
        event = Event(type=EVIDENCE_MADE, actor=asked.made_by, data=told)
        async with audit.database.transaction() as db:
            await audit.emitter.emit(db, event, now=now)
        return _Begun(None, notes, size)
    first, end = found
    held = [_parsed(audit, note) for note in notes]
    # Those of sizes within the range need no proof: the events lead to them.
    against = [*asked.against, *(each for each in held if not first <= each.size <= end)]
    try:
        header = await begin_bundle(
            audit,
            BundleRange(first, end),
            against=against,
            with_personal=asked.with_personal,
            now=now,
            actor=asked.made_by,
        )
    except NothingToProve as fault:
        raise EvidenceRefused(str(fault)) from None
    size = _parsed(audit, header.checkpoint).size
    return _Begun(header, notes if size == newest.size else [*notes, header.checkpoint], size)


def _parsed(audit: AuditServices, note: str) -> Checkpoint:
    return parse_checkpoint(verify_note(note, audit.key.vkey))


@dataclass(frozen=True, slots=True)
class _Making:
    """One bundle under way."""

    audit: AuditServices
    asked: EvidenceRequest
    report: Report
    words: Words
    begun: _Begun
    told: Progress


async def _written(making: _Making, path: Path) -> Manifest:
    with NamedTemporaryFile(prefix=path.name + ".", suffix=".part", dir=path.parent, delete=False) as file:
        beside = Path(file.name)
        try:
            manifest = await _write(making, cast(BinaryIO, file))
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(beside.replace, path)
        finally:
            await asyncio.to_thread(beside.unlink, missing_ok=True)
    return manifest


async def _write(making: _Making, file: BinaryIO) -> Manifest:
    with EvidenceWriter(file, making.report.made_at) as out:
        for form in sorted(making.asked.forms | {Form.JSON}):
            written = await write_report(making.report, making.words, form)
            out.put("report.csv.zip" if form is Form.CSV else f"report.{form.value}", written.body)
        header = making.begun.header
        out.put(CHECKPOINTS, "\n".join(making.begun.notes).encode())
        numbers = None if header is None else await _write_events(making, header, out)
        _check_count(making.report, 0 if numbers is None else numbers.in_period)
        manifest = _manifest(making, numbers, out)
        out.put(MANIFEST, encode_manifest(manifest))
        out.put(NOTE, sign_manifest(manifest, making.audit.key).encode())
    return manifest


def _manifest(making: _Making, numbers: Numbers | None, out: EvidenceWriter) -> Manifest:
    asked, key = making.asked, making.audit.key
    return Manifest(
        version=asked.version,
        origin=key.name,
        key=key.vkey,
        made_at=show_instant(making.report.made_at),
        made_by=asked.made_by,
        report=making.report.id,
        period=Window(from_at=show_instant(asked.period.from_at), until_at=show_instant(asked.period.until_at)),
        numbers=numbers,
        checkpoint_size=making.begun.size,
        personal=asked.with_personal,
        personal_words=WITH_PERSONAL if asked.with_personal else WITHOUT_PERSONAL,
        files=dict(out.files),
    )


async def _write_events(making: _Making, header: Header, out: EvidenceWriter) -> Numbers:
    period, in_period = making.asked.period, 0
    begin, end = to_micros(period.from_at), to_micros(period.until_at)
    written = bundle_events(making.audit, header.first, header.count, with_personal=making.asked.with_personal)
    with out.adding(EVENTS) as entry, BundleWriter(cast(BinaryIO, entry), header) as lines:
        async for event in written:
            lines.add(event)
            body = None if event.body is None else parse_body(event.body.encode())
            in_period += body is not None and begin <= body.at < end
            making.told(event.seq - header.first + 1, header.count)
    return Numbers(first=header.first, last=header.first + header.count - 1, in_period=in_period)


def _check_count(report: Report, counted: int) -> None:
    """Raises EvidenceRefused where the report and the events speak of different things."""
    stated = stated_count(report)
    if stated is not None and stated != counted:
        raise EvidenceRefused(
            f"the log changed while the bundle was made (the report counts {stated} events, the bundle {counted}):"
            " make it again"
        )
