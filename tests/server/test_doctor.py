"""Doctor: each trap is found, named, and comes with what to do next; nothing is changed by looking."""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from server import doctor
from server.cli import main
from server.settings import load_settings
from tests.server.process import environment, ports
from tests.services import free_port

Environ = dict[str, str]


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environ:
    """A deployment that was started once: data folder, master key, database. The tests may run in a container."""
    monkeypatch.setattr(doctor, "CONTAINER_MARKS", ())
    environ = environment(tmp_path, **ports())
    assert CliRunner().invoke(main, ["key", "list"], env=environ).exit_code == 0
    return environ


def examine(environ: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """The exit code, and the problems by check."""
    result = CliRunner().invoke(main, ["doctor", "--json"], env=dict(environ))
    document = json.loads(result.stdout)
    problems = {each["check"]: each["words"] for each in document["checks"] if not each["ok"]}
    assert document["ok"] is (not problems)
    return result.exit_code, problems


def test_a_healthy_deployment_has_no_problem(deployment: Environ) -> None:
    assert examine(deployment) == (0, {})
    words = CliRunner().invoke(main, ["doctor"], env=deployment).stdout
    assert all(line.startswith("ok ") for line in words.splitlines())


def test_a_fresh_folder_is_no_problem_and_stays_untouched(tmp_path: Path) -> None:
    assert examine(environment(tmp_path, **ports())) == (0, {})
    assert not (tmp_path / "var").exists()


def told(environ: Environ) -> None:
    """Somebody hears of alerts, as a public deployment needs."""
    environ["OSTIARY_ALERT__WEBHOOK_URL"] = "https://alerts.example.com/hook"
    environ["OSTIARY_ALERT__WEBHOOK_SECRET"] = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="


def open_folder(environ: Environ) -> str:
    os.chmod(environ["OSTIARY_DATA_DIR"], 0o755)
    return "chmod 700"


def open_key(environ: Environ) -> str:
    os.chmod(Path(environ["OSTIARY_DATA_DIR"]) / "master.key", 0o644)
    return "chmod 600"


def lost_key(environ: Environ) -> str:
    (Path(environ["OSTIARY_DATA_DIR"]) / "master.key").unlink()
    return "put the key back"


def foreign_key(environ: Environ) -> str:
    environ["OSTIARY_MASTER_KEY"] = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="
    return "OSTIARY_MASTER_KEY does not open 8 stored keys"


def damaged_database(environ: Environ) -> str:
    (Path(environ["OSTIARY_DATA_DIR"]) / "ostiary.db").write_bytes(b"not a database" * 1000)
    return "check OSTIARY_DATABASE_URL"


def empty_database(environ: Environ) -> str:
    (Path(environ["OSTIARY_DATA_DIR"]) / "ostiary.db").write_bytes(b"")
    return "run `ostiary migrate`"


def unreachable_database(environ: Environ) -> str:
    environ["OSTIARY_DATABASE_URL"] = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    return "check OSTIARY_DATABASE_URL"


def unreachable_redis(environ: Environ) -> str:
    environ["OSTIARY_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    return "check OSTIARY_REDIS_URL, or start Redis"


def open_http(environ: Environ) -> str:
    environ.update(OSTIARY_LISTEN=f"0.0.0.0:{free_port()}", OSTIARY_ISSUER="http://localhost:3201")
    return "set OSTIARY_ISSUER to https and OSTIARY_TLS_CERT"


def https_without_tls(environ: Environ) -> str:
    environ["OSTIARY_ISSUER"] = "https://id.example.com"
    told(environ)
    return "nothing here speaks TLS"


def unreachable_mail(environ: Environ) -> str:
    environ.update(OSTIARY_SMTP_URL="smtp://127.0.0.1:1", OSTIARY_MAIL__SENDER="no-reply@example.com")
    return "check OSTIARY_SMTP_URL"


def foreign_certificate(environ: Environ) -> str:
    folder = Path(environ["OSTIARY_DATA_DIR"]).parent
    leaf = trustme.CA().issue_cert("other.example.com")
    leaf.cert_chain_pems[0].write_to_path(folder / "c.pem")
    leaf.private_key_pem.write_to_path(folder / "k.pem")
    environ.update(OSTIARY_TLS_CERT=str(folder / "c.pem"), OSTIARY_TLS_KEY=str(folder / "k.pem"))
    return "is for other.example.com, not for localhost"


def unsorted_breached_file(environ: Environ) -> str:
    path = Path(environ["OSTIARY_DATA_DIR"]).parent / "breached.txt"
    path.write_text("B" * 40 + "\n" + "A" * 40 + "\n")
    environ["OSTIARY_PASSWORD__BREACHED_FILE"] = str(path)
    return "OSTIARY_PASSWORD__BREACHED_FILE"


def everyone_trusted(environ: Environ) -> str:
    environ["OSTIARY_TRUSTED_PROXIES"] = "0.0.0.0/0"
    return "anyone can claim any address"


def nobody_told(environ: Environ) -> str:
    environ["OSTIARY_ISSUER"] = "https://id.example.com"
    environ["OSTIARY_TRUSTED_PROXIES"] = "10.0.0.1"
    return "nobody is told of an attack: set OSTIARY_ALERT__EMAIL"


def unsigned_webhook(environ: Environ) -> str:
    environ["OSTIARY_ALERT__WEBHOOK_URL"] = "https://alerts.example.com/hook"
    return "set OSTIARY_ALERT__WEBHOOK_SECRET"


def wrong_settings(environ: Environ) -> str:
    environ.update(OSTIARY_PROFILE="fapi")
    return "OSTIARY_PROFILE"


@pytest.mark.parametrize(
    ("check", "trap"),
    [
        ("data folder", open_folder),
        ("master key", open_key),
        ("master key", lost_key),
        ("master key", foreign_key),
        ("database", damaged_database),
        ("database", empty_database),
        ("database", unreachable_database),
        ("redis", unreachable_redis),
        ("issuer", open_http),
        ("issuer", https_without_tls),
        ("mail", unreachable_mail),
        ("certificate", foreign_certificate),
        ("breached passwords", unsorted_breached_file),
        ("proxies", everyone_trusted),
        ("alerts", nobody_told),
        ("alerts", unsigned_webhook),
        ("settings", wrong_settings),
    ],
)
def test_each_trap_is_found_and_comes_with_what_to_do(
    deployment: Environ, check: str, trap: Callable[[Environ], str]
) -> None:
    expected = trap(deployment)
    code, problems = examine(deployment)
    assert code == 1
    assert list(problems) == [check]
    assert expected in problems[check]


def test_a_folder_is_tried_and_not_asked(deployment: Environ, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    # As on a read-only file system: every right is there, and nothing can be made.
    monkeypatch.setattr("os.mkdir", full)
    code, problems = examine(deployment)
    assert (code, list(problems)) == (1, ["data folder"])
    assert "cannot be written" in problems["data folder"]
    (Path(deployment["OSTIARY_DATA_DIR"]).parent / "file").write_text("")
    deployment["OSTIARY_DATA_DIR"] += "/../file/var"
    assert "give this user the right to write" in examine(deployment)[1]["data folder"]


def test_looking_never_makes_a_master_key(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "ostiary.db").touch()
    settings = load_settings({"data_dir": str(tmp_path / "var")}, environ={}).settings
    (finding,) = asyncio.run(doctor._in_database(settings))
    assert (finding.check, finding.ok, "put the key back" in finding.words) == ("master key", False, True)
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["ostiary.db"]


def test_in_a_container_listening_everywhere_is_no_problem(
    deployment: Environ, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_http(deployment)
    monkeypatch.setattr(doctor, "CONTAINER_MARKS", (tmp_path,))
    assert examine(deployment) == (0, {})
    words = CliRunner().invoke(main, ["doctor"], env=deployment).stdout
    assert "publish the container's port on 127.0.0.1 only" in words


def test_a_port_that_another_program_holds_is_found(deployment: Environ) -> None:
    with socket.socket() as taken:
        host, port = deployment["OSTIARY_LISTEN"].split(":")
        taken.bind((host, int(port)))
        taken.listen()
        code, problems = examine(deployment)
    assert code == 1
    assert f"port {port} on 127.0.0.1 is already in use" in problems["port"]
