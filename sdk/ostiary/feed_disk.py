"""The feed's last state on disk, for a cold start: one file for each issuer, replaced whole, read with suspicion."""

import hashlib
import logging
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from ostiary.feed_lines import FeedRefused

MAX_FILE_BYTES = 134_217_728
LEFT_AFTER_S = 60.0

_FRESH = ".new"

logger = logging.getLogger("ostiary")


class FeedDisk:
    """The file of one issuer's feed in a folder, which several processes may share: the last one to write wins."""

    def __init__(self, folder: Path, *, issuer: str) -> None:
        self._folder = folder
        self.path = folder / f"feed-{hashlib.sha256(issuer.encode()).hexdigest()[:32]}.ndjson"
        self._has_warned = False

    def load(self) -> bytes | None:
        """What was stored; None where nothing is. FeedRefused for a file that is not ours, OSError for a bad disk."""
        self._clear()
        try:
            # Without waiting: a pipe of that name would hold up the first request for good.
            wished = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | wished)
        except FileNotFoundError:
            return None
        with os.fdopen(file, "rb") as opened:
            facts = os.fstat(opened.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_FILE_BYTES:
                raise FeedRefused("the saved feed is not a file of the expected size")
            # Whoever can write it could make this service forget what was revoked until the first head comes.
            if hasattr(os, "geteuid") and (facts.st_uid != os.geteuid() or facts.st_mode & 0o022):
                raise FeedRefused("the saved feed belongs to somebody else, or others may write it")
            return opened.read(MAX_FILE_BYTES)

    def _clear(self) -> None:
        """Removes what processes that were killed have half written."""
        for path in self._folder.glob(f"{self.path.stem}.*{_FRESH}"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFT_AFTER_S:
                    path.unlink()

    def store(self, document: bytes) -> bool:
        """Replaces the file at once and for good; False, logged once, where the disk does not take it."""
        fresh = self.path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}{_FRESH}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(fresh, document)
            fresh.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            if not self._has_warned:
                self._has_warned = True
                logger.warning("the feed cannot be saved: %s", error)
            return False
        self._has_warned = False
        return True

    def _write(self, path: Path, document: bytes) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(document)
            opened.flush()
            os.fsync(opened.fileno())
