"""The master keys: from the setting, or a file of our own beside the embedded database, made at first start."""

import base64
import os
import stat
from pathlib import Path

from base.errors import NotReady
from server.setting_values import parse_master_key, split_list
from server.settings import Settings

FILE_NAME = "master.key"


def prepare_data_dir(data_dir: Path) -> None:
    """Makes the folder, for its owner alone; raises NotReady where it cannot be written."""
    try:
        data_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
        probe = data_dir / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise NotReady(
            f"the data folder {data_dir.absolute()} cannot be written ({error.strerror}): give this user the right to"
            " write there, or name another folder by OSTIARY_DATA_DIR"
        ) from error


def load_master_keys(settings: Settings, *, may_make: bool = True) -> tuple[bytes, ...]:
    """The keys, newest first; without the setting, those of DATA_DIR/master.key, made where there is none yet.

    Without `may_make` a missing file is left missing. With a database of another host a key must be set: one made here
    would be lost with this folder, and every other process would have another. Raises NotReady.
    """
    if settings.master_key:
        return settings.master_key
    file = settings.data_dir / FILE_NAME
    if not settings.database.startswith("sqlite"):
        raise NotReady(
            "OSTIARY_MASTER_KEY is not set: with PostgreSQL make one with `openssl rand -base64 32`,"
            " keep it safe, and give it to every process"
        )
    if not file.exists():
        database = settings.database_file
        if database.exists() and database.stat().st_size > 0:
            raise NotReady(
                f"{file.absolute()} is missing, and the database {database} is sealed under it: put the key back, or"
                " set OSTIARY_MASTER_KEY"
            )
        if not may_make:
            raise NotReady(f"{file.absolute()} is missing: put the key back, or set OSTIARY_MASTER_KEY")
        _make(file)
    return _read(file)


def _make(file: Path) -> None:
    prepare_data_dir(file.parent)
    fresh = file.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(base64.b64encode(os.urandom(32)).decode() + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        # Whoever links first wins, so that two commands at a first start agree on one key.
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _read(file: Path) -> tuple[bytes, ...]:
    try:
        facts = file.stat()
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NotReady(f"{file.absolute()} cannot be read: give this user the right to read it") from error
    if facts.st_uid not in (os.getuid(), 0):
        raise NotReady(f"{file.absolute()} belongs to another user: run `chown {os.getuid()} {file.absolute()}`")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise NotReady(f"{file.absolute()} can be read by other users: run `chmod 600 {file.absolute()}`")
    try:
        keys = tuple(parse_master_key(item) for item in split_list(text))
    except ValueError as error:
        raise NotReady(f"{file.absolute()}: {error}") from error
    if not keys:
        raise NotReady(f"{file.absolute()} is empty: put the master key back, or set OSTIARY_MASTER_KEY")
    return keys
