"""F9: database files that are missing, cut short, damaged or replaced while lookups run."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from risk.place import NOWHERE, Place
from risk.places.geography import Geography
from tests.risk.mmdb_writer import make_mmdb
from tests.risk.place_records import CITIES, ISTANBUL, geolite_city, write_cities

LOG = "ostiary.places"


def always_looking(path: Path) -> Geography:
    """A geography that looks at its file at every lookup."""
    return Geography([path], look_every_s=0)


def replaced(path: Path, content: bytes) -> None:
    """A new file under the old name, as careful programs write it."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)


def until(holds: Callable[[], bool]) -> None:
    """Waits for what a thread does."""
    ends = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < ends, "nothing happened within ten seconds"
        time.sleep(0.001)


def a_city(name: str) -> bytes:
    """A database in which Istanbul's networks are elsewhere."""
    return make_mmdb({**CITIES, "81.213.0.0/16": geolite_city("TR", name, 38.4, 27.1)})


def test_a_new_file_is_taken_into_use_beside_the_lookups(tmp_path: Path) -> None:
    """F9"""
    path = write_cities(tmp_path / "city.mmdb")
    known = always_looking(path)
    assert known.place_of(ISTANBUL).city == "Istanbul"
    replaced(path, a_city("Izmir"))
    until(lambda: known.place_of(ISTANBUL).city == "Izmir")
    path.write_bytes(a_city("Bursa"))
    until(lambda: known.place_of(ISTANBUL).city == "Bursa")
    assert (known.databases[0].replaced, known.databases[0].refused) == (3, 0)


def test_the_file_is_looked_at_once_a_second_at_most(tmp_path: Path) -> None:
    path = write_cities(tmp_path / "city.mmdb")
    known = Geography([path])
    known.place_of(ISTANBUL)
    path.unlink()
    for _ in range(1000):
        assert known.place_of(ISTANBUL).city == "Istanbul"
    assert known.databases[0].fault is None, "it was looked at again within the second"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.unlink(), "cannot be read (No such file or directory)"),
        (lambda path: os.truncate(path, 0), "is not a whole MaxMind DB file"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "is not a whole MaxMind DB file"),
        (lambda path: path.write_bytes(b"<html>403 Forbidden</html>" * 100), "is not a whole MaxMind DB file"),
        (lambda path: path.write_bytes(os.urandom(5000)), "is not a whole MaxMind DB file"),
        (
            lambda path: path.write_bytes(make_mmdb({"81.0.0.0/8": {"weather": "fine"}}, database_type="Weather")),
            "calls itself 'Weather' and holds no country, city or network",
        ),
        (lambda path: (path.unlink(), path.mkdir()), "is not a file"),
    ],
)
def test_a_bad_file_leaves_the_last_good_one_in_use_and_says_so_once(
    tmp_path: Path, harm: Callable[[Path], object], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """S35, F9"""
    path = write_cities(tmp_path / "city.mmdb")
    known = always_looking(path)
    before = known.place_of(ISTANBUL)
    with caplog.at_level(logging.INFO, LOG):
        harm(path)
        until(lambda: known.place_of(ISTANBUL) == before and known.databases[0].fault is not None)
        for _ in range(20):
            known.databases[0].look_now()
            assert known.place_of(ISTANBUL) == before
    assert words in (known.databases[0].fault or "")
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert told[0].startswith(f"city: {path} {words}")
    assert told[0].endswith("its last good version stays in use")
    if path.is_dir():
        path.rmdir()
    replaced(path, a_city("Izmir"))
    until(lambda: known.place_of(ISTANBUL).city == "Izmir")
    assert known.databases[0].fault is None
    assert known.databases[0].refused == 1


def test_a_file_that_was_never_good_leaves_everything_unknown_until_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S35, F9"""
    path = tmp_path / "city.mmdb"
    known = always_looking(path)
    with caplog.at_level(logging.WARNING, LOG):
        assert [known.place_of(ISTANBUL) for _ in range(5)] == [NOWHERE] * 5
    assert [record.getMessage().endswith("nothing is known from it") for record in caplog.records] == [True]
    path.write_bytes(make_mmdb(CITIES)[:-20])
    until(lambda: known.place_of(ISTANBUL) == NOWHERE and "whole" in (known.databases[0].fault or ""))
    write_cities(path)
    until(lambda: known.place_of(ISTANBUL).city == "Istanbul")


def test_shortening_the_file_in_place_under_lookups_does_not_kill_the_process(tmp_path: Path) -> None:
    """F9: a reader that maps the operator's own file dies of SIGBUS here."""
    path = write_cities(tmp_path / "city.mmdb")
    known = always_looking(path)
    addresses = [f"81.213.{each % 256}.{each // 256 + 1}" for each in range(2000)]
    for number, address in enumerate(addresses):
        if number == 1000:
            os.truncate(path, 0)
        assert known.place_of(address).city == "Istanbul"


def test_nothing_is_left_where_the_private_copy_was(tmp_path: Path) -> None:
    scratch = tmp_path / "var"
    scratch.mkdir()
    known = Geography([write_cities(tmp_path / "city.mmdb")], scratch_dir=scratch)
    assert known.place_of(ISTANBUL).city == "Istanbul"
    assert list(scratch.iterdir()) == []


def test_damage_anywhere_in_a_file_is_survived(tmp_path: Path) -> None:
    """S35, F9: bytes changed at random offsets, pieces cut out, files cut short; each tried with many lookups."""
    chance, whole = random.Random(7), make_mmdb(CITIES)
    path = tmp_path / "city.mmdb"
    addresses = [ISTANBUL, "88.248.1.1", "91.65.3.3", "2600:1000::7", "9.9.9.9", "2a02::1"]
    answers = set()
    for _ in range(400):
        raw = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3, 20, 200])):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        start = chance.randrange(len(raw))
        del raw[start : start + chance.choice([0, 0, 1, 100, len(raw)])]
        replaced(path, bytes(raw))
        known = Geography([path])
        for address in addresses:
            place = known.place_of(address)
            assert isinstance(place, Place)
            answers.add(place.country)
    assert {"TR", None} <= answers


