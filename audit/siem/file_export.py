"""Writes every event to a file, a line each: in order, at least once."""

import asyncio
import errno
import logging
import os
import stat
import time
from pathlib import Path

from audit.services import AuditServices
from audit.siem.forms import Form, format_event
from audit.siem.place import ExportPlace, Lag, following
from base.leases import LeaseLost

log = logging.getLogger("ostiary.siem")

CURSOR = "siem:file"
BATCH = 500
BATCHES_A_ROUND = 20
WAIT_S = 5.0


class FileExport:
    """One process's part in writing events to `path`. `round` is called again and again."""

    def __init__(self, audit: AuditServices, *, path: Path, form: Form) -> None:
        self._place = ExportPlace(audit, CURSOR)
        self._file = AppendedFile(path)
        self._path = path
        self._form: Form = form
        # What is written next; None until the cursor was loaded.
        self._next: int | None = None
        self._retry_at = 0.0
        self._failing = False

    @property
    def lag(self) -> Lag | None:
        """How far the file is behind; None where another process writes."""
        return self._place.lag

    async def round(self) -> None:
        """Writes what waits, at most twenty batches; raises StorageUnavailable alone."""
        if not await self._place.take():
            self._next = None
            return
        has_all = False
        try:
            if self._next is None:
                self._next = await self._place.load()
            if time.monotonic() >= self._retry_at:
                has_all = await self._write_all(self._next)
        except LeaseLost:
            self._next = None
            return
        except OSError as failure:
            self._failed(failure)
        if self._next is not None:
            await self._place.measure(self._next, has_all=has_all)

    async def stop(self) -> None:
        """Closes the file and lets another process go on."""
        await asyncio.to_thread(self._file.close)
        self._next = None
        await self._place.give_back()

    async def _write_all(self, first: int) -> bool:
        """Writes batches; returns whether nothing was left."""
        for _ in range(BATCHES_A_ROUND):
            events = await self._place.read(first, limit=BATCH)
            if not events:
                return True
            lines = b"".join(format_event(event, self._form) + b"\n" for event in events)
            await asyncio.to_thread(self._file.append, lines)
            await self._place.move(following(events))
            # Remembered batch by batch: one that fails must not take those before it along.
            first = self._next = following(events)
            if self._failing:
                log.warning("%s: %s can be written again", CURSOR, self._path)
            self._failing = False
            if len(events) < BATCH:
                return True
        return False

    def _failed(self, failure: OSError) -> None:
        if not self._failing:
            log.warning("%s: %s cannot be written: %s; trying again", CURSOR, self._path, failure.strerror)
        self._failing = True
        self._retry_at = time.monotonic() + WAIT_S
        self._file.close()


class AppendedFile:
    """A file that grows by whole batches, and nothing that others may read or that is no file. Follows a rotation:
    what is moved away or removed is not written to any more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: int | None = None

    def append(self, lines: bytes) -> None:
        """Adds lines and waits until the disk has them; raises OSError, and then has added nothing of them."""
        opened = self._open()
        size = os.fstat(opened).st_size
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(opened, rest) :]
            os.fsync(opened)
        except OSError:
            # Half a batch would be there twice; half a line would be no JSON.
            os.ftruncate(opened, size)
            raise

    def close(self) -> None:
        """Closes it; the next lines open it anew."""
        if self._opened is not None:
            os.close(self._opened)
        self._opened = None

    def _open(self) -> int:
        if self._opened is not None and not self._is_in_place(self._opened):
            self.close()
        if self._opened is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Whoever may write to the folder could lay a link or a pipe there: personal data would go anywhere.
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
            opened = os.open(self._path, flags, 0o600)
            try:
                _check_file(opened)
                self._end_torn_line(opened)
            except OSError:
                os.close(opened)
                raise
            self._opened = opened
        return self._opened

    def _is_in_place(self, opened: int) -> bool:
        try:
            found, ours = os.lstat(self._path), os.fstat(opened)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def _end_torn_line(self, opened: int) -> None:
        """A crash may have left half a line; its event comes again, on a line of its own."""
        size = os.fstat(opened).st_size
        if size and os.pread(opened, 1, size - 1) != b"\n":
            os.write(opened, b"\n")


def _check_file(opened: int) -> None:
    """Takes what others may do from a file that was there already; raises OSError where it is none, or not ours."""
    mode = os.fstat(opened).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    # A group is the operator's choice: it lets the program that ships the file read it.
    if mode & stat.S_IRWXO:
        os.fchmod(opened, stat.S_IMODE(mode) & ~stat.S_IRWXO)
