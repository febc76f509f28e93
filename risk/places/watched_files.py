"""A file of the operator that is used while it is replaced: the last good version stays in use (S35, F9).

Files are replaced in every way: by rename, in place, in pieces, by an error page instead of the data. So the file is
looked at (never watched: mounted volumes do not tell) at most once a second, and only when somebody asks. A new
version is read in a thread, once its stamp has stayed the same from one look to the next, and takes the place of
the old one in one assignment.
"""

import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

log = logging.getLogger("ostiary.places")

LOOK_EVERY_S = 1.0
# What may pass by itself, such as a full disk, is tried again.
RETRY_S = 60.0

Content = TypeVar("Content")


class FileRefused(Exception):
    """A file that cannot be used; the message says what was found and what was expected."""


class _Stamp(NamedTuple):
    inode: int
    changed_ns: int
    size: int


class WatchedFile(Generic[Content]):
    """One file's newest good content.

    Nothing is read before the first look. `read` turns a path into content and raises OSError or FileRefused; `remark`
    says what is odd in good content. `content` is None until a version was good. `fault` says what is wrong with the
    file as it is now, in words that follow its path. `on_change` is called after `content` changed, in whichever
    thread that was.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        read: Callable[[Path], Content],
        *,
        remark: Callable[[Content], str | None] = lambda _: None,
        on_change: Callable[[], None] = lambda: None,
        look_every_s: float = LOOK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.path = name, path
        self.content: Content | None = None
        self.fault: str | None = None
        self.replaced = 0
        self.refused = 0
        self._read, self._remark, self._on_change = read, remark, on_change
        self._look_every_s, self._clock = look_every_s, clock
        self._lock = threading.Lock()
        self._next_look: float | None = None
        self._retry_at = 0.0
        self._used: _Stamp | None = None
        self._seen: _Stamp | None = None
        self._tried: _Stamp | None = None

    def look(self) -> None:
        """Looks at the file if its last look is a second ago; a new version is read beside the caller.

        The first look reads at once: before it nothing is known at all.
        """
        if self._next_look is None:
            self.look_now()
            return
        if self._clock() < self._next_look or not self._lock.acquire(blocking=False):
            return
        is_handed_on = False
        try:
            found = self._find_new()
            if found is not None:
                thread = threading.Thread(target=self._take_and_release, args=(found,), name=self.name, daemon=True)
                thread.start()
                is_handed_on = True
        except RuntimeError:
            # No thread can be had just now: the next look tries again.
            self._tried = None
        finally:
            if not is_handed_on:
                self._lock.release()

    def look_now(self) -> None:
        """Looks at the file whenever its last look was, and reads a new version here."""
        with self._lock:
            found = self._find_new()
            if found is not None:
                self._take(found)

    def blame(self, words: str) -> None:
        """Notes that the content in use turned out to be damaged."""
        self._note(words)

    def _find_new(self) -> _Stamp | None:
        """The stamp of a version that is to be read."""
        now = self._clock()
        self._next_look = now + self._look_every_s
        try:
            found = _stamp(self.path)
        except (OSError, FileRefused) as error:
            self._seen = self._tried = None
            self._refuse(error)
            return None
        if found == self._used:
            if found != self._seen:
                # It went away or was overwritten, and is back.
                self.fault = None
            self._seen = found
            return None
        is_settled, self._seen = found == self._seen or self.content is None, found
        if not is_settled or (found == self._tried and now < self._retry_at):
            return None
        self._tried, self._retry_at = found, now + RETRY_S
        return found

    def _take_and_release(self, found: _Stamp) -> None:
        try:
            self._take(found)
        finally:
            self._lock.release()

    def _take(self, found: _Stamp) -> None:
        try:
            content = self._read(self.path)
            if _stamp(self.path) != found:
                self._tried = None
                raise FileRefused("was written to while it was read")
        except (OSError, FileRefused, MemoryError) as error:
            self._refuse(error)
            return
        remark = self._remark(content)
        self.content, self._used, self.fault = content, found, None
        self.replaced += 1
        self._on_change()
        if remark:
            log.warning("%s: %s %s", self.name, self.path, remark)
        else:
            log.info("%s: %s is in use", self.name, self.path)

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, OSError):
            words = f"cannot be read ({error.strerror or error})"
        else:
            words = str(error) or "does not fit into memory"
        self._note(words)

    def _note(self, words: str) -> None:
        # One line for each time that it goes wrong, however often it is looked at.
        if self.fault is None:
            self.refused += 1
            instead = "nothing is known from it" if self.content is None else "its last good version stays in use"
            log.warning("%s: %s %s; %s", self.name, self.path, words, instead)
        self.fault = words


def _stamp(path: Path) -> _Stamp:
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise FileRefused("is not a file")
    return _Stamp(found.st_ino, found.st_mtime_ns, found.st_size)
