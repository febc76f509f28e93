"""Fresh databases for tests: copies of a template that was migrated once a run, thrown away afterwards."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from tests.services import start_postgres
from tests.shared_run import SharedRun

DatabaseKind = Literal["sqlite", "postgresql"]
KINDS: tuple[DatabaseKind, ...] = ("sqlite", "postgresql")

TEMPLATE = "ostiary_template"


class Databases:
    """Where tests get their databases; each is a context manager that gives an `OSTIARY_DATABASE_URL`."""

    def __init__(self, run: SharedRun) -> None:
        self._run = run

    def of_kind(self, kind: DatabaseKind, folder: Path, *, migrated: bool = True) -> AbstractContextManager[str]:
        """A fresh database; `folder` is where a SQLite file goes."""
        if kind == "sqlite":
            return self.sqlite(folder, migrated=migrated)
        return self.postgres(migrated=migrated)

    @contextmanager
    def sqlite(self, folder: Path, *, migrated: bool = True) -> Iterator[str]:
        """A SQLite file of its own in `folder`; it stays there for whoever looks at a failure."""
        path = folder / f"{secrets.token_hex(4)}.sqlite"
        if migrated:
            shutil.copyfile(self._run.made("template.sqlite", _make_sqlite_template), path)
        yield f"sqlite:///{path}"

    @contextmanager
    def postgres(self, *, migrated: bool = True) -> Iterator[str]:
        """A database of its own on the run's PostgreSQL, dropped at the end whoever is still connected."""
        port = self._run.service("postgres", start_postgres).port
        template = "template0"
        if migrated:
            self._run.made("template.postgres", lambda _: _make_postgres_template(port))
            template = TEMPLATE
        name = f"test_{secrets.token_hex(6)}"
        # FILE_COPY is several times faster than the default where fsync is off.
        _run_on(port, "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        try:
            yield f"postgresql://ostiary@127.0.0.1:{port}/{name}"
        finally:
            _run_on(port, "DROP DATABASE {} WITH (FORCE)", name)


def _make_sqlite_template(path: Path) -> None:
    _upgrade(f"sqlite:///{path}")
    # The copy takes one file, so what the write-ahead log holds must be in it.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _make_postgres_template(port: int) -> None:
    _run_on(port, "CREATE DATABASE {}", TEMPLATE)
    _upgrade(f"postgresql://ostiary@127.0.0.1:{port}/{TEMPLATE}")


def _upgrade(database_url: str) -> None:
    from migrations.run import upgrade

    upgrade(database_url)


def _run_on(port: int, statement: str, *names: str) -> None:
    with psycopg.connect(f"postgresql://ostiary@127.0.0.1:{port}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
