"""How many events were dropped and nobody was told yet; counted on disk, so that a restart does not hide it."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import msgspec


class Losses(msgspec.Struct, frozen=True):
    """`count` events lost from `since` to `until` (RFC 3339 texts, empty where nothing was lost)."""

    count: int = 0
    since: str = ""
    until: str = ""


class LossCount:
    """The losses that no `audit.gap` event has told yet, and in `total` all of this process. Safe between threads."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._lock = Lock()
        self._untold = Losses()
        self._path: Path | None = None
        self.total = 0

    @property
    def untold(self) -> Losses:
        """What has to be told."""
        return self._untold

    def keep_in(self, path: Path) -> None:
        """From now on the count also lies in this file."""
        with self._lock:
            self._path = path
            self._write()

    def add(self, number: int) -> None:
        """So many more events are lost."""
        if number:
            with self._lock:
                self.total += number
                now = self._now()
                self._join(Losses(number, now, now))

    def take_over(self, path: Path) -> None:
        """Counts what a dead process had not told, and removes its file; an unreadable one counts as one loss."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Losses)
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            found = Losses(1, self._now(), self._now())
        with self._lock:
            self._join(found)
        path.unlink(missing_ok=True)

    def forget(self, told: Losses) -> None:
        """This much has been told."""
        with self._lock:
            rest = self._untold.count - told.count
            self._untold = Losses(rest, told.until, self._untold.until) if rest > 0 else Losses()
            self._write()

    def _join(self, more: Losses) -> None:
        known = self._untold
        since = min(each for each in (known.since or more.since, more.since))
        self._untold = Losses(known.count + more.count, since, max(known.until, more.until))
        self._write()

    def _write(self) -> None:
        """A disk that takes no events may not take their count either: it is right in memory, and tried again."""
        if self._path is None:
            return
        beside = self._path.with_suffix(".new")
        try:
            if not self._untold.count:
                self._path.unlink(missing_ok=True)
                return
            beside.write_bytes(msgspec.json.encode(self._untold))
            os.replace(beside, self._path)
        except OSError:
            return
