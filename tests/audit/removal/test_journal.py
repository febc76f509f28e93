"""The journal of erasures: on the disk before anything else, readable after a crash, never half believed."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.removal.journal import LOCK_TIMEOUT_S, Erasure, Journal, JournalUnwritable, read_journal, write_erasure
from base.sqlite import GATE_TIMEOUT_S

AT = datetime(2026, 11, 22, 20, 0, 0, 5, tzinfo=UTC)
ADA, BOB = Erasure(b"a" * 16, AT), Erasure(b"b" * 16, AT)


def test_what_was_written_is_read_in_order_and_each_subject_once(tmp_path: Path) -> None:
    path = tmp_path / "erasures.journal"
    for erasure in (ADA, BOB, ADA):
        write_erasure(path, erasure)
    assert read_journal(path) == Journal((ADA, BOB))
    assert len(path.read_bytes().splitlines()) == 3


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data" / "erasures.journal"
    write_erasure(path, ADA)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]


def test_a_journal_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == Journal()


@given(cut=st.integers(1, 60))
def test_a_torn_line_is_passed_over_and_what_follows_it_counts(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "erasures.journal"
    write_erasure(path, ADA)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: min(cut, len(whole) - 2)])
    assert read_journal(path) == Journal((ADA,), (2,))
    write_erasure(path, BOB)
    assert read_journal(path) == Journal((ADA, BOB), (2,))


@given(st.binary())
def test_a_journal_of_any_bytes_can_be_read(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("journal") / "erasures.journal"
    path.write_bytes(raw)
    read_journal(path)


def test_the_line_is_on_the_disk_and_so_is_the_name_of_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def watched(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    path = tmp_path / "erasures.journal"
    write_erasure(path, ADA)
    write_erasure(path, BOB)
    assert synced == [str(tmp_path), str(path), str(path)]


@pytest.mark.parametrize("place", ["folder", "file/erasures.journal"])
def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnwritable, match="the journal of erasures cannot be written"):
        write_erasure(tmp_path / place, ADA)


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "erasures.journal"
    write_erasure(path, ADA)
    before = path.read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:10]))
    with pytest.raises(JournalUnwritable):
        write_erasure(path, BOB)
    assert path.read_bytes() == before


def test_a_journal_that_somebody_keeps_locked_is_not_waited_for_without_end(tmp_path: Path) -> None:
    path = tmp_path / "erasures.journal"
    write_erasure(path, ADA)
    begun = time.monotonic()
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(JournalUnwritable, match="cannot be written: another process has kept it locked for 1 s"):
            write_erasure(path, BOB)
    assert time.monotonic() - begun >= LOCK_TIMEOUT_S
    assert LOCK_TIMEOUT_S < GATE_TIMEOUT_S / 2
    write_erasure(path, BOB)
    assert read_journal(path) == Journal((ADA, BOB))


def _write_many(path: Path, first: int) -> None:
    for number in range(first, first + 50):
        _write_until_it_takes(path, Erasure(number.to_bytes(16, "big"), AT))


def _write_until_it_takes(path: Path, erasure: Erasure) -> None:
    """As a server does. On a slow disk one of several that write without a pause may find the lock taken each time."""
    try:
        write_erasure(path, erasure)
    except JournalUnwritable:
        _write_until_it_takes(path, erasure)


def test_processes_that_write_together_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "erasures.journal"
    context = get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, first)) for first in (1000, 2000, 3000)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    journal = read_journal(path)
    assert (len(journal.erasures), journal.unreadable) == (150, ())