@contextmanager
def asked_all_the_time(known: Geography, wrong: list[object]) -> Iterator[None]:
    """Lookups in four threads, whose answers are always one of the whole ones."""
    stop = threading.Event()

    def ask() -> None:
        chance = random.Random(threading.get_ident())
        while not stop.is_set():
            try:
                place = known.place_of(f"81.213.{chance.randrange(256)}.{chance.randrange(1, 255)}")
            except Exception as error:  # noqa: BLE001 - the test is that there is none
                wrong.append(error)
                return
            if place.country != "TR" or not str(place.city).startswith("City "):
                wrong.append(place)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_hundred_replacements_under_lookups_in_threads_never_give_a_wrong_answer(tmp_path: Path) -> None:
    """F9"""
    path, wrong = tmp_path / "city.mmdb", list[object]()
    path.write_bytes(a_city("City 0"))
    known = always_looking(path)
    known.look_now()
    with asked_all_the_time(known, wrong):
        for number in range(1, 101):
            good = a_city(f"City {number}")
            match number % 4:
                case 0:
                    path.unlink()
                    path.write_bytes(good)
                case 1:
                    replaced(path, good)
                case 2:
                    path.write_bytes(good[: len(good) // 2])
                    path.write_bytes(good)
                case _:
                    replaced(path, os.urandom(300))
                    replaced(path, good)
            if number % 10 == 0:
                until(lambda: known.place_of(ISTANBUL).city == f"City {number}")  # noqa: B023 - called at once
    assert wrong == []
    assert known.databases[0].fault is None
    assert known.databases[0].replaced >= 11


def test_a_disk_without_room_for_the_copy_is_named_and_the_old_version_stays(tmp_path: Path) -> None:
    """F5, F9"""
    path, scratch = write_cities(tmp_path / "city.mmdb"), tmp_path / "var"
    scratch.mkdir()
    known = Geography([path], scratch_dir=scratch, look_every_s=0)
    before = known.place_of(ISTANBUL)
    replaced(path, a_city("Izmir"))
    with pytest.MonkeyPatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("risk.places.place_databases.shutil.copyfileobj", full)
        for _ in range(3):
            known.look_now()
        assert known.place_of(ISTANBUL) == before
    assert known.databases[0].fault == f"cannot be copied into {scratch} (No space left on device)"
