"""Log bundles at the command line: written from the database, checked without one."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.bundle.form import BundleRefused, BundleWriter
from audit.bundle.verify import verify_bundle
from audit.ledger.notes import Checkpoint, NoteRefused
from audit.verification.held import checkpoints_of
from audit.verification.values import Progress
from base.errors import NotReady
from server.commands.audit_words import bundle_document, bundle_words
from server.commands.frame import ACTOR, REFUSED, Frame
from server.commands.progress import Counting

if TYPE_CHECKING:
    from audit.bundle.making import BundleRange
    from audit.services import AuditServices


def check_key(key: str | None) -> None:
    """Raises UsageError for an empty one: a file that is missing must not mean the key that the bundle itself names."""
    if key is not None and not key.strip():
        raise click.UsageError("--key is empty; expected the log's key, as `audit checkpoint --key` printed it")


def check_bundle(frame: Frame, bundle: Path, checkpoints: Sequence[Path], key: str | None) -> None:
    """Verifies a bundle, with neither settings nor database, and answers; exit code 1 where something is wrong."""
    check_key(key)
    progress = Counting("verified", frame.say)
    try:
        with bundle.open("rb") as file:
            verdict = verify_bundle(file, checkpoints=checkpoints, vkey=key, told=progress.told)
    except (BundleRefused, NoteRefused) as refused:
        raise NotReady(f"{bundle}: {refused}") from None
    except OSError as failure:
        raise NotReady(f"{failure.filename}: {failure.strerror}") from None
    progress.clear()
    frame.answer(bundle_document(verdict), bundle_words(verdict))
    if not verdict.ok:
        raise click.exceptions.Exit(REFUSED)


def read_checkpoints(audit: "AuditServices", files: Sequence[Path]) -> list[Checkpoint]:
    """The checkpoints to which a bundle is to lead; raises NotReady for one that this log did not sign."""
    try:
        return [each for file in files for each in checkpoints_of(file, vkey=audit.key.vkey, origin=audit.key.name)]
    except (NoteRefused, OSError) as refused:
        raise NotReady(f"--checkpoint: {refused}") from None


async def write_bundle(
    audit: "AuditServices",
    path: Path,
    asked: "BundleRange",
    *,
    against: Sequence[Checkpoint],
    personal: bool,
    now: datetime,
    told: Progress,
) -> dict[str, object]:
    """Writes the file whole or not at all; returns what it holds. Only its owner may read it."""
    from audit.bundle.making import begin_bundle, bundle_events

    header = await begin_bundle(audit, asked, against=against, with_personal=personal, now=now, actor=ACTOR)
    beside = path.with_name(path.name + ".part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            with BundleWriter(file, header) as writer:
                events = bundle_events(audit, header.first, header.count, with_personal=personal)
                async for event in events:
                    writer.add(event)
                    told(event.seq - header.first + 1, header.count)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    size = int(header.checkpoint.split("\n")[1])
    return {
        "bundle": str(path),
        "origin": header.origin,
        "key": header.key,
        "first": header.first,
        "last": header.first + header.count - 1,
        "size": size,
        "personal": personal,
    }
