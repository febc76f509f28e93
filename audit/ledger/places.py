"""Where checkpoints lie outside the database: a file, a folder (a mounted bucket, say), a webhook.

Whoever can change the database must not be able to change these too, or they prove nothing.
"""

import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

from audit.ledger.notes import split_notes
from audit.services import AuditServices
from audit.settings import AuditSettings
from base.outbound import OutboundFailed


class PublishingFailed(Exception):
    """A checkpoint did not reach one of its places; the message names the place and the reason."""


async def publish(audit: AuditServices, size: int, note: str) -> None:
    """Brings a note to every place that is set; raises PublishingFailed. Safe to do again."""
    settings = audit.settings
    try:
        await asyncio.to_thread(_write, settings, size, note)
    except OSError as failure:
        raise PublishingFailed(f"{failure.filename}: {failure.strerror}") from failure
    if settings.checkpoint_url is not None:
        await _post(audit, settings.checkpoint_url, note)


def read_outside(settings: AuditSettings) -> list[str]:
    """The notes that lie in the file and the folder, in no order. Missing places have none; raises OSError."""
    notes = []
    if settings.checkpoint_file.is_file():
        notes += split_notes(settings.checkpoint_file.read_text())
    if settings.checkpoint_dir is not None and settings.checkpoint_dir.is_dir():
        notes += [path.read_text() for path in sorted(settings.checkpoint_dir.glob("*.txt"))]
    return notes


def _write(settings: AuditSettings, size: int, note: str) -> None:
    _append(settings.checkpoint_file, note)
    if settings.checkpoint_dir is not None:
        _put(settings.checkpoint_dir / f"{size:020}.txt", note)


def _append(path: Path, note: str) -> None:
    """Adds a note. One that was torn by a crash stays, and must not reach into this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+", opener=_for_its_owner) as file:
        torn = file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        file.write((("\n\n" if torn else "") + note + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _put(path: Path, note: str) -> None:
    """Whole or not at all: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        file.write(note.encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


async def _post(audit: AuditServices, url: str, note: str) -> None:
    host = urlsplit(url).hostname
    try:
        answer = await audit.outbound.post(url, note.encode(), content_type="text/plain; charset=utf-8")
    except OutboundFailed as failure:
        raise PublishingFailed(str(failure)) from failure
    if not answer.is_success:
        raise PublishingFailed(f"{host}: answered {answer.status}")
