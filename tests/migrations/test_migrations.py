"""The schema: one code path for both databases, there and back again."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import audit.tables  # noqa: F401 - the tables join the metadata
import feed.tables  # noqa: F401
import identity.membership_tables
import identity.tables  # noqa: F401
import policy.tables  # noqa: F401
import risk.tables  # noqa: F401
from base.errors import StorageUnavailable
from base.tables import metadata
from migrations.run import FOLDER, HEAD, current_revision, downgrade, is_current, sync_engine, upgrade


def test_a_database_goes_up_down_and_up_again(empty_database_url: str) -> None:
    assert current_revision(empty_database_url) is None
    upgrade(empty_database_url)
    assert is_current(empty_database_url)
    downgrade(empty_database_url, "base")
    engine = sync_engine(empty_database_url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    upgrade(empty_database_url)
    upgrade(empty_database_url)
    assert is_current(empty_database_url)


def test_the_migrated_schema_is_the_one_that_the_code_declares(database_url: str) -> None:
    engine = sync_engine(database_url)
    with engine.connect() as db:
        context = MigrationContext.configure(db, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_stated_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(FOLDER))
    assert scripts.get_heads() == [HEAD]


def test_a_migration_that_waits_for_a_table_lets_readers_through(postgres_url: Callable[[], str]) -> None:
    """A transaction that does not end must not stop the whole service behind a migration."""
    url = postgres_url()
    downgrade(url, "0001")
    engine = sync_engine(url)
    waits = []
    with engine.connect() as lazy, engine.connect() as reader, ThreadPoolExecutor(1) as beside:
        lazy.execute(text("SELECT count(*) FROM people"))
        migration = beside.submit(upgrade, url)
        while not migration.done():
            began = time.monotonic()
            reader.execute(text("SELECT count(*) FROM people"))
            reader.rollback()
            waits.append(time.monotonic() - began)
            time.sleep(0.05)
        lazy.rollback()
    engine.dispose()
    with pytest.raises(StorageUnavailable, match="nothing was migrated; try again"):
        migration.result()
    assert max(waits) < 4, "behind the migration's wait for one lock, and no longer"
    assert current_revision(url) == "0001"
    upgrade(url)
    assert is_current(url)


def test_a_migration_goes_on_when_the_table_is_free(postgres_url: Callable[[], str]) -> None:
    url = postgres_url()
    downgrade(url, "0001")
    engine = sync_engine(url)
    with engine.connect() as lazy, ThreadPoolExecutor(1) as beside:
        lazy.execute(text("SELECT count(*) FROM people"))
        migration = beside.submit(upgrade, url)
        assert wait([migration], timeout=2.5).not_done
        lazy.rollback()
        migration.result()
    engine.dispose()
    assert is_current(url)


def test_a_migrated_sqlite_database_keeps_a_write_ahead_log(sqlite_url: Callable[[Path], str], tmp_path: Path) -> None:
    engine = sync_engine(sqlite_url(tmp_path))
    with engine.connect() as db:
        assert db.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()
