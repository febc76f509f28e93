"""What goes into an evidence bundle: personal data only when asked for, erased people, clean-ups, empty periods."""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from sqlalchemy import select

import audit.evidence
from audit.catalogue import LOGIN_SUCCEEDED
from audit.evidence.closing import close_report
from audit.evidence.making import EvidenceRequest, make_evidence
from audit.evidence.manifest import (
    CHECKPOINTS,
    EVENTS,
    MANIFEST,
    NAMES,
    NOTE,
    REPORT,
    WITHOUT_PERSONAL,
    EvidenceRefused,
)
from audit.evidence.verify import verify_evidence
from audit.record import Event
from audit.removal.erasure import erase_person
from audit.reports.forms import Form
from audit.reports.model import Column, Period, Table
from audit.reports.scope import Scope
from audit.tables import checkpoints
from server.reporting import report_sections
from tests.audit.evidence.made_evidence import Evidence, evidence_of, make, middle_of, unpack
from tests.audit.removal.old_events import sign
from tests.audit.reports.hostile import hostile_report
from tests.audit.verification.kept_log import KeptLog, keep_log
from tests.audit.verification.test_verify import prune
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_the_file_has_fixed_names_in_a_fixed_order(evidence: Evidence) -> None:
    with zipfile.ZipFile(evidence.path) as archive:
        assert archive.namelist() == ["report.html", REPORT, CHECKPOINTS, EVENTS, MANIFEST, NOTE]
    assert set(evidence.files()) <= set(NAMES)
    assert [path.name for path in evidence.path.parent.glob("*.part")] == []


async def test_every_form_of_the_report_can_be_in_it(evidence: Evidence, tmp_path: Path) -> None:
    path, log = tmp_path / "all.zip", evidence.log
    since, until = await middle_of(log)
    manifest = await make(log, path, since, until, forms=frozenset(Form))
    expected = {"report.pdf", "report.html", "report.xlsx", "report.csv.zip", REPORT, CHECKPOINTS, EVENTS}
    assert set(manifest.files) == expected
    with path.open("rb") as file:
        assert verify_evidence(file, vkey=log.audit.key.vkey).wrong == ()
    assert unpack(path.read_bytes())["report.pdf"].startswith(b"%PDF")


async def test_nothing_personal_is_in_it_unless_that_was_asked_for(evidence: Evidence) -> None:
    """S47"""
    files = evidence.files()
    everything = b"".join((*files.values(), gzip.decompress(files[EVENTS])))
    for personal in (b"203.0.113.", b"Ada Byron", b"person0@example.com", b"Firefox", b'"salt"', b'"opened"'):
        assert personal not in everything
    assert (evidence.manifest.personal, evidence.manifest.personal_words) == (False, WITHOUT_PERSONAL)


async def test_personal_fields_come_with_their_salts_and_are_checked(world: World, tmp_path: Path) -> None:
    """S47"""
    evidence = await evidence_of(world, tmp_path, personal=True)
    verdict = evidence.check()
    assert verdict.wrong == ()
    assert verdict.events is not None
    assert (verdict.events.opened, verdict.events.erased) == (330, 0)
    assert evidence.manifest.personal
    assert "holds personal data" in evidence.manifest.personal_words
    files = evidence.files()
    assert b"203.0.113." in gzip.decompress(files[EVENTS])
    lines = gzip.decompress(files[EVENTS]).replace(b"203.0.113.", b"198.51.100.")
    changed = evidence.signed({**files, EVENTS: gzip.compress(lines)})
    assert "address and the digests in its body differ" in evidence.check(changed).wrong[0]


async def test_erased_people_stay_closed_and_the_rest_holds(world: World, tmp_path: Path) -> None:
    """S47"""
    log = await keep_log(world)
    since, until = await middle_of(log)
    world.clock.move(minutes=5)
    async with log.audit.database.transaction() as db:
        await erase_person(db, log.audit, log.people[0].id, now=world.clock(), actor="cli")
    path = tmp_path / "evidence.zip"
    await make(log, path, since, until, personal=True)
    with path.open("rb") as file:
        verdict = verify_evidence(file, checkpoints=[log.audit.settings.checkpoint_file], vkey=log.audit.key.vkey)
    assert verdict.wrong == ()
    assert verdict.events is not None
    assert verdict.events.erased > 0
    assert verdict.events.opened + verdict.events.erased == 330
    lines = [json.loads(line) for line in gzip.decompress(unpack(path.read_bytes())[EVENTS]).splitlines()[1:]]
    assert sum(line["opened"] is None for line in lines) == verdict.events.erased


async def signed_at(log: KeptLog, size: int) -> datetime:
    """When the checkpoint of this size was made."""
    async with log.audit.database.reading() as db:
        at: datetime = (await db.execute(select(checkpoints.c.at).where(checkpoints.c.size == size))).scalar_one()
    return at


