"""A folder of one's own inside a spool that several processes share, and what dead processes left there.

Each process holds a lock on its folder for as long as it lives; the kernel lets go of it however the process ends.
Whoever gets the lock of another folder therefore knows that nobody writes there any more, and takes it over.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ostiary.errors import ConfigurationError
from ostiary.spool_segment import SUFFIX

LOCK = "lock"
LOSSES = "losses"
_PREFIX = "process-"
_TRIES = 20


def check_locks_exist() -> None:
    """Raise ConfigurationError on a system without the file locks that a shared spool needs."""
    try:
        import fcntl  # noqa: F401
    except ImportError:
        raise ConfigurationError("spool_dir needs a POSIX system; leave it None on this one") from None


class ProcessFolder:
    """The folder of this process: `path`, locked until `close`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    @classmethod
    def create(cls, root: Path) -> "ProcessFolder":
        """A new folder, readable by its owner alone; OSError where it cannot be made."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(_TRIES):
            path = root / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
            path.mkdir(mode=0o700)
            lock = _take_lock(path, creates=True)
            if lock is not None:
                return cls(path, lock)
        raise OSError("no folder of our own could be made in the spool")

    def adopt(self) -> Iterator["Orphan"]:
        """The folders of dead processes, each locked by us while it is looked at and removed afterwards."""
        for path in sorted(self.path.parent.glob(f"{_PREFIX}*")):
            lock = None
            # Another user's folder is another user's to take over.
            with suppress(PermissionError):
                lock = _take_lock(path, creates=False) if path != self.path else None
            if lock is not None:
                try:
                    yield Orphan(path)
                    _remove(path)
                finally:
                    os.close(lock)

    def close(self) -> None:
        """Gives the folder up: removed where nothing is left in it, and free for others to adopt otherwise."""
        if self._lock is not None:
            if not any(self.path.glob(f"*{SUFFIX}")) and not (self.path / LOSSES).exists():
                _remove(self.path)
            self.leave()

    def leave(self) -> None:
        """Closes our handle of the lock, nothing else: a forked child's parent lives on in the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Orphan:
    """What a dead process left."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def losses(self) -> Path:
        """Where it counted what it had dropped; may not exist."""
        return self._path / LOSSES

    def segments(self) -> list[Path]:
        """Its files of events, oldest first within each lane."""
        return sorted(self._path.glob(f"*{SUFFIX}"))


def _take_lock(folder: Path, *, creates: bool) -> int | None:
    """The locked file, or None: somebody lives there, or the folder went away under our hands."""
    import fcntl

    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if creates else 0)
    try:
        file = os.open(folder / LOCK, flags, 0o600)
    except FileNotFoundError:
        # Its maker died before it made the lock, or is about to make it and will then take another name.
        with suppress(OSError):
            folder.rmdir()
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # An adopter may have removed the file between our opening and our locking it.
        if os.stat(folder / LOCK).st_ino == os.fstat(file).st_ino:
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(file)
        raise
    os.close(file)
    return None


def _remove(folder: Path) -> None:
    """Removes the lock, where we hold it, and the folder, if nothing else is in it."""
    try:
        leftovers = {each.name for each in folder.iterdir()} - {LOCK}
        if not leftovers:
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()
    except OSError:
        # Not empty any more, or gone: somebody else's now.
        return
