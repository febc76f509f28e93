"""`ostiary user import`."""

import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import BinaryIO

import click

from identity.import_files import RefusedLine, read_entries
from identity.import_people import MAX_SHOWN, Tally, Watch, import_people
from identity.services import Services
from server.commands.frame import ACTOR, REFUSED, Frame, framed, plain

EVERY = 10_000


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--emails-verified", is_flag=True, help="Vouch for every mail address, whatever the file says.")
@click.option("--dry-run", is_flag=True, help="Check and count, and change nothing.")
@framed
def command(frame: Frame, file: BinaryIO, emails_verified: bool, dry_run: bool) -> None:
    """Make accounts from FILE: JSON lines or CSV, with password hashes; - is standard input.

    Whoever is there already is left as they are, so it may be run again. docs/import.md tells the formats.
    """
    began = time.monotonic()
    entries = read_entries(file)
    progress = Progress(is_terminal=sys.stderr.isatty(), say=frame.say)

    async def work(services: Services, now: datetime) -> Tally:
        return await import_people(
            services,
            entries,
            emails_verified=emails_verified,
            dry_run=dry_run,
            actor=ACTOR,
            watch=Watch(refused=progress.refused, progress=progress.told),
        )

    tally = frame.with_services(work)
    progress.clear()
    seconds = round(time.monotonic() - began, 1)
    document = {
        "made": tally.made,
        "known": tally.known,
        "refused": plain(tally.shown),
        "refused_count": tally.refused,
        "seconds": seconds,
        "dry_run": dry_run,
    }
    made = "would be made" if dry_run else "made"
    frame.answer(document, f"{made} {tally.made}, known {tally.known}, refused {tally.refused}, in {seconds:g} s")
    if tally.refused > MAX_SHOWN and frame.as_json:
        frame.say(f"The document names the first {MAX_SHOWN} refused lines; all of them stand above.")
    if tally.refused:
        raise click.exceptions.Exit(REFUSED)


class Progress:
    """Words about the work on standard error: a line that changes on a terminal, elsewhere one every 10,000."""

    def __init__(self, *, is_terminal: bool, say: Callable[[str], None]) -> None:
        self._is_terminal = is_terminal
        self._say = say
        self._next = EVERY

    def refused(self, line: RefusedLine) -> None:
        """Names a line that cannot be taken."""
        self.clear()
        self._say(f"line {line.line}: {line.field} {line.message}")

    def told(self, tally: Tally) -> None:
        """Shows how far it is."""
        words = f"{tally.read} read: {tally.made} made, {tally.known} known, {tally.refused} refused"
        if self._is_terminal:
            click.echo(f"\r\x1b[K{words}", err=True, nl=False)
        elif tally.read >= self._next:
            self._say(words)
            self._next = (tally.read // EVERY + 1) * EVERY

    def clear(self) -> None:
        """Leaves the terminal's line empty."""
        if self._is_terminal:
            click.echo("\r\x1b[K", err=True, nl=False)
