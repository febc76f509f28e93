"""Checkpoints outside the database: what is read of files and folders, and what is not believed (S45)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.ledger.notes import Checkpoint, LedgerKey, NoteRefused, format_checkpoint
from audit.verification.held import checkpoints_of, files_of, read_held

KEY = LedgerKey("id.example.com/audit", bytes(range(32)))
AT = datetime(2026, 11, 22, 20, tzinfo=UTC)


def note(size: int, root: bytes = b"r" * 32, *, origin: str = KEY.name, key: LedgerKey = KEY) -> str:
    return key.sign(format_checkpoint(Checkpoint(origin, size, root, AT)))


def words(*files: Path) -> tuple[list[int], list[str]]:
    """The sizes that were read, and what was found wrong."""
    held, findings = read_held(files, vkey=KEY.vkey, origin=KEY.name)
    return sorted(held.roots), [each.words for each in findings.shown]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints.txt"


def test_a_file_holds_many_and_a_folder_one_a_file(file: Path, tmp_path: Path) -> None:
    file.write_text("".join(note(size) + "\n" for size in (1, 2, 3)))
    folder = tmp_path / "bucket"
    folder.mkdir()
    (folder / "00000000000000000004.txt").write_text(note(4))
    (folder / "00000000000000000005.part").write_text("half")
    files = files_of(file, folder)
    assert [each.name for each in files] == ["checkpoints.txt", "00000000000000000004.txt"]
    assert words(*files) == ([1, 2, 3, 4], [])
    assert [each.size for each in checkpoints_of(file, vkey=KEY.vkey, origin=KEY.name)] == [1, 2, 3]


def test_places_that_do_not_exist_hold_nothing(file: Path, tmp_path: Path) -> None:
    assert files_of(file, tmp_path / "none") == []
    assert files_of(file, None) == []


@pytest.mark.parametrize("length", [1, 30, 90, 130, 180])
def test_a_write_that_a_crash_cut_off_and_that_was_done_again_is_no_finding(file: Path, length: int) -> None:
    file.write_text(note(1) + "\n" + note(2)[:length] + "\n\n" + note(2) + "\n" + note(3) + "\n")
    assert words(file) == ([1, 2, 3], [])


def test_a_torn_one_that_was_not_done_again_is_told(file: Path) -> None:
    file.write_text(note(1) + "\n" + note(2)[:40] + "\n\n" + note(3) + "\n" + note(4)[:40])
    sizes, told = words(file)
    assert sizes == [1, 3]
    expected = "expected a signed note: a text, an empty line, and lines that begin with '— '"
    assert told == [f"{file} (checkpoint 2): {expected}", f"{file} (checkpoint 4): {expected}"]


def test_a_changed_one_hides_no_other(file: Path) -> None:
    good, bad = note(1), note(2).replace("\n2\n", "\n7\n")
    file.write_text(f"{good}\n{bad}\n{note(3)}\n")
    assert words(file) == (
        [1, 3],
        [f"{file} (checkpoint 2): the signature of id.example.com/audit does not fit the text"],
    )


def test_two_that_say_different_things_of_one_size_are_two_logs(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    file.write_text(note(8))
    other.write_text(note(8, b"x" * 32))
    told = words(file, other)[1]
    assert told == [
        f"two checkpoints of 8 events say different things, in {file} (checkpoint 1) and in {other} (checkpoint 1):"
        " there are two logs, or one that was rewritten"
    ]


def test_another_log_and_another_key_are_not_believed(file: Path) -> None:
    stranger = LedgerKey(KEY.name, bytes(32))
    file.write_text(note(1, origin="elsewhere/audit") + "\n" + note(2, key=stranger))
    sizes, told = words(file)
    assert sizes == []
    assert "a checkpoint of the log elsewhere/audit, expected id.example.com/audit" in told[0]
    assert "no signature of the key id.example.com/audit+" in told[1]
    with pytest.raises(NoteRefused, match="a checkpoint of the log elsewhere/audit"):
        checkpoints_of(file, vkey=KEY.vkey, origin=KEY.name)


def test_a_file_without_any_is_refused_where_one_is_needed(file: Path) -> None:
    file.write_text("\n\n")
    with pytest.raises(NoteRefused, match="holds no checkpoint"):
        checkpoints_of(file, vkey=KEY.vkey, origin=KEY.name)


def test_a_file_without_line_ends_or_that_is_no_text_is_read_in_parts(file: Path) -> None:
    file.write_bytes(b"\xff" * 300_000 + b"\n" * 50_000 + b"x\n" * 50_000)
    sizes, told = words(file)
    assert sizes == []
    assert told
    assert all("expected a " in each for each in told)


def test_a_file_with_the_ends_of_lines_of_another_system_is_read(file: Path) -> None:
    """S45: an auditor's copy came by mail."""
    file.write_bytes("".join(note(size) + "\n" for size in (1, 2)).replace("\n", "\r\n").encode())
    assert words(file) == ([1, 2], [])
    assert [each.size for each in checkpoints_of(file, vkey=KEY.vkey, origin=KEY.name)] == [1, 2]
