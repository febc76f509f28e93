"""The events that the server will never take, kept for whoever mends the program."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

MAX_REFUSED_BYTES = 1_048_576
REFUSED = "refused.ndjson"

logger = logging.getLogger("ostiary")


class RefusedFile:
    """A file of JSON lines (`event`, `why`), readable by its owner alone, a mebibyte at most; `count` of all.

    The first ones are kept: a program that emits wrongly does so again and again. Without a folder they are counted
    and logged alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / REFUSED
        self.count = 0

    def keep(self, refused: Sequence[tuple[bytes, str]]) -> None:
        """Takes events with the server's words; logged at the first one of this process, and never raises."""
        if not refused:
            return
        if not self.count:
            logger.error("the server refuses an audit event for good: %s", refused[0][1])
        self.count += len(refused)
        if self._path is not None:
            lines = [msgspec.json.encode({"why": why, "event": msgspec.Raw(event)}) + b"\n" for event, why in refused]
            self._append(self._path, lines)

    def _append(self, path: Path, lines: list[bytes]) -> None:
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                room = MAX_REFUSED_BYTES - os.fstat(file).st_size
                for line in lines:
                    room -= len(line)
                    if room >= 0:
                        # One write a line: several processes append to this file.
                        os.write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            logger.warning("a refused audit event could not be kept: %s", error)
