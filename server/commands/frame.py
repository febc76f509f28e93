"""What every command shares: the common options, one JSON document or words, and the exit codes."""

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from audit.removal.journal import JournalUnwritable
from base.cache import CacheUnavailable
from base.errors import NotReady, StorageUnavailable
from base.lines import to_line
from identity.errors import Refused
from identity.services import Services
from server.settings import Loaded, Settings, load_settings

DONE, REFUSED, UNREACHABLE = 0, 1, 3
ACTOR = "cli"

Result = TypeVar("Result")


class Frame:
    """One run of a command. Documents go to standard output, words about the work to standard error."""

    def __init__(self, *, as_json: bool, config: Path | None, data_dir: Path | None) -> None:
        self.as_json = as_json
        self._config = config
        self._data_dir = data_dir

    def load(self, **options: object) -> Loaded:
        """The settings, with what the command line set; raises SettingsRefused."""
        data_dir = str(self._data_dir) if self._data_dir else None
        return load_settings({"data_dir": data_dir, **options}, config=self._config)

    @property
    def settings(self) -> Settings:
        """The settings of this run."""
        return self.load().settings

    def say(self, words: str) -> None:
        """A sentence for the person at the terminal."""
        click.echo(words, err=True)

    def answer(self, document: object, words: str) -> None:
        """The result: one JSON document with `--json`, words without."""
        click.echo(to_line(document) if self.as_json else words)

    def with_services(self, work: Callable[[Services, datetime], Awaitable[Result]]) -> Result:
        """The result of `work`, done on the deployment's database whether or not a server runs."""
        return asyncio.run(_with_services(self.settings, work))


async def _with_services(settings: Settings, work: Callable[[Services, datetime], Awaitable[Result]]) -> Result:
    # These bring the database and every room: 0.5 s that `--help` and usage errors need not wait for.
    from server.composition import open_services
    from server.master_key import load_master_keys, prepare_data_dir
    from server.schema import prepare_database

    if settings.database.startswith("sqlite"):
        prepare_data_dir(settings.data_dir)
    master_keys = load_master_keys(settings)
    await asyncio.to_thread(prepare_database, settings)
    async with open_services(settings, master_keys) as services:
        return await work(services, services.clock())


def framed(work: Callable[..., None]) -> Callable[..., None]:
    """Adds the common options to a command, and turns its failures into one sentence and an exit code."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document; words go to standard error.")
    @click.option("--config", type=click.Path(path_type=Path), help="The settings file (TOML).")
    @click.option("--data-dir", type=click.Path(path_type=Path), help="The folder of the embedded database.")
    @functools.wraps(work)
    def run(as_json: bool, config: Path | None, data_dir: Path | None, **options: object) -> None:
        _check_text((config, data_dir, *options.values()))
        frame = Frame(as_json=as_json, config=config, data_dir=data_dir)
        code = _guarded(frame, lambda: work(frame, **options))
        if code:
            sys.exit(code)

    return run


def _check_text(values: Sequence[object]) -> None:
    """Raises UsageError for bytes that are no UTF-8: Python makes lone surrogates of them, which nothing can store."""
    for value in values:
        if isinstance(value, tuple):
            _check_text(value)
        elif isinstance(value, str | Path) and not _is_text(str(value)):
            raise click.UsageError("expected arguments in UTF-8")


def _is_text(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _guarded(frame: Frame, work: Callable[[], None]) -> int:
    try:
        work()
    except Refused as refused:
        return _fail(frame, REFUSED, f"{refused.field}: {refused.message}")
    except NotReady as fault:
        return _fail(frame, REFUSED, str(fault))
    except JournalUnwritable as failure:
        return _fail(frame, UNREACHABLE, str(failure))
    except StorageUnavailable as failure:
        # The driver speaks in several lines.
        return _fail(frame, UNREACHABLE, f"the database did not answer: {' '.join(str(failure).split())}")
    except CacheUnavailable as failure:
        return _fail(frame, UNREACHABLE, f"Redis did not answer: {failure}")
    return DONE


def _fail(frame: Frame, code: int, words: str) -> int:
    frame.say(words)
    if frame.as_json:
        click.echo(to_line({"error": words}))
    return code


def read_password() -> str:
    """The password on standard input, without the line's end; raises UsageError where there is none."""
    try:
        text = sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise click.UsageError("expected a password in UTF-8 on standard input") from None
    if not _is_text(text):
        raise click.UsageError("expected a password in UTF-8 on standard input")
    if not text:
        raise click.UsageError("--password-stdin was given, but standard input holds no password")
    return text


def plain(value: object) -> object:
    """A value of ours (a frozen dataclass, a mapping) as JSON's own kinds."""
    return msgspec.to_builtins(value)


def table(rows: Sequence[tuple[str, ...]], *, empty: str) -> str:
    """Rows as aligned columns; `empty` where there are none. What others named cannot move the cursor."""
    if not rows:
        return empty
    cleaned = [tuple("".join(char if char.isprintable() else "?" for char in cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in cleaned) for column in range(len(cleaned[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cleaned
    )
