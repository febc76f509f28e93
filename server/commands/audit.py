"""`ostiary audit export|verify|checkpoint`."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from audit.bundle.making import BundleRange, NothingToProve, checkpoint_now
from audit.export import begin_export, walk_events
from audit.ledger.checkpoints import StoredCheckpoint
from audit.reading import as_json
from audit.siem.forms import FORMS, Form, format_event
from audit.verification.values import LogVerdict
from audit.verification.verify import verify_log
from base.errors import NotReady
from base.lines import to_line
from identity.services import Services
from server.commands.audit_bundle import check_bundle, read_checkpoints, write_bundle
from server.commands.audit_words import log_document, log_words
from server.commands.frame import ACTOR, REFUSED, Frame, framed
from server.commands.progress import Counting

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


class _Place(click.ParamType[int | datetime]):
    """A number of an event, or an instant."""

    name = "number or time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        text = str(value)
        if text.isascii() and text.isdigit() and len(text) < 16:
            return int(text)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.fail("expected an event's number, or a time such as 2026-11-22 or 2026-11-22T20:00:00Z", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.group("audit")
def command() -> None:
    """What happened."""


@command.command("verify")
@click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, help="A file of checkpoints kept elsewhere.")
@click.option("--bundle", type=_FILE, help="Check this log bundle instead, without any database.")
@click.option("--key", help="The log's key, as `audit checkpoint --key` printed it; with --bundle.")
@framed
def verify(frame: Frame, checkpoints: tuple[Path, ...], bundle: Path | None, key: str | None) -> None:
    """Prove that no event was changed, removed or put in: exit code 1, and the first bad place, where one was.

    Checkpoints from outside are those of the settings (AUDIT__CHECKPOINT_FILE, AUDIT__CHECKPOINT_DIR), and FILE.
    """
    if bundle is not None:
        check_bundle(frame, bundle, checkpoints, key)
        return
    if key is not None:
        raise click.UsageError("--key goes with --bundle: a database's log is verified under its own key")
    progress = Counting("verified", frame.say)

    async def work(services: Services, now: datetime) -> LogVerdict:
        try:
            return await verify_log(services.audit, checkpoints=checkpoints, told=progress.told)
        except OSError as failure:
            raise NotReady(f"{failure.filename}: {failure.strerror}") from None

    verdict = frame.with_services(work)
    progress.clear()
    frame.answer(log_document(verdict), log_words(verdict))
    if not verdict.ok:
        raise click.exceptions.Exit(REFUSED)


@command.command("checkpoint")
@click.option("--key", "only_key", is_flag=True, help="Print the key that verifies checkpoints, for outsiders.")
@framed
def checkpoint(frame: Frame, only_key: bool) -> None:
    """Sign the log as it is now, and print the checkpoint: whoever keeps it can prove the log up to here."""

    async def work(services: Services, now: datetime) -> tuple[str, StoredCheckpoint | None]:
        key = services.audit.key.vkey
        return key, None if only_key else await checkpoint_now(services.audit, now=now)

    key, made = frame.with_services(work)
    if only_key:
        frame.answer({"key": key}, key)
        return
    if made is None:
        raise NotReady("the log is empty: there is nothing to sign")
    document = {
        "size": made.size,
        "root": made.root.hex(),
        "at": made.at.isoformat(),
        "note": made.note,
        "key": key,
    }
    frame.answer(document, made.note.removesuffix("\n"))


@command.command("export")
@click.option("--bundle", type=click.Path(path_type=Path, dir_okay=False), help="Write a log bundle to this new file.")
@click.option("--from", "since", type=_Place(), help="The first event: its number, or a time. With --bundle.")
@click.option("--until", type=_Place(), help="Where to end, itself left out: a number or a time. With --bundle.")
@click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, help="Prove a way to these. With --bundle.")
@click.option("--format", "form", type=click.Choice(FORMS), help="The form of a SIEM, instead of our own.")
@click.option("--personal", is_flag=True, help="Put personal fields in, with the salts to check them. With --bundle.")
@framed
def export(
    frame: Frame,
    *,
    bundle: Path | None,
    since: int | datetime | None,
    until: int | datetime | None,
    checkpoints: tuple[Path, ...],
    form: Form | None,
    personal: bool,
) -> None:
    """Print every event, oldest first: a line of JSON each, or with --json one array.

    With --bundle: write events with what proves them to a file, which others verify without this server.
    """
    if bundle is None:
        if since is not None or until is not None or checkpoints or personal:
            raise click.UsageError("--from, --until, --checkpoint and --personal go with --bundle")
        if form == "cef" and frame.as_json:
            raise click.UsageError("--format cef goes without --json: it is no JSON")
        _print_all(frame, form)
        return
    if form is not None:
        raise click.UsageError("--format goes without --bundle")
    if bundle.exists():
        raise click.UsageError(f"{bundle} exists already; a bundle is written to a new file")
    progress = Counting("written", frame.say)

    async def work(services: Services, now: datetime) -> dict[str, object]:
        against = read_checkpoints(services.audit, checkpoints)
        asked = BundleRange(since, until)
        try:
            return await write_bundle(
                services.audit, bundle, asked, against=against, personal=personal, now=now, told=progress.told
            )
        except (NothingToProve, LookupError) as refused:
            raise NotReady(str(refused)) from None

    document = frame.with_services(work)
    progress.clear()
    first, last, size = document["first"], document["last"], document["size"]
    frame.answer(document, f"events {first} to {last} of {size} are in {bundle}")


def _print_all(frame: Frame, form: Form | None) -> None:
    progress = Counting("written", frame.say)

    async def work(services: Services, now: datetime) -> int:
        async with services.database.transaction() as db:
            range_ = await begin_export(db, services.emitter, now=now, actor=ACTOR)
        written = 0
        output = sys.stdout.buffer
        async for event in walk_events(services.database, services.sealer, range_):
            line = to_line(as_json(event)) if form is None else format_event(event, form)
            output.write(_before(written, as_array=frame.as_json) + line)
            written += 1
            progress.told(written, range_.count)
        output.write(_end(written, as_array=frame.as_json))
        output.flush()
        return written

    count = frame.with_services(work)
    progress.clear()
    frame.say(f"{count} events")


def _before(written: int, *, as_array: bool) -> bytes:
    if as_array:
        return b",\n" if written else b"[\n"
    return b"\n" if written else b""


def _end(written: int, *, as_array: bool) -> bytes:
    if as_array:
        return b"\n]\n" if written else b"[]\n"
    return b"\n" if written else b""
