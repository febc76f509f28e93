"""Evidence bundles: what an outsider proves with one file, and every change that is found."""

from __future__ import annotations

import gzip
import io
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from audit.evidence.manifest import CHECKPOINTS, EVENTS, MANIFEST, NOTE, REPORT, EvidenceRefused, parse_manifest
from audit.evidence.verify import verify_evidence
from audit.ledger.notes import Checkpoint, LedgerKey, format_checkpoint, parse_checkpoint, split_notes, verify_note
from audit.verification.held import checkpoints_of
from tests.audit.evidence.made_evidence import Evidence, Files, make, middle_of, pack, unpack
from tests.audit.verification.kept_log import COVERED

pytestmark = pytest.mark.anyio


async def test_a_bundle_proves_its_events_to_whoever_holds_the_key_and_a_checkpoint(evidence: Evidence) -> None:
    """S45"""
    with evidence.path.open("rb") as file:
        verdict = verify_evidence(file, checkpoints=[evidence.kept], vkey=evidence.log.audit.key.vkey)
    assert verdict.wrong == ()
    assert verdict.manifest == evidence.manifest
    numbers = evidence.manifest.numbers
    assert numbers is not None
    assert (numbers.first, numbers.last, numbers.in_period) == (100, 429, 330)
    assert verdict.events is not None
    assert (verdict.events.first, verdict.events.last, verdict.events.hashes_only) == (100, 429, 0)
    assert set(COVERED) <= set(verdict.confirmed)
    assert evidence.manifest.checkpoint_size > 600
    assert evidence.path.stat().st_mode & 0o777 == 0o600
    told = await evidence.log.world.events("admin.evidence_made")
    size = evidence.manifest.checkpoint_size
    assert [each["data"] for each in told] == [{"first": 100, "last": 429, "size": size, "personal": False}]


async def test_it_holds_the_checkpoints_of_the_period_and_one_on_each_side(evidence: Evidence) -> None:
    path = evidence.path.with_name("checkpoints-inside.txt")
    path.write_bytes(evidence.files()[CHECKPOINTS])
    key = evidence.log.audit.key
    sizes = [each.size for each in checkpoints_of(path, vkey=key.vkey, origin=key.name)]
    assert sizes == sorted(sizes)
    assert {100, 257, 430} <= set(sizes)
    assert sizes[-1] == evidence.manifest.checkpoint_size


async def test_without_a_key_the_file_names_its_own(evidence: Evidence) -> None:
    verdict = verify_evidence(io.BytesIO(evidence.path.read_bytes()))
    assert (verdict.ok, verdict.key_given, verdict.confirmed) == (True, False, ())


FILES = ("report.html", REPORT, CHECKPOINTS, EVENTS)


@pytest.mark.parametrize("name", [*FILES, MANIFEST, NOTE])
async def test_a_file_that_was_changed_removed_or_emptied_is_named(evidence: Evidence, name: str) -> None:
    """S45"""
    files = evidence.files()
    changed = bytearray(files[name])
    changed[len(changed) // 2] ^= 1
    lacking = {each: data for each, data in files.items() if each != name}
    expected = {MANIFEST: "manifest", NOTE: "manifest.note"}.get(name, f"{name} was changed: its SHA-256")
    assert expected in first_wrong(evidence, {**files, name: bytes(changed)})
    assert f"{name} is missing" in first_wrong(evidence, lacking)
    assert name in first_wrong(evidence, {**files, name: b""})


async def test_files_that_changed_places_are_found(evidence: Evidence) -> None:
    """S45"""
    files = evidence.files()
    swapped = {**files, "report.html": files[REPORT], REPORT: files["report.html"]}
    assert "report.html has " in first_wrong(evidence, swapped)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("readme.txt", "there is a file too many: readme.txt"),
        ("../../etc/passwd", "there is a file too many: ../../etc/passwd"),
        ("/report.pdf", "there is a file too many: /report.pdf"),
        ("report.pdf", "report.pdf is in the file, but not in manifest.json"),
        ("a\x1b[2J", "there is a file too many: a?[2J"),
    ],
)
async def test_a_file_that_was_put_in_is_refused_and_nothing_is_unpacked(
    evidence: Evidence, name: str, words: str
) -> None:
    """S45"""
    assert words in first_wrong(evidence, {**evidence.files(), name: b"x"})


async def test_the_same_name_twice_is_refused(evidence: Evidence) -> None:
    """S45"""
    out = io.BytesIO(evidence.path.read_bytes())
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(out, "a") as archive:
        archive.writestr(REPORT, b"{}")
    assert first_wrong(evidence, out.getvalue()) == "report.json is there twice"


