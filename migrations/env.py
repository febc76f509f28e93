"""Alembic's environment: one code path for SQLite and PostgreSQL, one migration at a time."""

from alembic import context
from sqlalchemy import text

import audit.tables  # noqa: F401 - the tables join the metadata
import feed.tables  # noqa: F401
import identity.tables  # noqa: F401
from base.tables import metadata
from migrations.run import sync_engine

LOCK = 0x6F737469


def _migrate() -> None:
    engine = sync_engine(context.config.attributes["database_url"])
    with engine.connect() as db:
        if engine.dialect.name == "postgresql":
            db.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        else:
            db.exec_driver_sql("PRAGMA journal_mode=WAL")
            db.commit()
            db.exec_driver_sql("BEGIN IMMEDIATE")
        context.configure(connection=db, target_metadata=metadata, render_as_batch=engine.dialect.name == "sqlite")
        with context.begin_transaction():
            context.run_migrations()
        db.commit()
    engine.dispose()


_migrate()
