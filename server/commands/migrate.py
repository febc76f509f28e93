"""`ostiary migrate`."""

import click

from server.commands.frame import Frame, framed


@click.command("migrate")
@framed
def command(frame: Frame) -> None:
    """Bring the database to this version's schema; safe to run again."""
    from migrations.run import current_revision, upgrade
    from server.schema import make_database_file

    url = frame.settings.database
    if url.startswith("sqlite"):
        make_database_file(url)
    before = current_revision(url)
    upgrade(url)
    after = current_revision(url)
    words = f"The database is at revision {after}" + (" already." if before == after else f" (before: {before}).")
    frame.answer({"before": before, "after": after}, words)