async def test_what_stands_before_the_zip_or_behind_it_is_refused(evidence: Evidence) -> None:
    """S45"""
    data = evidence.path.read_bytes()
    assert first_wrong(evidence, b"<script></script>" + data) == "something stands before the first file"
    assert first_wrong(evidence, data + b"x") == "this is no whole zip file: its end is missing"


async def test_a_checkpoint_that_nothing_leads_to_confirms_nothing(evidence: Evidence, tmp_path: Path) -> None:
    """S45"""
    log, path, kept = evidence.log, tmp_path / "other.zip", tmp_path / "kept.txt"
    note = next(each for each in split_notes(evidence.kept.read_text()) if each.split("\n")[1] == "600")
    kept.write_text(note)
    since, until = await middle_of(log)
    await make(log, path, since, until, leads_outside=False)
    with path.open("rb") as file:
        alone = verify_evidence(file, vkey=log.audit.key.vkey)
    with path.open("rb") as file:
        held = verify_evidence(file, checkpoints=[kept], vkey=log.audit.key.vkey)
    assert (alone.wrong, held.confirmed) == ((), ())
    assert held.wrong == (
        "events.jsonl.gz: the bundle holds no proof that leads to the checkpoint of 600 events: ask for one that was"
        " exported with this checkpoint",
    )
    # That others fit does not help: the log of this one may be another.
    kept.write_text("\n".join(split_notes(evidence.kept.read_text())))
    with path.open("rb") as file:
        others = verify_evidence(file, checkpoints=[kept], vkey=log.audit.key.vkey)
    assert (others.ok, others.confirmed) == (False, (100, 257, 430, 642))
    assert "the bundle holds no proof that leads to the checkpoint of 600, 640 events" in others.wrong[0]
    # One of another log of the same name is worse than none.
    kept.write_text(LedgerKey(log.audit.key.name, bytes(32)).sign(note.split("\n\n")[0] + "\n"))
    with path.open("rb") as file:
        forged = verify_evidence(file, checkpoints=[kept], vkey=log.audit.key.vkey)
    assert "kept.txt (checkpoint 1): no signature of the key" in forged.wrong[0]


async def test_a_manifest_under_another_key_is_not_believed(evidence: Evidence) -> None:
    """S45"""
    forger = LedgerKey(evidence.log.audit.key.name, bytes(32))
    forged = evidence.signed(evidence.files(), forger)
    assert "manifest.note: no signature of the key" in first_wrong(evidence, forged)
    # Also by somebody who has no key to compare with: the checkpoints are still those of the log.
    named = evidence.signed(evidence.files(), forger, key=forger.vkey)
    verdict = verify_evidence(io.BytesIO(pack(named)))
    assert "checkpoints.txt: no signature of the key" in verdict.wrong[0]


async def test_a_note_of_another_manifest_is_not_believed(evidence: Evidence) -> None:
    """S45"""
    files = evidence.files()
    other = evidence.signed(files, made_by="somebody else")
    assert (
        first_wrong(evidence, {**files, NOTE: other[NOTE]}) == "manifest.note signs another manifest than manifest.json"
    )
    checkpoint = files[CHECKPOINTS].decode().split("\n\n")
    note = f"{checkpoint[0]}\n\n{checkpoint[1]}\n".encode()
    assert "manifest.note signs another manifest" in first_wrong(evidence, {**files, NOTE: note})


async def test_the_events_of_another_period_are_found(evidence: Evidence, tmp_path: Path) -> None:
    """S45"""
    path = tmp_path / "other.zip"
    log, period = evidence.log, evidence.manifest.period
    until = datetime.fromisoformat(period.until_at)
    await make(log, path, until, until + timedelta(minutes=4))
    other, files = unpack(path.read_bytes()), evidence.files()
    assert "events.jsonl.gz has " in first_wrong(evidence, {**files, EVENTS: other[EVENTS]})
    # Even where the key's owner signs it so.
    mixed = evidence.signed({**files, EVENTS: other[EVENTS]})
    assert "events.jsonl.gz holds the events 430 to " in first_wrong(evidence, mixed)
    there = parse_manifest(other[MANIFEST]).numbers
    assert there is not None
    renamed = evidence.signed({**files, EVENTS: other[EVENTS]}, numbers=there)
    assert "these are the events of another period" in first_wrong(evidence, renamed)
    report = evidence.signed({**files, REPORT: other[REPORT]})
    assert first_wrong(evidence, report).startswith("report.json is rpt_")
    later = evidence.signed({**files, REPORT: other[REPORT]}, report=parse_manifest(other[MANIFEST]).report)
    assert first_wrong(evidence, later) == "report.json is about another period than manifest.json"


