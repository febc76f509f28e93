"""What `ostiary doctor` says about the log's statements outside the database; nothing is left changed."""

import tempfile
from pathlib import Path

from server.settings import Settings


def check_ledger(settings: Settings) -> tuple[bool, str]:
    """Whether checkpoints and erasures can be kept, and in words what was found."""
    told = settings.for_audit()
    places = {
        "OSTIARY_AUDIT__CHECKPOINT_FILE": told.checkpoint_file.parent,
        "OSTIARY_AUDIT__ERASURE_JOURNAL": told.erasure_journal.parent,
        "OSTIARY_AUDIT__CHECKPOINT_DIR": told.checkpoint_dir,
        "OSTIARY_AUDIT__ARCHIVE_DIR": told.archive_dir,
    }
    for name, folder in places.items():
        # The data folder is looked at by itself.
        if folder is not None and folder != settings.data_dir and not _can_write(folder):
            return False, f"{folder.absolute()} cannot be written: give this user the right, or change {name}"
    outside = [str(place) for place in (told.checkpoint_dir, told.checkpoint_url) if place is not None]
    if outside or told.checkpoint_file.absolute().parent != settings.data_dir.absolute():
        return True, f"checkpoints also go to {', '.join(outside) or told.checkpoint_file}"
    return True, (
        f"checkpoints go to {told.checkpoint_file} alone: whoever can change the database there can change them, too;"
        " set OSTIARY_AUDIT__CHECKPOINT_DIR or OSTIARY_AUDIT__CHECKPOINT_URL to a place that is not theirs"
    )


def _can_write(folder: Path) -> bool:
    existing = next(above for above in (folder, *folder.absolute().parents) if above.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".probe-", dir=existing):
            return True
    except OSError:
        return False
