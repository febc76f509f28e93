"""Brings a database to the newest schema, and says whether it is there already."""

from pathlib import Path

from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from base.database import parse_database_url
from base.errors import StorageUnavailable

FOLDER = Path(__file__).parent
# The newest revision, stated here so that a warm start need not import Alembic; a test compares it with the scripts.
HEAD = "0006"


def sync_engine(database_url: str) -> Engine:
    """A blocking engine for migrations."""
    url = parse_database_url(database_url)
    if url.drivername.startswith("sqlite"):
        return create_engine(url.set(drivername="sqlite"), connect_args={"timeout": 10})
    return create_engine(url, connect_args={"connect_timeout": 3})


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrates to `revision`; safe to call again, and from several processes at once. Raises StorageUnavailable."""
    _run(database_url, "upgrade", revision)


def downgrade(database_url: str, revision: str) -> None:
    """Migrates back to `revision`."""
    _run(database_url, "downgrade", revision)


def current_revision(database_url: str) -> str | None:
    """The revision a database is at, None for an empty one. Raises StorageUnavailable."""
    engine = sync_engine(database_url)
    try:
        with engine.connect() as db:
            if not inspect(db).has_table("alembic_version"):
                return None
            revision: str | None = db.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return revision
    except DBAPIError as failure:
        raise StorageUnavailable(str(failure.orig)) from failure
    finally:
        engine.dispose()


def is_current(database_url: str) -> bool:
    """Whether the database has the newest schema."""
    return current_revision(database_url) == HEAD


def _run(database_url: str, direction: str, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["database_url"] = database_url
    try:
        getattr(command, direction)(config, revision)
    except DBAPIError as failure:
        raise StorageUnavailable(str(failure.orig)) from failure
