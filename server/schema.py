"""The database's schema at a start: the embedded database is migrated, a shared one must be migrated already."""

from pathlib import Path

from base.errors import NotReady
from migrations.run import is_current, upgrade
from server.settings import Settings


def prepare_database(settings: Settings) -> None:
    """Makes and migrates the embedded database; refuses a PostgreSQL one that is not current. Raises NotReady.

    A shared database is migrated by one deliberate command, so that processes of two versions do not race to it.
    """
    url = settings.database
    if url.startswith("sqlite"):
        make_database_file(url)
        if not is_current(url):
            upgrade(url)
        return
    if not is_current(url):
        raise NotReady("the database does not have this version's schema: run `ostiary migrate`, then try again")


def make_database_file(url: str) -> None:
    """Makes the file of an embedded database, for its owner alone: it holds password hashes.

    The journal files that SQLite puts beside it follow its mode.
    """
    path = Path(url.removeprefix("sqlite:///"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise NotReady(
            f"the database {path} cannot be made ({error.strerror}): choose another OSTIARY_DATA_DIR"
        ) from error
