"""A server does not start with policies that it cannot use, and the commands that mend them work all the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.server.command_line import CommandLine
from tests.server.process import environment, ports, run

BROKEN = '@id("a") permit (principal, action == Ostiary::Action::"sail", resource);'


@pytest.fixture
def broken(sqlite_url: Callable[[Path], str], tmp_path: Path) -> CommandLine:
    """A deployment whose only set names an action that the schema does not know."""
    url = sqlite_url(tmp_path)
    key = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="
    commands = CommandLine(environment(tmp_path, **ports(OSTIARY_DATABASE_URL=url, OSTIARY_MASTER_KEY=key)))
    commands.json("policy", "list")
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE policy_revisions SET policies = ?", (BROKEN,))
        connection.commit()
    return commands


def test_a_server_with_policies_that_it_cannot_use_does_not_start(broken: CommandLine) -> None:
    """S41, I6"""
    done = run(broken.environ, "serve")
    assert done.returncode == 1, done.stderr
    assert "the set of policies in force cannot be used: revision 1: a: " in done.stderr
    assert "`ostiary policy rollback` puts an older one in force" in done.stderr


def test_another_set_mends_it(broken: CommandLine, tmp_path: Path) -> None:
    broken.json("policy", "show", "starter", "--output", str(tmp_path / "set"))
    done = broken.json("policy", "activate", str(tmp_path / "set"), "--reason", "as it was shipped")
    assert (done["revision"], done["before"]) == (2, 1)
    assert broken.json("policy", "show")["revision"] == 2
