"""Log bundles: what an outsider proves with a file, a checkpoint and a key; and what is not believed."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.bundle.form import MAX_LINE_BYTES, BundleRefused, BundleWriter
from audit.bundle.making import BundleRange, NothingToProve, begin_bundle, bundle_events
from audit.bundle.verify import BundleVerdict, verify_bundle
from audit.ledger.notes import LedgerKey
from audit.removal.erasure import erase_person
from audit.verification.held import checkpoints_of
from tests.audit.verification.kept_log import COVERED, SIZE, KeptLog, keep_log
from tests.audit.verification.test_verify import prune
from tests.world import World

pytestmark = pytest.mark.anyio
Lines = list[dict[str, object]]


@pytest.fixture
async def log(world: World) -> KeptLog:
    return await keep_log(world)


MIDDLE = BundleRange(100, 500)


async def make(log: KeptLog, asked: BundleRange = MIDDLE, *, personal: bool = False) -> bytes:
    """A bundle that leads to every checkpoint outside."""
    audit = log.audit
    against = checkpoints_of(audit.settings.checkpoint_file, vkey=audit.key.vkey, origin=audit.key.name)
    header = await begin_bundle(
        audit, asked, against=against, with_personal=personal, now=log.world.clock(), actor="cli"
    )
    out = io.BytesIO()
    with BundleWriter(out, header) as writer:
        async for event in bundle_events(audit, header.first, header.count, with_personal=personal):
            writer.add(event)
    return out.getvalue()


def lines_of(bundle: bytes) -> Lines:
    return [json.loads(line) for line in gzip.decompress(bundle).splitlines()]


def check(log: KeptLog, lines: Lines | bytes, *checkpoints: Path, vkey: str | None = None) -> BundleVerdict:
    """The verdict, of plain lines as well as of a compressed file."""
    # Digests are over values as they are written: without spaces.
    written = (json.dumps(line, separators=(",", ":")) if isinstance(line, dict) else "" for line in lines)
    data = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in written).encode()
    files = checkpoints or (log.audit.settings.checkpoint_file,)
    return verify_bundle(io.BytesIO(data), checkpoints=files, vkey=vkey or log.audit.key.vkey)


async def test_a_bundle_verifies_against_checkpoints_that_others_kept(log: KeptLog) -> None:
    """S45"""
    bundle = await make(log)
    kept = log.audit.settings.checkpoint_file
    verdict = check(log, bundle)
    assert verdict.findings == ()
    assert (verdict.first, verdict.last, verdict.size) == (100, 499, SIZE)
    # Those within the range, and those beside it by proofs.
    assert verdict.confirmed == COVERED
    assert (verdict.key_given, verdict.unproven) == (True, ())
    unkeyed = verify_bundle(io.BytesIO(bundle), checkpoints=[kept])
    assert (unkeyed.ok, unkeyed.key_given, unkeyed.key) == (True, False, log.audit.key.vkey)
    alone = verify_bundle(io.BytesIO(bundle))
    assert (alone.ok, alone.confirmed) == (True, ())
    assert [event["data"] for event in await log.world.events("admin.evidence_made")] == [
        {"first": 100, "last": 499, "size": SIZE, "personal": False}
    ]


@pytest.mark.parametrize("asked", [BundleRange(), BundleRange(0, 1), BundleRange(639), BundleRange(255, 513)])
async def test_any_range_verifies(log: KeptLog, asked: BundleRange) -> None:
    verdict = check(log, await make(log, asked))
    assert (verdict.findings, verdict.confirmed) == ((), COVERED)


async def test_a_range_of_time_holds_the_events_of_that_time(log: KeptLog) -> None:
    rows = [event["at"] for event in await log.world.events()]
    last = log.world.clock()
    everything = check(log, await make(log, BundleRange(None, last)))
    assert (everything.first, everything.last) == (0, len(rows) - 1)
    with pytest.raises(NothingToProve, match=r"no event in this range; the log has the events 0 to \d+"):
        await make(log, BundleRange(last))


async def test_the_same_events_give_the_same_bytes(log: KeptLog) -> None:
    lines = lines_of(await make(log, personal=True))
    assert lines[1:] == lines_of(await make(log, personal=True))[1:]


async def test_opened_fields_are_checked_and_erased_ones_stay_closed(log: KeptLog) -> None:
    """S47"""
    before = check(log, await make(log, BundleRange(), personal=True))
    assert (before.findings, before.opened, before.erased) == ((), SIZE, 0)
    async with log.audit.database.transaction() as db:
        count = await erase_person(db, log.audit, log.people[0].id, now=log.world.clock(), actor="cli")
    lines = lines_of(await make(log, BundleRange(None, SIZE), personal=True))
    after = check(log, lines)
    assert (after.findings, after.opened, after.erased) == ((), SIZE - (count or 0), count)
    line = next(each for each in lines[1:] if "address" in (each["opened"] or ()))  # type: ignore[operator]
    line["opened"]["address"] = "192.0.2.1"  # type: ignore[index]
    assert [each.words for each in check(log, lines).findings] == [
        f"event {line['seq']}: address and the digests in its body differ"
    ]


async def test_without_being_asked_nothing_personal_is_given_out(log: KeptLog) -> None:
    lines = lines_of(await make(log))
    assert all(line.keys() == {"seq", "hash", "body"} for line in lines[1:])


async def test_removed_events_are_there_by_their_hashes(log: KeptLog) -> None:
    await prune(log, 0, 255)
    bundle = await make(log)
    assert lines_of(bundle)[1].keys() == {"seq", "hash"}
    verdict = check(log, bundle)
    assert (verdict.findings, verdict.hashes_only) == ((), 156)


def change(line: int, **parts: object) -> Callable[[Lines], None]:
    return lambda lines: lines[line].update(parts)


@pytest.mark.parametrize(
    ("tamper", "words", "place"),
    [
        (change(8, body="{}"), "event 107: its body does not give its hash", (107, 107)),
        (change(8, hash="0" * 64), "event 107: its body does not give its hash", (107, 107)),
        (change(8, hash="zz"), "event 107: expected the hash as 64 hexadecimal digits", (107, 107)),
        (change(8, seq=108), "line 9: expected event 107, found event 108", (107, 107)),
        (lambda lines: lines.pop(8), "line 9: expected event 107, found event 108", (107, 107)),
        (lambda lines: lines.insert(8, lines[8]), "line 10: expected event 108, found event 107", (108, 108)),
        (lambda lines: lines.pop(), "the bundle ends before event 499; it should go up to 499", (499, 499)),
        (lambda lines: lines.append(lines[-1]), "the bundle goes on behind its last event 499", (500, 500)),
        (change(8, more=1), "line 9, where event 107 should be: ", (107, 107)),
        # Changed so that it fits itself: what was kept elsewhere says where.
        (
            change(8, body="", hash="6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            "between event 100 and event 256, or in the hashes beside them: they do not give the root of the checkpoint"
            " of 257 events in ",
            (100, 256),
        ),
        (
            change(400, body="", hash="6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            "between event 430 and event 499, or in the hashes beside them",
            (430, 499),
        ),
    ],
)
async def test_a_changed_bundle_is_found_and_the_first_bad_place_named(
    log: KeptLog, tamper: Callable[[Lines], object], words: str, place: tuple[int, int]
) -> None:
    """S45"""
    lines = lines_of(await make(log))
    tamper(lines)
    first = check(log, lines).findings[0]
    assert words in first.words
    assert (first.first, first.last) == place


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"format": "x"}, "expected the format ostiary-log-bundle/1, found 'x'"),
        ({"count": 0}, "at least one event"),
        ({"count": 5000}, "the bundle goes up to event 5099, its checkpoint is of 640 events"),
        ({"first": 101}, "hashes on the left, found"),
        ({"left": ["0"]}, "expected each hash on the left as 64 hexadecimal digits"),
        ({"right": []}, "hashes on the right, found 0"),
        ({"origin": "elsewhere/audit"}, "a checkpoint of the log id.example.com/audit, expected elsewhere/audit"),
        ({"checkpoint": "x"}, "the bundle's own checkpoint: expected a signed note"),
        ({"more": 1}, "the first line is no header of a log bundle"),
    ],
)
async def test_a_header_that_does_not_fit_is_refused(log: KeptLog, parts: dict[str, object], words: str) -> None:
    """S45"""
    lines = lines_of(await make(log))
    lines[0].update(parts)
    with pytest.raises(BundleRefused) as refused:
        check(log, lines)
    assert words in str(refused.value)


async def test_another_key_or_another_log_is_not_believed(log: KeptLog, tmp_path: Path) -> None:
    """S45"""
    bundle = await make(log)
    forger = LedgerKey(log.audit.key.name, bytes(32))
    with pytest.raises(BundleRefused, match="the bundle's own checkpoint: no signature of the key"):
        check(log, bundle, vkey=forger.vkey)
    text, _, _ = log.audit.settings.checkpoint_file.read_text().partition("\n\n")
    forged = tmp_path / "forged.txt"
    forged.write_text(forger.sign(text + "\n"))
    findings = check(log, bundle, forged).findings
    assert f"{forged} (checkpoint 1): no signature of the key" in findings[0].words


async def test_a_checkpoint_without_a_proof_confirms_nothing(log: KeptLog) -> None:
    lines = lines_of(await make(log, BundleRange(300, 400)))
    lines[0]["proofs"] = []
    verdict = check(log, lines)
    assert verdict.unproven == COVERED
    assert "the bundle holds no proof that leads to the checkpoint of 430, 600 events" in (verdict.findings[0].words)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the first line is no header"),
        (b"\x1f\x8bbroken", "line 1: the file is damaged or cut short"),
        (gzip.compress(b"{" * 10 * MAX_LINE_BYTES), "line 1 is longer than 1048576 bytes"),
        (b"\x00" * 3, "the first line is no header"),
        (b"\xff\xfe\n", "the first line is no header"),
        (b"[" * 100_000 + b"\n", "the first line is no header"),
    ],
)
def test_what_is_no_bundle_is_refused_without_being_unpacked(data: bytes, words: str) -> None:
    """S38"""
    with pytest.raises(BundleRefused, match=words):
        verify_bundle(io.BytesIO(data))


async def test_a_file_that_was_cut_short_is_found(log: KeptLog) -> None:
    bundle = await make(log)
    findings = check(log, bundle[: len(bundle) // 2]).findings
    assert "the file is damaged or cut short" in findings[0].words


def test_verification_needs_no_database_library() -> None:
    program = "import sys, audit.bundle.verify; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "audit.bundle.verify" in loaded
    assert {"sqlalchemy", "psycopg", "sqlite3", "asyncio", "httpx2"} & set(loaded) == set()
