"""Events on disk: what a crash takes with it, who takes over what is left, and which events make room."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.spool import Spool, SpoolLimits
from ostiary.spool_folder import ProcessFolder
from ostiary.spool_frames import pack, unpack
from ostiary.spool_losses import LossCount, Losses
from ostiary.spool_segment import FileSegment, Lane

LIMITS = SpoolLimits(max_bytes=80_000, max_held_bytes=4_000, max_segment_events=10, max_segment_bytes=10_000)
NOW = "2026-11-22T20:00:00+00:00"

payloads = st.lists(st.binary(min_size=1, max_size=60), max_size=20)


def open_spool(root: Path | None, *, limits: SpoolLimits = LIMITS) -> Spool:
    """An open spool with small limits."""
    spool = Spool(root, limits, now=lambda: NOW)
    spool.open()
    return spool


def die(spool: Spool) -> None:
    """What the kernel does when the process is killed: locks and files are let go of, nothing is tidied up."""
    spool.leave()


def drain(spool: Spool) -> list[bytes]:
    """Everything in the order of sending, taken out."""
    found = []
    while (segment := spool.take()) is not None:
        found += segment.read().payloads
        spool.settle(segment)
    return found


@given(payloads)
def test_what_is_packed_is_found_again(events: list[bytes]) -> None:
    assert unpack(pack(events)).payloads == events
    assert unpack(pack(events)).damaged == 0


@given(payloads, st.integers(min_value=0))
def test_a_torn_end_loses_the_torn_event_alone(events: list[bytes], cut: int) -> None:
    whole = pack(events)
    kept = cut % (len(whole) + 1)
    ends = [len(pack(events[:number])) for number in range(len(events) + 1)]
    expected = max(number for number, end in enumerate(ends) if end <= kept)
    found = unpack(whole[:kept])
    assert found.payloads == events[:expected]
    assert found.damaged == (kept not in ends)


@given(payloads.filter(bool), st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_never_changes_an_event(events: list[bytes], at: int, bit: int) -> None:
    damaged = bytearray(pack(events))
    damaged[at % len(damaged)] ^= 1 << bit
    found = unpack(bytes(damaged))
    assert found.damaged >= 1
    assert [each for each in found.payloads if each not in events] == []


@given(payloads, st.integers(min_value=1, max_value=50))
def test_zeros_at_the_end_are_no_events(events: list[bytes], zeros: int) -> None:
    """A power cut can keep a file's size and lose its end."""
    assert unpack(pack(events) + bytes(zeros)).payloads == events


def test_a_torn_file_is_sent_without_its_torn_event(tmp_path: Path) -> None:
    first = open_spool(tmp_path)
    first.append(Lane.LOW, [b"one", b"two", b"three"])
    (path,) = tmp_path.rglob("*.seg")
    die(first)
    os.truncate(path, path.stat().st_size - 1)
    assert drain(open_spool(tmp_path)) == [b"one", b"two"]


