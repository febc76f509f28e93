"""What the process says on standard error: one line of JSON each, written off the request's path.

Lines carry no query string, no body and no link token. Whatever a caller sends stays inside its line (S46).
"""

import asyncio
import logging
import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from base.lines import to_line

FLUSH_S = 0.2
MAX_WAITING = 20_000
_MAX_TEXT = 256
_LINK = re.compile(r"^/(setup|invite|verify|not-me|recover|reset|unlock)/[^/]+")
_LINK_PATHS = ("/setup/", "/invite/", "/verify/", "/not-me/", "/recover/", "/reset/", "/unlock/")
# Every credential of ours begins like this, or is a JWT; one that stands in a path was put there by mistake.
_CREDENTIAL = re.compile(r"\bo(?:ac|rt|cs|lk|ck)_[A-Za-z0-9_-]+|eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){2,4}")

Write = Callable[[bytes], object]


class Access(NamedTuple):
    """One answered request, as the edge saw it."""

    at: float
    request_id: str
    method: str
    path: str
    status: int
    seconds: float
    address: str | None
    agent: bytes


def shown_path(path: str) -> str:
    """A path that may be written down: link tokens and credentials hidden, cut at 256 characters."""
    # Most paths are the protocol's own, and two searches cost more than the rest of the line.
    if path.startswith(_LINK_PATHS):
        path = _LINK.sub(r"/\1/***", path)
    if "_" in path or "eyJ" in path:
        path = _CREDENTIAL.sub("***", path)
    return path[:_MAX_TEXT]


@lru_cache(maxsize=4)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def access_line(entry: Access) -> bytes:
    """The line of JSON for one request, without its end."""
    return to_line(
        {
            "at": f"{_second(int(entry.at))}.{int(entry.at % 1 * 1000):03d}+00:00",
            "log": "access",
            "request": entry.request_id,
            "method": entry.method[:16],
            "path": shown_path(entry.path),
            "status": entry.status,
            "ms": round(entry.seconds * 1000, 2),
            "address": entry.address,
            "agent": entry.agent[:_MAX_TEXT].decode("latin-1"),
        }
    )


class AccessLog:
    """Collects entries and writes them five times a second, many at once, in a thread.

    A reader that does not keep up, or a full disk, costs lines (they are counted in `dropped`), never a request.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: list[Access] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self.dropped = 0

    def add(self, entry: Access) -> None:
        """Takes one entry; it is written within a moment."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(entry)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._begin)

    async def close(self) -> None:
        """Writes what is left."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await self._writing
        self._write_all(self._take())

    def _take(self) -> list[Access]:
        entries, self._waiting = self._waiting, []
        return entries

    def _begin(self) -> None:
        self._timer = None
        if self._writing is not None and not self._writing.done():
            # The reader is slow: the next batch waits, and grows until lines are dropped.
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._begin)
            return
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._write_all, self._take())

    def _write_all(self, entries: list[Access]) -> None:
        if not entries:
            return
        try:
            self._write(b"".join(access_line(entry) + b"\n" for entry in entries))
        except (OSError, ValueError):
            self.dropped += len(entries)


class JsonLines(logging.Formatter):
    """Log records as lines of JSON; a traceback is one of the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One record on one line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "log": record.name,
            "level": record.levelname,
            "message": _CREDENTIAL.sub("***", record.getMessage())[:4096],
        }
        request_id = getattr(record, "request_id", None)
        if request_id:
            line["request"] = request_id
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            line["trace"] = _CREDENTIAL.sub("***", text)[-8192:]
        return to_line(line).decode()


def set_up_logging(level: int = logging.WARNING) -> None:
    """Sends the process's log records to standard error as lines of JSON."""
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level)
    logging.getLogger("ostiary").setLevel(logging.INFO)


def write_to_stderr(batch: bytes) -> None:
    """Writes a batch of lines in one piece."""
    sys.stderr.buffer.write(batch)
    sys.stderr.buffer.flush()