async def test_events_that_a_clean_up_removed_are_there_by_their_hashes(world: World, tmp_path: Path) -> None:
    log = await keep_log(world)
    since, until = await signed_at(log, 100), (await middle_of(log))[1]
    world.clock.move(minutes=5)
    await prune(log, 0, 255)
    path = tmp_path / "evidence.zip"
    manifest = await make(log, path, since, until)
    assert manifest.numbers is not None
    # The last checkpoint before the period was of 100 events.
    assert (manifest.numbers.first, manifest.numbers.last, manifest.numbers.in_period) == (100, 429, 174)
    with path.open("rb") as file:
        verdict = verify_evidence(file, vkey=log.audit.key.vkey)
    assert verdict.wrong == ()
    assert verdict.events is not None
    assert verdict.events.hashes_only == 156


async def test_a_period_of_which_nothing_is_left_is_proven_by_its_hashes(world: World, tmp_path: Path) -> None:
    log = await keep_log(world)
    since, until = await signed_at(log, 100), (await middle_of(log))[1]
    world.clock.move(minutes=5)
    await prune(log, 0, 511)
    path = tmp_path / "evidence.zip"
    manifest = await make(log, path, since, until)
    assert manifest.numbers is not None
    assert (manifest.numbers.first, manifest.numbers.last, manifest.numbers.in_period) == (100, 429, 0)
    with path.open("rb") as file:
        assert verify_evidence(file, vkey=log.audit.key.vkey).wrong == ()


async def test_an_empty_period_is_said_to_be_empty(world: World, tmp_path: Path) -> None:
    log = await keep_log(world)
    path, since = tmp_path / "evidence.zip", world.clock() - timedelta(days=9)
    manifest = await make(log, path, since, since + timedelta(days=1))
    assert manifest.numbers is None
    files = unpack(path.read_bytes())
    assert set(files) == {"report.html", REPORT, CHECKPOINTS, MANIFEST, NOTE}
    with path.open("rb") as file:
        verdict = verify_evidence(file, vkey=log.audit.key.vkey)
    assert (verdict.wrong, verdict.events) == ((), None)
    with path.open("rb") as file:
        kept = [log.audit.settings.checkpoint_file]
        wrong = verify_evidence(file, checkpoints=kept, vkey=log.audit.key.vkey).wrong
    assert wrong == ("the period has no events, so nothing here leads to your checkpoints",)
    told = await world.events("admin.evidence_made")
    size = manifest.checkpoint_size
    assert [each["data"] for each in told] == [{"first": None, "last": None, "size": size, "personal": False}]


async def test_events_that_arrive_meanwhile_are_no_silent_difference(world: World, tmp_path: Path) -> None:
    """A service may send an event of the period while the report is computed already."""
    log = await keep_log(world, sizes=(), size=20)
    path, until, sections = tmp_path / "evidence.zip", world.clock(), report_sections()
    world.clock.move(minutes=5)

    async def late(_: Scope) -> None:
        async with world.services.database.transaction() as db:
            told = Event(type=LOGIN_SUCCEEDED, actor="anonymous")
            await world.services.emitter.emit(db, told, now=until - timedelta(seconds=1))
        await sign(world)

    asked = EvidenceRequest(
        period=Period(until - timedelta(days=1), until), forms=frozenset(), made_by="cli", version="0"
    )
    meddled = replace(sections, makers=(*sections.makers, late))
    with pytest.raises(EvidenceRefused, match=r"the report counts 20 events, the bundle 21\): make it again"):
        await make_evidence(log.audit, meddled, asked, path, now=world.clock(), told=lambda *_: None)
    assert list(tmp_path.glob("evidence.zip*")) == []


async def test_a_key_that_is_none_or_another_file_is_refused_in_words(evidence: Evidence) -> None:
    with pytest.raises(EvidenceRefused, match=r"manifest\.note: expected a key such as"):
        evidence.check(vkey="nonsense")


def test_closing_a_report_leaves_ids_and_drops_what_is_personal() -> None:
    table = Table(
        key="t", title="", empty="",
        columns=(Column("a", "A", "person"), Column("b", "B", "personal", "address"), Column("c", "C")),
        rows=(("usr_1", "evt_1", "x"),),
    )  # fmt: skip
    report = hostile_report()
    closed = close_report(replace(report, sections=(replace(report.sections[0], tables=(table,)),)))
    (shown,) = closed.sections[0].tables
    assert [(column.key, column.kind) for column in shown.columns] == [("a", "id"), ("c", "text")]
    assert shown.rows == (("usr_1", "x"),)


def test_its_own_words_are_translated() -> None:
    with (Path(str(audit.evidence.__file__)).parent / "locale" / "tr.po").open("rb") as source:
        assert {message.id: message.string for message in read_po(source) if message.id} == {
            "Evidence report": "Kanıt raporu"
        }
