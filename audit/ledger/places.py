"""Where checkpoints lie outside the database: a file, a folder (a mounted bucket, say), a webhook.

Whoever can change the database must not be able to change these too, or they prove nothing.
"""

import asyncio
import hashlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from audit.ledger.notes import split_notes
from audit.services import AuditServices
from audit.settings import AuditSettings
from base.outbound import OutboundFailed

# Brings the note of a checkpoint of that size there; raises PublishingFailed. Safe to do again.
Put = Callable[[int, str], Awaitable[None]]


class PublishingFailed(Exception):
    """A checkpoint did not reach one of its places; the message names the place and the reason."""


def places_of(audit: AuditServices) -> dict[str, Put]:
    """The places that are set, by name."""
    settings = audit.settings
    places = {name_of("file", settings.checkpoint_file): _written(_append, settings.checkpoint_file)}
    if settings.checkpoint_dir is not None:
        places[name_of("folder", settings.checkpoint_dir)] = _written(_put, settings.checkpoint_dir)
    if settings.checkpoint_url is not None:
        places["webhook"] = _posted(audit, settings.checkpoint_url)
    return places


def name_of(kind: str, path: Path) -> str:
    """The name of a file or folder among all places: every machine of a deployment has one of its own there."""
    place = f"{socket.gethostname()}\n{path.absolute()}"
    return f"{kind} {hashlib.sha256(place.encode()).hexdigest()[:8]}"


def read_outside(settings: AuditSettings) -> list[str]:
    """The notes that lie in the file and the folder, in no order. Missing places have none; raises OSError."""
    notes = []
    if settings.checkpoint_file.is_file():
        notes += split_notes(settings.checkpoint_file.read_text())
    if settings.checkpoint_dir is not None and settings.checkpoint_dir.is_dir():
        notes += [path.read_text() for path in sorted(settings.checkpoint_dir.glob("*.txt"))]
    return notes


def _written(write: Callable[[Path, int, str], None], path: Path) -> Put:
    async def put(size: int, note: str) -> None:
        try:
            await asyncio.to_thread(write, path, size, note)
        except OSError as failure:
            raise PublishingFailed(f"{failure.filename or path}: {failure.strerror}") from failure

    return put


def _append(path: Path, _size: int, note: str) -> None:
    """Adds a note. One that was torn by a crash stays, and must not reach into this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+", opener=_for_its_owner) as file:
        torn = file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        file.write((("\n\n" if torn else "") + note + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _put(folder: Path, size: int, note: str) -> None:
    """Whole or not at all: a reader never sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{size:020}.txt"
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        file.write(note.encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _posted(audit: AuditServices, url: str) -> Put:
    async def put(_size: int, note: str) -> None:
        try:
            answer = await audit.outbound.post(url, note.encode(), content_type="text/plain; charset=utf-8")
        except OutboundFailed as failure:
            raise PublishingFailed(str(failure)) from failure
        if not answer.is_success:
            raise PublishingFailed(f"{urlsplit(url).hostname}: answered {answer.status}")

    return put
