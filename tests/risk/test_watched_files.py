"""A file that is used while it is replaced: when it is looked at, read, refused and tried again."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from risk.places.watched_files import LOOK_EVERY_S, RETRY_S, FileRefused, WatchedFile


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Reader:
    """Reads texts, counts how often, and refuses one that says so."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, path: Path) -> str:
        self.times += 1
        text = path.read_text()
        if "bad" in text:
            raise FileRefused("is bad")
        return text


class Setting:
    """A watched file with its clock and reader."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock, self.reader = path, Clock(), Reader()
        self.file = WatchedFile("notes", path, self.reader, clock=self.clock)

    def looked(self, *, after_s: float = LOOK_EVERY_S) -> str | None:
        """The content after a look, whose thread has ended."""
        self.clock.now_s += after_s
        self.file.look()
        for thread in threading.enumerate():
            if thread.name == "notes":
                thread.join(timeout=10)
        return self.file.content

    def write(self, text: str) -> None:
        """Writes in place; the stamp changes even within the clock's grain."""
        before = self.path.stat().st_mtime_ns if self.path.exists() else time.time_ns()
        self.path.write_text(text)
        os.utime(self.path, ns=(before + 1_000_000, before + 1_000_000))


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    """A file that says "one", not looked at yet."""
    made = Setting(tmp_path / "notes.txt")
    made.write("one")
    return made


def test_the_first_look_reads_at_once_and_others_within_a_second_do_not_look(setting: Setting) -> None:
    assert setting.looked(after_s=0) == "one"
    setting.write("two")
    for _ in range(50):
        assert setting.looked(after_s=LOOK_EVERY_S / 100) == "one"
    assert setting.reader.times == 1


def test_a_new_version_is_read_when_it_stayed_the_same_from_one_look_to_the_next(setting: Setting) -> None:
    setting.looked()
    for piece in ("t", "tw", "two"):
        setting.write(piece)
        assert setting.looked() == "one"
    assert setting.reader.times == 1, "a file that is being written was read"
    assert setting.looked() == "two"
    assert (setting.reader.times, setting.file.replaced) == (2, 2)
    assert setting.looked() == "two"
    assert setting.reader.times == 2, "a file that did not change was read again"


def test_a_version_that_is_written_to_while_it_is_read_is_not_taken(setting: Setting) -> None:
    """F9"""
    setting.looked()

    def torn(path: Path) -> str:
        setting.write("three")
        return "tw"

    setting.file._read = torn
    setting.write("two")
    assert [setting.looked(), setting.looked()] == ["one", "one"]
    assert setting.file.fault == "was written to while it was read"
    setting.file._read = setting.reader
    assert [setting.looked(), setting.looked()] == ["one", "three"]
    assert setting.file.fault is None


def test_a_refused_version_is_tried_again_after_a_minute_and_at_once_when_it_changes(setting: Setting) -> None:
    """F9"""
    setting.looked()
    setting.write("bad")
    assert [setting.looked(), setting.looked()] == ["one", "one"]
    assert (setting.file.fault, setting.reader.times) == ("is bad", 2)
    for _ in range(5):
        setting.looked()
    assert setting.reader.times == 2
    setting.looked(after_s=RETRY_S)
    assert setting.reader.times == 3
    setting.write("good")
    assert [setting.looked(), setting.looked()] == ["one", "good"]
    assert (setting.file.fault, setting.file.refused) == (None, 1)


def test_a_file_that_went_away_and_came_back_as_it_was_is_good_again_without_being_read(setting: Setting) -> None:
    """F9"""
    setting.looked()
    hidden = setting.path.with_suffix(".hidden")
    setting.path.rename(hidden)
    assert setting.looked() == "one"
    assert setting.file.fault == "cannot be read (No such file or directory)"
    hidden.rename(setting.path)
    assert setting.looked() == "one"
    assert [setting.file.fault, setting.reader.times] == [None, 1]


def test_what_turned_out_to_be_damaged_stays_blamed_until_the_file_is_replaced(setting: Setting) -> None:
    setting.looked()
    setting.file.blame("is damaged")
    assert [setting.looked(), setting.file.fault] == ["one", "is damaged"]
    setting.write("two")
    assert [setting.looked(), setting.looked()] == ["one", "two"]
    assert setting.file.fault is None


def test_callers_do_not_wait_while_a_new_version_is_read(setting: Setting) -> None:
    setting.looked()
    may_end = threading.Event()

    def slow(path: Path) -> str:
        assert may_end.wait(timeout=10)
        return path.read_text()

    setting.file._read = slow
    setting.write("two")
    setting.looked()
    setting.clock.now_s += 1
    setting.file.look()
    for _ in range(20):
        setting.clock.now_s += 1
        setting.file.look()
        assert setting.file.content == "one"
    assert len([thread for thread in threading.enumerate() if thread.name == "notes"]) == 1
    may_end.set()
    assert setting.looked() == "two"
