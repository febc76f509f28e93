"""`ostiary audit export`."""

import sys
from datetime import datetime

import click

from audit.export import begin_export, export_events
from base.lines import to_line
from identity.services import Services
from server.commands.frame import ACTOR, Frame, framed


@click.group("audit")
def command() -> None:
    """What happened."""


@command.command("export")
@framed
def export(frame: Frame) -> None:
    """Print every event, oldest first: a line of JSON each, or with --json one array."""

    async def work(services: Services, now: datetime) -> int:
        async with services.database.transaction() as db:
            range_ = await begin_export(db, services.emitter, now=now, actor=ACTOR)
        written = 0
        output = sys.stdout.buffer
        async for event in export_events(services.database, services.sealer, range_):
            output.write(_before(written, as_array=frame.as_json) + to_line(event))
            written += 1
        output.write(_end(written, as_array=frame.as_json))
        output.flush()
        return written

    count = frame.with_services(work)
    frame.say(f"{count} events")


def _before(written: int, *, as_array: bool) -> bytes:
    if as_array:
        return b",\n" if written else b"[\n"
    return b"\n" if written else b""


def _end(written: int, *, as_array: bool) -> bytes:
    if as_array:
        return b"\n]\n" if written else b"[]\n"
    return b"\n" if written else b""
