"""`ostiary migrate`."""

import click

from server.commands.frame import Frame, framed


@click.command("migrate")
@framed
def command(frame: Frame) -> None:
    """Bring the database to this version's schema; safe to run again."""
    from migrations.run import current_revision, upgrade
    from server.master_key import load_master_keys
    from server.schema import make_database_file

    settings = frame.settings
    url = settings.database
    if url.startswith("sqlite"):
        if not settings.database_file.exists():
            # Made together: a database without its key is refused later, as one whose key was lost.
            load_master_keys(settings)
        make_database_file(url)
    before = current_revision(url)
    upgrade(url)
    after = current_revision(url)
    words = f"The database is at revision {after}" + (" already." if before == after else f" (before: {before}).")
    frame.answer({"before": before, "after": after}, words)
