"""`ostiary serve` as a program: its start, what it prints, its refusals, and its end."""

import base64
import json
import os
import signal
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import trustme

from tests.server.process import begin_request, environment, get, ports, run, serving


def test_a_first_start_makes_everything_and_says_three_things(tmp_path: Path) -> None:
    environ = environment(tmp_path, **ports())
    with serving(environ) as (welcome, process):
        status, metadata = get(welcome["discovery"])
        assert (status, metadata["issuer"]) == (200, welcome["issuer"])
        link = welcome["admin_link"]
        with urllib.request.urlopen(link, timeout=10) as page:
            assert page.status == 200
        var = tmp_path / "var"
        assert (var / "admin-link.txt").read_text().strip() == link
        modes = {path.name: path.stat().st_mode & 0o777 for path in [var, *var.iterdir()]}
        assert modes.pop("var") == 0o700
        assert set(modes.values()) == {0o600}
        ops = environ["OSTIARY_OPS_LISTEN"]
        assert get(f"http://{ops}/health/ready")[0] == 200
        assert run(environ, "healthcheck").returncode == 0
    assert process.returncode == 0, "SIGTERM is a clean end"
    assert link.rpartition("/")[2] not in (tmp_path / "server.log").read_text(), "S46"


def test_commands_work_while_the_server_runs_and_it_obeys_within_a_second(tmp_path: Path) -> None:
    """S18"""
    environ = environment(tmp_path, **ports())
    with serving(environ) as (welcome, _):
        asked = ("--name", "x", "--grant", "client_credentials", "--scope", "a:b", "--json")
        made = run(environ, "client", "create", *asked)
        client = json.loads(made.stdout)
        credentials = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()

        def ask() -> int:
            body = b"grant_type=client_credentials"
            asked = urllib.request.Request(welcome["issuer"] + "/oauth/token", body)
            asked.add_header("authorization", f"Basic {credentials}")
            return get_status(asked)

        wait_for(lambda: ask() == 200)
        assert run(environ, "client", "delete", client["client_id"]).returncode == 0
        wait_for(lambda: ask() == 401)


def get_status(asked: urllib.request.Request) -> int:
    """The status of an answer."""
    try:
        with urllib.request.urlopen(asked, timeout=10) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def wait_for(holds: Callable[[], bool]) -> None:
    """Returns as soon as it holds; a second is what every process has to notice a change."""
    ends_at = time.monotonic() + 1.5
    while not holds():
        assert time.monotonic() < ends_at, "not within a second"
        time.sleep(0.05)


def test_once_there_is_an_administrator_no_link_is_made(tmp_path: Path) -> None:
    environ = environment(tmp_path, **ports())
    created = run(environ, "user", "create", "--username", "root-of-all", "--admin", "--json")
    assert created.returncode == 0, created.stderr
    (tmp_path / "var" / "admin-link.txt").write_text("left over")
    with serving(environ) as (welcome, _):
        assert "admin_link" not in welcome
    assert not (tmp_path / "var" / "admin-link.txt").exists()


def test_a_busy_port_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    environ = environment(tmp_path, **ports())
    with serving(environ):
        second = run({**environ, "OSTIARY_DATA_DIR": str(tmp_path / "other")}, "serve")
    assert second.returncode == 1
    port = environ["OSTIARY_LISTEN"].rpartition(":")[2]
    assert second.stderr == (
        f"port {port} on 127.0.0.1 is already in use: stop the program that uses it (perhaps another Ostiary),"
        " or choose another port by OSTIARY_LISTEN\n"
    )


