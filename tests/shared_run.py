"""What all workers of one test run share: services and database templates, each made once, by whoever asks first."""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import Service, stop_group


class SharedRun:
    """The folder of one run; the process that made it calls `end`, its workers only open it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def begin(cls) -> SharedRun:
        """A run in a new temporary folder that other accounts may pass through (PostgreSQL never runs as root)."""
        folder = Path(tempfile.mkdtemp(prefix="ostiary-tests-"))
        folder.chmod(0o711)
        return cls(folder)

    def end(self) -> None:
        """Stops every service of the run, also one that was still starting, and removes the folder."""
        for pid_file in self.folder.glob("*/pid"):
            stop_group(int(pid_file.read_text()))
        shutil.rmtree(self.folder, ignore_errors=True)

    def service(self, name: str, start: Callable[[Path], Service]) -> Service:
        """The run's one service of that name, started in a folder of its own where it is not there yet."""
        record = self.folder / f"{name}.json"
        with self._locked(name):
            if not record.exists():
                started = start(self.folder / name)
                record.write_text(json.dumps({"port": started.port, "pid": started.pid}))
                return started
        known = json.loads(record.read_text())
        return Service(name=name, port=known["port"], pid=known["pid"], folder=self.folder / name)

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """The path `name` in the run's folder, after `make(path)` has run once in the whole run."""
        done = self.folder / f"{name}.done"
        with self._locked(name):
            if not done.exists():
                make(self.folder / name)
                done.touch()
        return self.folder / name

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