def test_what_a_dead_process_left_is_taken_over_once_and_sent_first(tmp_path: Path) -> None:
    dead = open_spool(tmp_path)
    dead.append(Lane.LOW, [b"%d" % number for number in range(25)])
    living, other = open_spool(tmp_path), open_spool(tmp_path)
    living.append(Lane.LOW, [b"mine"])
    assert len(living) == 1, "a living process lost its events to another"
    die(dead)
    living.open()
    other.open()
    assert len(other) == 0
    assert drain(living) == [*(b"%d" % number for number in range(25)), b"mine"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_segment_under_way_is_sent_again_after_a_crash_in_the_same_bytes(tmp_path: Path) -> None:
    """What comes in meanwhile goes into another segment."""
    first = open_spool(tmp_path)
    first.append(Lane.LOW, [b"one"])
    under_way = first.take()
    assert under_way is not None
    sent = under_way.read().payloads
    first.append(Lane.LOW, [b"two"])
    die(first)
    second = open_spool(tmp_path)
    again = second.take()
    assert again is not None
    assert again.read().payloads == sent == [b"one"]


def test_a_closed_spool_leaves_its_events_and_an_empty_one_leaves_nothing(tmp_path: Path) -> None:
    full, empty = open_spool(tmp_path), open_spool(tmp_path)
    full.append(Lane.LOW, [b"one"])
    assert empty.close() == full.close() == 0
    assert len(list(tmp_path.iterdir())) == 1
    last = open_spool(tmp_path)
    assert drain(last) == [b"one"]
    last.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_maker_died_before_it_locked_it_is_removed(tmp_path: Path) -> None:
    (tmp_path / "process-1-aaaa").mkdir()
    spool = open_spool(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [path.name for path in tmp_path.glob("process-*-????????")]
    spool.close()


def test_a_new_folder_that_somebody_tidied_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between making the folder and locking it, an adopter came by."""
    made = []
    mkdir = Path.mkdir

    def and_gone(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        mkdir(path, mode, parents, exist_ok)
        made.append(path)
        if len(made) == 2:
            path.rmdir()

    monkeypatch.setattr(Path, "mkdir", and_gone)
    folder = ProcessFolder.create(tmp_path)
    assert folder.path == made[2]
    assert (folder.path / "lock").exists()
    folder.close()


def test_low_events_make_room_for_raised_ones_and_never_the_other_way_round(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    event = bytes(900)
    spool.append(Lane.LOW, [b"%03d" % number + event for number in range(40)])
    spool.append(Lane.RAISED, [event] * 80)
    spool.append(Lane.LOW, [event] * 10)
    assert spool.size <= LIMITS.max_bytes
    raised = list(tmp_path.rglob("raised-*.seg"))
    assert sum(len(unpack(path.read_bytes()).payloads) for path in raised) == 80
    assert len(spool) + spool.losses.untold.count == 130
    spool.append(Lane.RAISED, [event] * 30)
    assert not list(tmp_path.rglob("low-*.seg"))
    assert spool.size <= LIMITS.max_bytes


def test_the_oldest_go_first_and_never_those_under_way(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    events = [b"%03d" % number + bytes(900) for number in range(200)]
    spool.append(Lane.LOW, events[:10])
    under_way = spool.take()
    spool.append(Lane.LOW, events[10:])
    assert under_way is not None
    assert under_way.read().payloads == events[:10]
    lost = spool.losses.untold.count
    assert lost > 100
    assert drain(spool) == events[:10] + events[10 + lost :]


def test_losses_outlive_the_process_and_are_told_once(tmp_path: Path) -> None:
    dead = open_spool(tmp_path)
    dead.losses.add(3)
    die(dead)
    living = open_spool(tmp_path)
    assert living.losses.untold == Losses(3, NOW, NOW)
    living.losses.add(2)
    living.losses.forget(Losses(3, NOW, NOW))
    die(living)
    last = open_spool(tmp_path)
    assert last.losses.untold.count == 2
    last.losses.forget(last.losses.untold)
    last.close()
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_count_of_losses_is_a_loss(tmp_path: Path) -> None:
    (tmp_path / "losses").write_bytes(b"{")
    losses = LossCount(lambda: NOW)
    losses.take_over(tmp_path / "losses")
    assert losses.untold.count == 1
    assert not (tmp_path / "losses").exists()


def test_a_full_disk_costs_no_event_while_memory_lasts_and_none_lies_there_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F5: half a write went through before the disk was full."""
    spool = open_spool(tmp_path)
    spool.append(Lane.LOW, [b"one"])
    write = os.write
    monkeypatch.setattr(os, "write", _half_then_full(write))
    spool.append(Lane.LOW, [b"two", b"three"])
    monkeypatch.setattr(os, "write", write)
    assert "No space left" in spool.last_error
    (path,) = (each for each in tmp_path.rglob("*.seg") if each.stat().st_size)
    assert unpack(path.read_bytes()) == unpack(pack([b"one"]))
    spool.append(Lane.LOW, [bytes(900)] * 30)
    assert spool.losses.untold.count == 0, "what memory cannot hold was not written to the disk that works again"
    assert drain(spool)[:3] == [b"one", b"two", b"three"]


def test_a_folder_that_can_be_made_later_is_made_later(tmp_path: Path) -> None:
    """The volume was not mounted yet; nothing is wrong any more, and nothing says so."""
    taken = tmp_path / "spool"
    taken.write_text("")
    spool = open_spool(taken)
    spool.append(Lane.LOW, [b"one"])
    assert spool.last_error.startswith("spool: ")
    taken.unlink()
    spool.open()
    spool.append(Lane.RAISED, [b"two"])
    assert spool.last_error == ""
    assert len(list(taken.rglob("*.seg"))) == 1
    assert drain(spool) == [b"two", b"one"]


def test_a_file_that_became_unreadable_costs_its_own_events_alone(tmp_path: Path) -> None:
    dead = open_spool(tmp_path)
    dead.append(Lane.LOW, [b"one"])
    dead.append(Lane.RAISED, [b"two"])
    (path,) = tmp_path.rglob("low-*.seg")
    die(dead)
    path.unlink()
    path.mkdir()
    living = open_spool(tmp_path)
    assert drain(living) == [b"two"]
    assert "Is a directory" in living.last_error


def test_memory_is_bounded_where_there_is_no_disk() -> None:
    spool = open_spool(None, limits=LIMITS)
    spool.append(Lane.LOW, [bytes(900)] * 30)
    assert len(spool) <= 4
    assert len(spool) + spool.losses.untold.count == 30
    assert spool.close() == len(spool)


def test_an_event_larger_than_a_segment_still_finds_its_place(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append(Lane.LOW, [b"small", bytes([1]) * 15_000, b"small"])
    assert [len(each) for each in drain(spool)] == [5, 15_000, 5]


def test_a_sealed_segment_takes_nothing_more(tmp_path: Path) -> None:
    segment = FileSegment.create(tmp_path / "low-1.seg", Lane.LOW)
    segment.seal()
    with pytest.raises(OSError, match="sealed"):
        segment.append([b"one"])


def _half_then_full(write: object) -> object:
    calls = []

    def failing(file: int, data: memoryview) -> int:
        assert callable(write)
        calls.append(file)
        if len(calls) == 1:
            return int(write(file, data[: len(data) // 2]))
        raise OSError(errno.ENOSPC, "No space left on device")

    return failing
