"""`ostiary admin link`."""

from datetime import datetime

import click

from identity.services import Services
from server.commands.frame import ACTOR, Frame, framed


@click.group("admin")
def command() -> None:
    """Administrators."""


@command.command("link")
@framed
def link(frame: Frame) -> None:
    """Make a one-time link by which one person becomes administrator; older links stop working."""
    from server.admin_links import FILE_NAME, make_link_file

    data_dir = frame.settings.data_dir

    async def work(services: Services, now: datetime) -> str:
        return await make_link_file(services, data_dir, actor=ACTOR)

    made = frame.with_services(work)
    frame.say(f"It works once, for 30 minutes, and also stands in {data_dir / FILE_NAME}.")
    frame.answer({"link": made}, made)
