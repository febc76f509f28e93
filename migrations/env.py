"""Alembic's environment: one code path for SQLite and PostgreSQL, one migration at a time."""

import time

from alembic import context
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

import audit.tables  # noqa: F401 - the tables join the metadata
import feed.tables  # noqa: F401
import identity.membership_tables
import identity.tables  # noqa: F401
import policy.tables  # noqa: F401
import risk.tables  # noqa: F401
from base.errors import StorageUnavailable
from base.tables import metadata
from migrations.run import sync_engine

LOCK = 0x6F737469
# Who waits for a table's lock makes everybody who comes after wait, too: so a migration waits a moment, lets them
# through, and asks again.
LOCK_TIMEOUT_S = 2
LOCK_TRIES = 4
PAUSE_S = 1.0


def _migrate() -> None:
    engine = sync_engine(context.config.attributes["database_url"])
    try:
        with engine.connect() as db:
            if engine.dialect.name == "postgresql":
                # Outside the transactions that follow: another process's migration is waited for, however long.
                db.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
                db.commit()
                _run_patiently(db)
            else:
                db.exec_driver_sql("PRAGMA journal_mode=WAL")
                db.commit()
                db.exec_driver_sql("BEGIN IMMEDIATE")
                _run(db)
    finally:
        engine.dispose()


def _run_patiently(db: Connection) -> None:
    """Runs the migrations, all or none; raises StorageUnavailable where somebody holds a table all the time."""
    for tried in range(LOCK_TRIES):
        if tried:
            time.sleep(PAUSE_S)
        try:
            db.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            return _run(db)
        except OperationalError as failure:
            db.rollback()
            if not isinstance(failure.orig, LockNotAvailable):
                raise
    raise StorageUnavailable(
        "a table is in use by a transaction that does not end, so nothing was migrated; "
        "try again when it is over, or look for it in pg_stat_activity"
    )


def _run(db: Connection) -> None:
    context.configure(connection=db, target_metadata=metadata, render_as_batch=db.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()
    db.commit()


_migrate()
