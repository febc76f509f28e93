"""Events in a file: in order, at least once, through rotation, crashes and a full disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from audit.siem import file_export
from audit.siem.file_export import CURSOR, AppendedFile, FileExport
from audit.siem.place import Lag
from base.cursors import load_cursor
from base.database import Database
from base.errors import StorageUnavailable
from tests.audit.siem.stored_events import emit, number_all
from tests.world import World

pytestmark = pytest.mark.anyio


def sequences(path: Path) -> list[int]:
    """The numbers of the events in a file."""
    return [json.loads(line)["metadata"]["sequence"] for line in path.read_text().splitlines()]


async def cursor(database: Database) -> int | None:
    async with database.reading() as db:
        return await load_cursor(db, CURSOR)


async def test_every_event_is_written_once_in_order_and_for_the_owner_alone(world: World, tmp_path: Path) -> None:
    path = tmp_path / "siem" / "events.ndjson"
    export = FileExport(world.services.audit, path=path, form="ocsf")
    await emit(world, 1200)
    await export.round()
    await emit(world, 3)
    await export.round()
    assert sequences(path) == list(range(1207))
    assert path.stat().st_mode & 0o777 == 0o600
    assert (export.lag, await cursor(world.services.database)) == (Lag(0, 0.0), 1207)
    await export.stop()


async def test_a_file_that_was_moved_away_is_left_alone_and_a_new_one_begun(world: World, tmp_path: Path) -> None:
    path, moved = tmp_path / "events.ndjson", tmp_path / "events.ndjson.1"
    export = FileExport(world.services.audit, path=path, form="ocsf")
    await number_all(world)
    await export.round()
    path.rename(moved)
    await emit(world, 2)
    await export.round()
    path.unlink()
    await emit(world, 2)
    await export.round()
    assert (sequences(moved), sequences(path)) == ([0, 1, 2, 3], [6, 7])
    await export.stop()


async def test_a_process_that_dies_between_file_and_cursor_writes_the_batch_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.ndjson"
    export = FileExport(world.services.audit, path=path, form="ocsf")
    await emit(world, 2)

    async def die(following: int) -> None:
        raise StorageUnavailable("the database is away")

    await export.round()
    await emit(world, 2)
    with monkeypatch.context() as broken:
        broken.setattr(export._place, "move", die)
        with pytest.raises(StorageUnavailable):
            await export.round()
    await export.round()
    assert sequences(path) == [0, 1, 2, 3, 4, 5, 6, 7, 6, 7]
    await export.stop()


async def test_a_torn_line_is_ended_and_its_event_follows_whole(world: World, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"torn')
    export = FileExport(world.services.audit, path=path, form="ecs")
    await number_all(world)
    await export.round()
    first, *rest = path.read_text().splitlines()
    assert first == '{"torn'
    assert [json.loads(line)["event"]["sequence"] for line in rest] == [0, 1, 2, 3]
    await export.stop()


async def test_a_full_disk_leaves_no_half_line_and_the_events_come_later(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """F5"""
    monkeypatch.setattr(file_export, "WAIT_S", 0.0)
    path = tmp_path / "events.ndjson"
    export = FileExport(world.services.audit, path=path, form="cef")
    await number_all(world)
    await export.round()
    before, write = path.read_bytes(), os.write

    def full(opened: int, data: bytes) -> int:
        if len(data) < 400:
            raise OSError(28, "No space left on device")
        return write(opened, bytes(data)[:200])

    await emit(world, 1)
    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        await export.round()
        await export.round()
    assert path.read_bytes() == before
    assert export.lag is not None
    assert export.lag.events == 1
    await export.round()
    assert len(path.read_text().splitlines()) == 5
    told = [record.getMessage() for record in caplog.records if record.name == "ostiary.siem"]
    assert told == [
        f"siem:file: {path} cannot be written: No space left on device; trying again",
        f"siem:file: {path} can be written again",
    ]
    await export.stop()


async def test_only_one_process_writes(world: World, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    first, second = (FileExport(world.services.audit, path=path, form="ocsf") for _ in range(2))
    await number_all(world)
    await first.round()
    await second.round()
    assert (sequences(path), second.lag) == ([0, 1, 2, 3], None)
    await first.stop()
    await emit(world, 1)
    world.clock.move(seconds=11)
    await second.round()
    assert sequences(path) == [0, 1, 2, 3, 4]
    await second.stop()


async def test_lines_are_on_the_disk_before_the_call_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    file = AppendedFile(tmp_path / "events")
    file.append(b"one\n")
    file.append(b"two\n")
    assert len(synced) == 2
    file.close()
    assert (tmp_path / "events").read_bytes() == b"one\ntwo\n"


async def test_no_link_is_followed_neither_at_first_nor_later(world: World, tmp_path: Path) -> None:
    """Whoever may write to the folder could send personal data into any file of this server."""
    path, target = tmp_path / "events.ndjson", tmp_path / "target"
    target.write_text("keep\n")
    path.symlink_to(target)
    export = FileExport(world.services.audit, path=path, form="ecs")
    await number_all(world)
    await export.round()
    assert target.read_text() == "keep\n"
    assert export.lag is not None
    assert export.lag.events == 4
    await export.stop()
    file = AppendedFile(tmp_path / "other")
    file.append(b"one\n")
    (tmp_path / "other").rename(tmp_path / "moved")
    (tmp_path / "other").symlink_to(tmp_path / "moved")
    with pytest.raises(OSError, match="symbolic link"):
        file.append(b"two\n")
    assert (tmp_path / "moved").read_bytes() == b"one\n"


def test_only_a_regular_file_is_written_and_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    file = AppendedFile(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OSError, match="no regular file"):
            file.append(b"one\n")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(("mode", "expected"), [(0o644, 0o640), (0o666, 0o660), (0o640, 0o640), (0o600, 0o600)])
def test_a_file_that_is_there_already_is_closed_to_others(tmp_path: Path, mode: int, expected: int) -> None:
    path = tmp_path / "events"
    path.write_bytes(b"")
    path.chmod(mode)
    file = AppendedFile(path)
    file.append(b"one\n")
    file.close()
    assert (path.stat().st_mode & 0o777, path.read_bytes()) == (expected, b"one\n")
