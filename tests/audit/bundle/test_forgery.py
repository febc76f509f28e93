"""Bundles of somebody who owns server, key and database, and files that are made to break a reader (S45)."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.bundle.form import BundleRefused
from audit.bundle.making import BundleRange, bundle_events
from audit.bundle.verify import verify_bundle
from audit.ledger.merkle import Frontier, leaf_hash
from audit.ledger.notes import Checkpoint, LedgerKey, format_checkpoint
from audit.removal.erasure import erase_person
from tests.audit.bundle.test_verify import Lines, check, lines_of, make
from tests.audit.verification.kept_log import COVERED, SIZE, KeptLog, keep_log
from tests.audit.verification.test_verify import prune
from tests.world import World

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
async def log(world: World) -> KeptLog:
    return await keep_log(world)


def held(log: KeptLog, folder: Path, *sizes: int) -> Path:
    """The checkpoints of these sizes, as an auditor keeps them."""
    notes = log.audit.settings.checkpoint_file.read_text().split("\n\n")
    whole = [f"{text}\n\n{signature}\n" for text, signature in zip(notes[::2], notes[1::2], strict=False)]
    path = folder / "kept.txt"
    path.write_text("\n".join(note for note in whole if int(note.split("\n")[1]) in sizes))
    return path


def forked(lines: Lines, key: LedgerKey) -> Lines:
    """The bundle of another log, which goes its own way at event 300 and is signed anew where the bundle ends."""
    changed = [dict(line) for line in lines]
    body = str(changed[201]["body"]).replace('"source":"auth-service"', '"source":"auth-servant"')
    assert body != changed[201]["body"]
    changed[201] |= {"body": body, "hash": leaf_hash(body.encode()).hex()}
    tree = Frontier(100, [bytes.fromhex(each) for each in changed[0]["left"]])  # type: ignore[attr-defined]
    for line in changed[1:]:
        tree.push(bytes.fromhex(str(line["hash"])))
    note = key.sign(format_checkpoint(Checkpoint(key.name, 500, tree.root(), AT)))
    changed[0] |= {"checkpoint": note, "right": [], "proofs": [], "key": key.vkey}
    return changed


async def test_a_fork_does_not_pass_by_an_older_checkpoint_where_a_newer_one_is_held(
    log: KeptLog, tmp_path: Path
) -> None:
    """S45"""
    lines = forked(lines_of(await make(log)), log.audit.key)
    alone = check(log, lines, held(log, tmp_path, 100))
    assert (alone.ok, alone.confirmed) == (True, (100,))
    verdict = check(log, lines, held(log, tmp_path, 100, 600))
    assert (verdict.ok, verdict.confirmed, verdict.unproven) == (False, (100,), (600,))
    assert verdict.findings[0].words == (
        "the bundle holds no proof that leads to the checkpoint of 600 events: ask for one that was exported with this"
        " checkpoint"
    )


async def test_each_checkpoint_behind_the_beginning_must_be_proven_and_one_before_it_need_not(
    log: KeptLog, tmp_path: Path
) -> None:
    """S45"""
    lines = lines_of(await make(log, BundleRange(300, 400)))
    proofs = [dict(each) for each in lines[0]["proofs"]]  # type: ignore[attr-defined]
    lines[0]["proofs"] = [each for each in proofs if each["size"] == 600]
    verdict = check(log, lines, held(log, tmp_path, 100, 257, 600))
    assert (verdict.ok, verdict.confirmed, verdict.unproven) == (True, (600,), (100, 257))
    verdict = check(log, lines, held(log, tmp_path, 430, 600))
    assert (verdict.ok, verdict.confirmed, verdict.unproven) == (False, (600,), (430,))


async def test_an_empty_key_is_no_key_and_an_empty_file_no_checkpoint(log: KeptLog, tmp_path: Path) -> None:
    """S45"""
    evil = LedgerKey(log.audit.key.name, b"\x07" * 32)
    lines = forked(lines_of(await make(log)), evil)
    data = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    with pytest.raises(BundleRefused, match="the bundle's own checkpoint: "):
        verify_bundle(io.BytesIO(data), vkey="")
    empty = tmp_path / "empty.txt"
    for content in ("", "\n\n\n"):
        empty.write_text(content)
        verdict = verify_bundle(io.BytesIO(data), checkpoints=[empty])
        assert [each.words for each in verdict.findings] == [
            f"{empty} holds no checkpoint, so nothing is compared with it"
        ]


@pytest.mark.parametrize(
    ("without", "words"),
    [
        ([300], "event 300: its body was left out; a clean-up removes no event behind one that it leaves"),
        ([100], "event 100: its body was left out; a clean-up removes a multiple of 256 events"),
        (range(100, 255), "event 254: its body was left out; a clean-up removes a multiple of 256 events"),
        (range(256, 500), "event 256: its body was left out; a clean-up removes no event behind one that it leaves"),
        (range(100, 256), ""),
        (range(100, 500), ""),
    ],
)
async def test_bodies_are_missing_only_where_a_clean_up_leaves_none(
    log: KeptLog, without: list[int] | range, words: str
) -> None:
    """S45"""
    lines = lines_of(await make(log))
    for number in without:
        lines[number - 99].pop("body")
    verdict = check(log, lines)
    assert [each.words for each in verdict.findings[:1]] == ([words] if words else [])
    assert (verdict.ok, verdict.hashes_only) == (not words, len(without))


async def test_a_clean_up_while_a_bundle_is_written_tears_no_hole_into_it(
    log: KeptLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.bundle.making.BATCH", 128)
    written = bundle_events(log.audit, 0, SIZE)
    for _ in range(128):
        assert (await anext(written)).body is not None
    await prune(log, 0, 255)
    with pytest.raises(LookupError, match="a clean-up removed event 128 while the bundle was made: make it again"):
        await anext(written)


async def test_personal_fields_are_closed_only_where_somebody_may_have_been_erased(log: KeptLog) -> None:
    """S47"""
    async with log.audit.database.transaction() as db:
        count = await erase_person(db, log.audit, log.people[0].id, now=log.world.clock(), actor="cli")
    lines = lines_of(await make(log, BundleRange(None, SIZE), personal=True))
    assert (check(log, lines).findings, check(log, lines).erased) == ((), count)
    line = next(each for each in lines[1:] if "person_index" not in str(each["body"]))
    line["opened"] = None
    assert [each.words for each in check(log, lines).findings] == [
        f"event {line['seq']}: its personal fields were left out; it is about nobody who was erased"
    ]


async def test_what_is_nested_too_deep_is_refused_and_breaks_nothing(log: KeptLog) -> None:
    """S38, S45"""
    lines = lines_of(await make(log, BundleRange(100, 101)))
    head, line = (json.dumps(each).encode() for each in lines)
    deep = b"[" * 200_000 + b"]" * 200_000
    opened = line[:-1] + b',"opened":{"a":' + deep + b"}}"
    assert "line 2, where event 100 should be: " in check(log, head + b"\n" + opened + b"\n").findings[0].words
    lines[1] |= {"body": '{"v":1,"data":' + deep.decode() + "}", "opened": {"a": 1}}
    found = [each.words for each in check(log, lines).findings]
    assert "event 100: its body does not give its hash" in found
    assert "event 100: personal fields without a body to compare them with" in found
    with pytest.raises(BundleRefused, match="the first line is no header"):
        verify_bundle(io.BytesIO(b'{"proofs":[{"size":' + deep + b"\n"))


async def test_nothing_stands_behind_the_compressed_lines(log: KeptLog) -> None:
    """S45"""
    bundle = await make(log)
    assert (check(log, bundle).ok, check(log, bundle).confirmed) == (True, COVERED)
    for more in (b"\0", b"\0" * 100_000, b"x", gzip.compress(b""), gzip.compress(b"\n") * 1000):
        found = check(log, bundle + more).findings
        assert "something stands behind the compressed lines" in found[0].words
    # A file of two parts is none that we wrote, even where both together are a bundle.
    plain = gzip.decompress(bundle)
    parts = gzip.compress(plain[:5000]) + gzip.compress(plain[5000:])
    with pytest.raises(BundleRefused, match="something stands behind the compressed lines"):
        check(log, gzip.compress(b"") + bundle)
    assert "something stands behind the compressed lines" in check(log, parts).findings[0].words
