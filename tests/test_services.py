"""The services and databases that tests stand on are real, fresh and gone afterwards."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from tests.browser_fixtures import NewVisit, Visit
from tests.services import Service, free_port, start, start_redis
from tests.shared_run import SharedRun


def test_redis_is_real_and_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        assert connection.dbsize() == 0
        connection.set("seen", "once")
        assert connection.get("seen") == b"once"


def test_an_empty_database_has_no_tables_of_ours(empty_database_url: str) -> None:
    assert table_names(empty_database_url) == set()


def test_a_migrated_database_is_fresh_for_each_test(database_url: str) -> None:
    assert "alembic_version" in table_names(database_url)
    execute(database_url, "CREATE TABLE left_behind (id integer)")


def test_what_an_earlier_test_wrote_is_gone(database_url: str) -> None:
    assert "left_behind" not in table_names(database_url)


def test_two_databases_of_one_test_are_two(
    postgres_url: Callable[[], str], sqlite_url: Callable[[Path], str], tmp_path: Path
) -> None:
    for one, other in ((postgres_url(), postgres_url()), (sqlite_url(tmp_path), sqlite_url(tmp_path))):
        execute(one, "CREATE TABLE mine (id integer)")
        assert "mine" in table_names(one)
        assert "mine" not in table_names(other)


def test_a_stopped_service_answers_no_more(tmp_path: Path) -> None:
    started = start_redis(tmp_path / "redis")
    started.stop()
    assert not answers(started)
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)


def test_a_run_starts_a_service_once_and_ends_it_with_its_folder() -> None:
    run = SharedRun.begin()
    first, second = run.service("redis", start_redis), run.service("redis", start_redis)
    run.end()
    assert (first.port, first.pid) == (second.port, second.pid)
    assert not run.folder.exists()
    assert not answers(first)


def test_a_service_that_cannot_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    from tests.services import ServiceMissing

    with pytest.raises(ServiceMissing, match=r"gate did not start; it said: out of order"):
        start("gate", tmp_path, lambda _: ["sh", "-c", "echo out of order; exit 3"], answers=lambda _: False)


def test_free_ports_differ() -> None:
    assert len({free_port() for _ in range(5)}) > 1


@pytest.mark.anyio
async def test_a_visit_collects_what_the_browser_complains_about(new_visit: NewVisit) -> None:
    visit = await new_visit()
    policy = "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">"
    await visit.page.goto(f"data:text/html,{policy}<script>document.title = 1</script>")
    await visit.page.wait_for_load_state("networkidle")
    assert [violation.split()[0] for violation in visit.violations] == ["script-src-elem"]
    with pytest.raises(AssertionError, match="content security policy"):
        visit.check_no_complaints()


@pytest.mark.anyio
async def test_a_visit_notices_a_script_that_fails(new_visit: NewVisit) -> None:
    visit = await new_visit()
    async with visit.page.expect_event("pageerror"):
        await visit.page.set_content("<script>throw new Error('broken on purpose')</script>")
    with pytest.raises(AssertionError, match="script of a page failed"):
        visit.check_no_complaints()


@pytest.mark.anyio
async def test_an_ordinary_visit_has_nothing_to_complain_about(visit: Visit) -> None:
    await visit.page.set_content("<title>Welcome</title><p>Hello")
    assert await visit.page.title() == "Welcome"


def test_node_finds_the_packages_of_the_tests(node: str) -> None:
    script = "import('openid-client').then(client => console.log(typeof client.discovery))"
    folder = Path(__file__).parent / "node"
    said = subprocess.run([node, "-e", script], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "function"


def answers(service: Service) -> bool:
    """Whether anything listens on the service's port."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", service.port)) == 0


def table_names(url: str) -> set[str]:
    """The tables in the database at `url`, without the database's own."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(parsed.database))) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    with psycopg.connect(url) as session:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        return {str(name) for (name,) in session.execute(query)}


def execute(url: str, statement: str) -> None:
    """Runs one statement at `url` and commits it."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(parsed.database))) as connection, connection:
            connection.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(statement.encode())
