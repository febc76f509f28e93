"""The archive: events are in it for certain before they go, and an erasure reaches it as well."""

from __future__ import annotations

import gzip
import json
import logging
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select

from audit.ledger.merkle import leaf_hash
from audit.ledger.tiles import leaf_hashes
from audit.record import sealed_aad
from audit.removal.archive import ArchiveRefused, Kept, read_archive, read_kept, write_archive
from audit.removal.erasure import erase_person
from audit.removal.journal import read_journal
from audit.removal.retention import Retention
from audit.tables import events, subject_keys
from base.sealing import unseal_under
from tests.audit.removal.old_events import ADDRESS, fill, numbers, pruned, removed, verdict
from tests.world import World, open_world

NAME = "events-000000000000-000000000511.ndjson.gz"
KEPT = [Kept(number, f'{{"n":{number},"t":"\u2028ş"}}', b"s" * 16, bytes([number])) for number in range(7, 12)]


@pytest.mark.anyio
async def test_events_are_archived_byte_for_byte_before_they_go(database_url: str, tmp_path: Path) -> None:
    """S45"""
    folder = tmp_path / "old" / "events"
    async with open_world(database_url, tmp_path, audit__max_events="1", audit__archive_dir=str(folder)) as world:
        await fill(world, 600)
        async with world.services.database.reading() as db:
            before = [tuple(row) for row in await db.execute(
                select(events.c.seq, events.c.body).where(events.c.seq < 512).order_by(events.c.seq)
            )]  # fmt: skip
        await Retention(world.services.audit).round()
        assert list(read_archive(folder / NAME)) == before
        assert [path.name for path in folder.iterdir()] == [NAME]
        assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
        assert await removed(world) == [(0, 511, NAME)]
        assert await pruned(world) == [{"first": 0, "last": 511, "archived": NAME}]
        async with world.services.database.reading() as db:
            hashes = await leaf_hashes(db, 0, 512)
        assert [leaf_hash(body.encode()) for _, body in read_archive(folder / NAME)] == hashes
        assert (await verdict(world)).findings == ()
        # The next ones go into a file of their own.
        world.clock.move(minutes=3)
        await fill(world, 600)
        await Retention(world.services.audit).round()
        assert [archive for _, _, archive in await removed(world)] == sorted(path.name for path in folder.iterdir())
        assert len(await removed(world)) == 2
        assert (await verdict(world)).findings == ()


@pytest.mark.anyio
async def test_an_erasure_makes_what_was_archived_unreadable_too(database_url: str, tmp_path: Path) -> None:
    """S47"""
    folder = tmp_path / "old"
    async with open_world(database_url, tmp_path, audit__max_events="1", audit__archive_dir=str(folder)) as world:
        person = await world.person(password=None)
        await fill(world, 600, person=person)
        values = [("person", person.id.hex()), ("address", ADDRESS), ("network", "203.0.113.0/24")]
        indexes = [world.services.emitter.index(kind, value) for kind, value in values]
        await Retention(world.services.audit).round()
        path = folder / NAME
        raw = gzip.decompress(path.read_bytes())
        for index in indexes:
            # Whoever has the index key could look for an address by it, long after the erasure.
            assert index not in raw
            assert index.hex().encode() not in raw
        assert ADDRESS.encode() not in raw
        assert await _opens(world, path) > 400
        async with world.services.database.transaction() as db:
            await erase_person(db, world.services.audit, person.id, now=world.clock(), actor="cli")
        assert await _opens(world, path) == 0
        assert (await verdict(world)).findings == ()
        assert len(read_journal(world.services.audit.settings.erasure_journal).erasures) == 1


async def _opens(world: World, path: Path) -> int:
    """How many of the archived events about people can be read with the keys that there are."""
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(subject_keys.c.subject_id, subject_keys.c.sealed))).all()
    keys = {
        bytes(subject): AESGCM(world.services.sealer.unseal(sealed, aad=b"subject key " + bytes(subject)))
        for subject, sealed in rows
        if sealed is not None
    }
    opened = 0
    for each in read_kept(path):
        key = keys.get(each.sealed_for)
        if key is not None and any(each.sealed_for):
            event_id = bytes.fromhex(json.loads(each.body)["id"].removeprefix("evt_"))
            aad = sealed_aad(event_id, leaf_hash(each.body.encode()))
            assert ADDRESS.encode() in unseal_under(key, each.sealed, aad) or "person_created" in each.body
            opened += 1
    return opened


@pytest.mark.anyio
async def test_where_the_archive_fails_nothing_is_removed(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "old"
    folder.write_text("a file where a folder should be")
    async with open_world(database_url, tmp_path, audit__max_events="1", audit__archive_dir=str(folder)) as world:
        await fill(world, 600)
        rounds = Retention(world.services.audit)
        with caplog.at_level(logging.WARNING):
            await rounds.round()
        assert len(await numbers(world)) == 600
        assert (await removed(world), await pruned(world)) == ([], [])
        (said,) = [record.getMessage() for record in caplog.records if record.name == "ostiary.retention"]
        assert said.startswith(f"old events stay in the database: {NAME} cannot be written: ")
        folder.unlink()
        await rounds.round()
        assert (await numbers(world))[0] == 512


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.gz"
    write_archive(path, KEPT, log="id.example.com")
    assert list(read_kept(path)) == KEPT
    head = json.loads(gzip.decompress(path.read_bytes()).split(b"\n")[0])
    assert head == {"format": "ostiary audit archive 1", "log": "id.example.com", "first": 7, "last": 11}


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.mkdir()
    with pytest.raises(ArchiveRefused, match=r"a\.gz cannot be written: Is a directory"):
        write_archive(path, KEPT, log="id.example.com")
    assert [each.name for each in tmp_path.iterdir()] == ["a.gz"]


def _cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def _flip(at: int) -> object:
    return lambda raw: raw[:at] + bytes([raw[at] ^ 255]) + raw[at + 1 :]


def _without(line: int) -> object:
    def change(raw: bytes) -> bytes:
        lines = gzip.decompress(raw).splitlines(keepends=True)
        return gzip.compress(b"".join(lines[:line] + lines[line + 1 :]))

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_cut, "cannot be read"),
        *((_flip(at), "") for at in (1, 30, 60, 90, -6)),
        (_without(0), "cannot be read"),
        (_without(2), "event 9 stands where event 8 should"),
        (_without(5), "it ends at event 10, expected 11"),
        (lambda _: gzip.compress(b'{"format":"other","log":"","first":0,"last":0}\n'), "a file of the format 'other'"),
        (lambda _: b"", "cannot be read"),
        (lambda _: b"no archive at all", "cannot be read"),
    ],
)
def test_a_damaged_archive_is_refused_by_name(tmp_path: Path, change: object, told: str) -> None:
    path = tmp_path / "a.gz"
    write_archive(path, KEPT, log="id.example.com")
    assert callable(change)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ArchiveRefused, match=rf"a\.gz.*{told}"):
        list(read_archive(path))


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="cannot be read"):
        list(read_archive(tmp_path / "none.gz"))
