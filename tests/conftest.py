"""What every test may ask for: databases, Redis, Chromium, Node, and one asyncio backend."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.databases import KINDS, DatabaseKind, Databases
from tests.services import find_node, start_redis
from tests.shared_run import SharedRun

pytest_plugins = ["tests.browser_fixtures"]

RUN = pytest.StashKey[SharedRun]()
RUN_KEY = "ostiary_run"

# Two shared cores make single examples slow by chance; CI repeats the same examples, a developer's run tries new ones.
settings.register_profile("ostiary", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ostiary")


def pytest_configure(config: pytest.Config) -> None:
    """Begins the shared run, or joins it where this process is one of its workers."""
    worker_input: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[RUN] = SharedRun(Path(worker_input[RUN_KEY]))
        return
    config.stash[RUN] = SharedRun.begin()
    # A polite kill ends the run as Ctrl-C does, so that the services are stopped then too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tells a worker which run it belongs to."""
    run: SharedRun = node.config.stash[RUN]  # type: ignore[attr-defined]
    node.workerinput[RUN_KEY] = str(run.folder)  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the shared run after all its workers."""
    if hasattr(config, "workerinput"):
        return
    # This is the last act of the process; a second Ctrl-C must not leave services behind.
    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, signal.SIG_IGN)
    config.stash[RUN].end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says again, where it is seen, which checks failed before the tests began."""
    if failed := os.environ.get("OSTIARY_TEST_CHECKS_FAILED"):
        terminalreporter.write_line(f"Before the tests, these checks failed (see above): {failed}", red=True)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The one event loop that Ostiary runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def shared_run(request: pytest.FixtureRequest) -> SharedRun:
    """What all workers of this run share."""
    return request.config.stash[RUN]


@pytest.fixture(scope="session")
def databases(shared_run: SharedRun) -> Databases:
    """Fresh databases for fixtures of any scope: `with databases.postgres() as url`."""
    return Databases(shared_run)


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> DatabaseKind:
    """Runs the test once for each database."""
    kind: DatabaseKind = request.param
    return kind


@pytest.fixture
def database_url(databases: Databases, database_kind: DatabaseKind, tmp_path: Path) -> Iterator[str]:
    """A fresh migrated database; the test runs on SQLite and on PostgreSQL."""
    with databases.of_kind(database_kind, tmp_path) as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases, database_kind: DatabaseKind, tmp_path: Path) -> Iterator[str]:
    """A fresh database without any table; the test runs on SQLite and on PostgreSQL."""
    with databases.of_kind(database_kind, tmp_path, migrated=False) as url:
        yield url


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[Callable[[], str]]:
    """Each call gives a fresh migrated PostgreSQL database."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(databases.postgres())


@pytest.fixture
def sqlite_url(databases: Databases) -> Iterator[Callable[[Path], str]]:
    """Each call gives a fresh migrated SQLite database in the folder that it is called with."""
    with ExitStack() as opened:
        yield lambda folder: opened.enter_context(databases.sqlite(folder))


@pytest.fixture
def redis_url(shared_run: SharedRun) -> str:
    """An empty Redis database that no other worker uses."""
    import redis

    port = shared_run.service("redis", start_redis).port
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    with redis.Redis(host="127.0.0.1", port=port, db=worker) as connection:
        connection.flushdb()
    return f"redis://127.0.0.1:{port}/{worker}"


@pytest.fixture(scope="session")
def node() -> str:
    """The path of a Node that is new enough; the packages of tests/node/package.json are beside its scripts."""
    return find_node()