async def test_a_report_that_counts_otherwise_is_found(evidence: Evidence) -> None:
    """S45"""
    files = evidence.files()
    assert files[REPORT].count(b'"value": 330') >= 1
    files[REPORT] = files[REPORT].replace(b'"value": 330', b'"value": 331')
    assert first_wrong(evidence, evidence.signed(files)) == (
        "report.json counts 331 events in its period, and manifest.json 330"
    )


def rewritten(files: Files, change: Callable[[list[bytes]], object]) -> Files:
    """The bundle with its lines of events changed."""
    lines = gzip.decompress(files[EVENTS]).splitlines(keepends=True)
    change(lines)
    return {**files, EVENTS: gzip.compress(b"".join(lines))}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines.pop(9), "expected event 108, found event 109"),
        (lambda lines: lines.append(lines[-1]), "goes on behind its last event 429"),
        (lambda lines: lines.insert(9, lines.pop(10)), "expected event 108, found event 109"),
        (lambda lines: lines.__setitem__(9, lines[9].replace(b"auth-service", b"auth-serv1ce")), "event 108"),
    ],
)
async def test_changed_events_are_found_even_where_the_manifest_is_signed_anew(
    evidence: Evidence, change: Callable[[list[bytes]], object], words: str
) -> None:
    """S45"""
    files = rewritten(evidence.files(), change)
    assert words in first_wrong(evidence, evidence.signed(files))


async def test_a_checkpoint_of_a_rewritten_log_is_found(evidence: Evidence) -> None:
    """S45"""
    files, key = evidence.files(), evidence.log.audit.key
    first = "\n\n".join(files[CHECKPOINTS].decode().split("\n\n")[:2]).rstrip("\n") + "\n"
    true = parse_checkpoint(verify_note(first, key.vkey))
    false = key.sign(format_checkpoint(Checkpoint(true.origin, 257, bytes(32), true.at)))
    files[CHECKPOINTS] = files[CHECKPOINTS] + b"\n" + false.encode()
    assert "checkpoints" in first_wrong(evidence, evidence.signed(files))


async def test_a_file_cut_anywhere_is_refused(evidence: Evidence) -> None:
    """S45"""
    data = evidence.path.read_bytes()
    for length in (0, 1, 21, 22, 100, len(data) // 2, len(data) - 1):
        assert first_wrong(evidence, data[:length]) == "this is no whole zip file: its end is missing"


async def test_a_hundred_flipped_bits_are_found_or_change_nothing_that_is_read(evidence: Evidence) -> None:
    """S45"""
    data, whole, draw = evidence.path.read_bytes(), evidence.files(), random.Random(11)
    for _ in range(100):
        place = draw.randrange(len(data))
        flipped = bytearray(data)
        flipped[place] ^= 1 << draw.randrange(8)
        try:
            verdict = evidence.check(bytes(flipped))
        except EvidenceRefused:
            continue
        if verdict.ok:
            # A date in the zip's own list, for instance.
            assert unpack(bytes(flipped)) == whole, place


def first_wrong(evidence: Evidence, data: bytes | Files) -> str:
    """The first thing that is wrong, whether or not the rest was worth a look."""
    try:
        return evidence.check(data).wrong[0]
    except EvidenceRefused as refused:
        return str(refused)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "its end is missing"),
        (b"not a zip at all, but long enough to be one" * 10, "its end is missing"),
        (struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60000, 60000, 2**31, 0, 0), "60000 entries"),
        (struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0), "manifest.json is missing"),
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes, words: str) -> None:
    """S38"""
    with pytest.raises(EvidenceRefused, match=words):
        verify_evidence(io.BytesIO(data))


def test_a_file_that_would_grow_beyond_its_limit_is_refused_before_it_is_unpacked() -> None:
    """S38"""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, bytes(8 * 1024 * 1024))
    with pytest.raises(EvidenceRefused, match=r"manifest\.json is longer than 1048576 bytes"):
        verify_evidence(io.BytesIO(out.getvalue()))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(EVENTS, bytes(1024))
    with pytest.raises(EvidenceRefused, match=r"events\.jsonl\.gz must lie in the file as it is"):
        verify_evidence(io.BytesIO(out.getvalue()))


def test_verification_needs_no_database_library() -> None:
    program = "import sys, audit.evidence.verify; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "audit.evidence.verify" in loaded
    assert {"sqlalchemy", "psycopg", "sqlite3", "asyncio", "httpx2", "server"} & set(loaded) == set()