def test_an_unwritable_folder_a_lost_key_and_an_unknown_setting_are_one_sentence_each(tmp_path: Path) -> None:
    environ = environment(tmp_path, **ports())
    (tmp_path / "file").write_text("")
    refused = [
        run({**environ, "OSTIARY_DATA_DIR": str(tmp_path / "file" / "var")}, "serve"),
        run({**environ, "OSTIARY_LISTN": "x"}, "serve"),
        run({**environ, "OSTIARY_MASTER_KEY": "c2hvcnQ="}, "serve"),
        run({**environ, "OSTIARY_WORKERS": "2"}, "serve"),
    ]
    words = ("cannot be written", "mean OSTIARY_LISTEN?", "a master key has 32 bytes", "need OSTIARY_DATABASE_URL")
    for result, expected in zip(refused, words, strict=True):
        assert result.returncode == 1
        assert expected in result.stderr
        assert result.stderr.count("\n") == 1, result.stderr


def test_a_foreign_master_key_is_refused_and_told(tmp_path: Path) -> None:
    """S40"""
    environ = environment(tmp_path, **ports())
    assert run(environ, "key", "list").returncode == 0
    other = base64.b64encode(os.urandom(32)).decode()
    result = run({**environ, "OSTIARY_MASTER_KEY": other}, "serve")
    assert result.returncode == 1
    assert "the master key does not open this database" in result.stderr
    own = (tmp_path / "var" / "master.key").read_text().strip()
    both = run({**environ, "OSTIARY_MASTER_KEY": f"{other},{own}"}, "key", "list")
    assert both.returncode == 0, "a new key before the old one takes over"


def test_over_tls_the_issuer_is_https_and_cookies_carry_the_host_prefix(tmp_path: Path) -> None:
    """S31"""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "c.pem")
    leaf.private_key_pem.write_to_path(tmp_path / "k.pem")
    tls = {"OSTIARY_TLS_CERT": str(tmp_path / "c.pem"), "OSTIARY_TLS_KEY": str(tmp_path / "k.pem")}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with serving(environment(tmp_path, **ports(**tls))) as (welcome, _):
        assert welcome["issuer"].startswith("https://localhost:")
        assert get(welcome["discovery"], context)[1]["issuer"] == welcome["issuer"]
        with urllib.request.urlopen(welcome["issuer"] + "/signin", timeout=10, context=context) as page:
            cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-ostiary_flow=")
    assert "Secure" in cookie


def test_a_request_under_way_is_finished_after_sigterm(tmp_path: Path) -> None:
    """F13"""
    environ = environment(tmp_path, **ports())
    with serving(environ) as (_, process):
        connection = begin_request(environ)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.send(b"client_credentials")
        assert connection.getresponse().status in (400, 401)
        connection.close()
        assert process.wait(timeout=15) == 0


def test_a_signal_that_comes_twice_at_once_still_lets_a_request_under_way_finish(tmp_path: Path) -> None:
    """F13: a terminal signals parent and children, and the parent passes its own on"""
    environ = environment(tmp_path, **ports())
    with serving(environ) as (_, process):
        connection = begin_request(environ)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.6)
        connection.send(b"client_credentials")
        assert connection.getresponse().status in (400, 401)
        connection.close()
        assert process.wait(timeout=15) == 0


def test_a_second_signal_after_a_while_does_not_wait(tmp_path: Path) -> None:
    environ = environment(tmp_path, **ports())
    with serving(environ) as (_, process):
        connection = begin_request(environ)
        process.send_signal(signal.SIGTERM)
        time.sleep(1.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        connection.close()


def test_postgresql_must_be_migrated_by_a_deliberate_command(empty_database_url: str, tmp_path: Path) -> None:
    environ = environment(
        tmp_path, OSTIARY_DATABASE_URL=empty_database_url, OSTIARY_MASTER_KEY=base64.b64encode(os.urandom(32)).decode(),
        **ports(),
    )  # fmt: skip
    if empty_database_url.startswith("postgresql"):
        refused = run(environ, "serve")
        assert (refused.returncode, "run `ostiary migrate`" in refused.stderr) == (1, True)
        migrated = run(environ, "migrate", "--json")
        assert migrated.returncode == 0
        assert json.loads(migrated.stdout)["before"] is None
    with serving(environ) as (welcome, _):
        assert get(welcome["discovery"])[0] == 200
