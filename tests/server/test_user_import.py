"""`ostiary user import`: what it prints, how it ends, and that neither a kill nor a running server disturbs it."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from server.commands.user_import import EVERY
from tests.identity.exported_people import DJANGO, keycloak_user
from tests.server.command_line import CommandLine
from tests.server.process import ROOT, environment, get, ports, run, serving


def write_crowd(path: Path, number: int) -> Path:
    """A file of so many people."""
    with path.open("w") as file:
        for place in range(number):
            person = {"username": f"person{place}", "email": f"p{place}@example.com", "password_hash": DJANGO["bcrypt"]}
            file.write(json.dumps(person) + "\n")
    return path


def test_good_lines_come_in_and_bad_ones_are_named(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        f"email,name,password_hash\nada@b.com,Ada,{DJANGO['bcrypt']}\nnowhere,Eve,\nbob@b.com,Bob,hunter2\n"
    )
    result = cli.run("user", "import", str(file), "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document.pop("seconds") >= 0
    assert document == {
        "made": 1,
        "known": 0,
        "refused": [
            {"line": 3, "field": "email", "message": "must look like name@example.com"},
            {
                "line": 4,
                "field": "password_hash",
                "message": "cannot be used: the stored hash has no form known here",
            },
        ],
        "refused_count": 2,
        "dry_run": False,
    }
    assert result.stderr.splitlines() == [
        "line 3: email must look like name@example.com",
        "line 4: password_hash cannot be used: the stored hash has no form known here",
    ]
    assert "hunter2" not in result.output
    assert sorted(map(str, cli.names())) == ["admin.people_imported", "admin.person_created", "password.set"]
    shown = cli.json("user", "show", "ada@b.com")
    assert (shown["factors"], shown["profile"]) == (["password"], {"name": "Ada"})


def test_standard_input_a_dry_run_and_a_second_run(cli: CommandLine) -> None:
    lines = json.dumps(keycloak_user()) + "\n"
    dry = cli.json("user", "import", "-", "--dry-run", stdin=lines)
    assert (dry["made"], dry["dry_run"], cli.names()) == (1, True, [])
    assert cli.json("user", "import", "-", stdin=lines)["made"] == 1
    again = cli.json("user", "import", "-", stdin=lines)
    assert (again["made"], again["known"]) == (0, 1)
    assert cli.run("user", "import", "-", stdin=lines).stdout.startswith("made 0, known 1, refused 0, in ")


def test_vouching_for_all_addresses_lets_in_whom_the_file_does_not_vouch_for(cli: CommandLine) -> None:
    lines = json.dumps(keycloak_user(username="ada@example.com", emailVerified=False))
    refused = cli.run("user", "import", "-", stdin=lines)
    assert (refused.exit_code, "line 1: email is not verified" in refused.stderr) == (1, True)
    assert cli.json("user", "import", "-", "--emails-verified", stdin=lines)["made"] == 1
    assert cli.json("user", "show", "ada@example.com")["state"] == "active"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", 1, "file: must begin with a header line"),
        (b"email,password\na@b.com,hunter2\n", 1, "password: is a password in plain text"),
        ("email\n".encode("utf-16"), 1, "must be in UTF-8"),
    ],
)
def test_what_is_no_file_of_people_is_one_sentence(cli: CommandLine, content: bytes, code: int, words: str) -> None:
    result = cli.run("user", "import", "-", "--json", stdin=content)
    assert (result.exit_code, json.loads(result.stdout)) == (code, {"error": result.stderr.strip()})
    assert words in result.stderr
    assert cli.names() == []


def test_a_file_that_is_not_there_is_a_mistake_of_usage(cli: CommandLine, tmp_path: Path) -> None:
    assert cli.run("user", "import", str(tmp_path / "none.csv")).exit_code == 2


def test_progress_is_told_every_ten_thousand_lines(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("username\n" + "".join(f"person{place}\n" for place in range(EVERY + 1)))
    ended = run(environment(tmp_path), "user", "import", str(file), "--dry-run", "--json")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == f"{EVERY} read: {EVERY} made, 0 known, 0 refused\n"
    assert json.loads(ended.stdout)["made"] == EVERY + 1


def test_a_terminal_shows_one_line_that_changes(tmp_path: Path) -> None:
    file = write_crowd(tmp_path / "people.jsonl", 250)
    with file.open("a") as more:
        more.write('{"username": "a b"}\n')
    command = [sys.executable, "-m", "server.cli", "user", "import", str(file), "--json"]
    keeper, terminal = pty.openpty()
    ended = subprocess.run(
        command, env=environment(tmp_path), cwd=ROOT, stderr=terminal, stdout=subprocess.PIPE, timeout=60, check=False
    )
    os.close(terminal)
    told = os.read(keeper, 65536).decode()
    os.close(keeper)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["made"] == 250
    assert told.startswith("\r\x1b[K200 read: 200 made, 0 known, 0 refused\r\x1b[Kline 251: username may contain")
    assert told.endswith("\r\x1b[K"), "the line is empty again"


@pytest.mark.slow
def test_an_import_that_was_killed_is_completed_by_the_next_run(tmp_path: Path) -> None:
    """No doubles and no halves, wherever the kill struck."""
    environ, number = environment(tmp_path), 3000
    file = write_crowd(tmp_path / "people.jsonl", number)
    assert run(environ, "user", "list").returncode == 0
    command = [sys.executable, "-m", "server.cli", "user", "import", str(file)]
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with closing(sqlite3.connect(f"file:{tmp_path}/var/ostiary.db?mode=ro", uri=True)) as db:
        ends_at = time.monotonic() + 30
        while db.execute("SELECT count(*) FROM people").fetchone()[0] < 300:
            assert process.poll() is None, "the import ended before it could be killed"
            assert time.monotonic() < ends_at, "the import made nobody within 30 s"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        before = db.execute("SELECT count(*) FROM people").fetchone()[0]
        assert 300 <= before < number, "it was to be killed on the way"
        ended = run(environ, "user", "import", str(file), "--json")
        document = json.loads(ended.stdout)
        assert (document["made"], document["known"], ended.returncode) == (number - before, before, 0)
        for table in ("people", "emails", "credentials"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == number
        keyless = "SELECT count(*) FROM people WHERE id NOT IN (SELECT subject_id FROM subject_keys)"
        assert db.execute(keyless).fetchone()[0] == 0
        for name in ("admin.person_created", "password.set"):
            told = db.execute("SELECT count(*) FROM events WHERE name = ?", (name,)).fetchone()[0]
            assert told == number, "each person has the event, and has it once (S44)"


@pytest.mark.slow
def test_a_running_server_goes_on_writing_meanwhile(tmp_path: Path) -> None:
    """SQLite has one writer at a time: the import leaves the lock to others after each batch."""
    environ = environment(tmp_path, **ports())
    file = write_crowd(tmp_path / "people.jsonl", 2000)
    with serving(environ) as (welcome, _):
        command = [sys.executable, "-m", "server.cli", "user", "import", str(file), "--json"]
        with subprocess.Popen(
            command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as importing:
            waits, made = [], 0
            while importing.poll() is None:
                began = time.monotonic()
                one = run(environ, "user", "create", "--username", f"single{made}")
                assert one.returncode == 0, one.stderr
                waits.append(time.monotonic() - began)
                made += 1
                status, _ = get(f"{welcome['issuer']}/.well-known/openid-configuration")
                assert status == 200
            output = importing.stdout.read() if importing.stdout else b""
        assert json.loads(output)["made"] == 2000
        assert made >= 1, "nothing was written meanwhile, so nothing was shown"
        assert max(waits) < 10
