"""The command's settings: what is given, what is wrong with it, and what to do about it."""

from pathlib import Path

import pytest

from ostiary import ConfigurationError, Rate
from ostiary.gateway.command import main
from ostiary.gateway.settings import PREFIX, SETTINGS, Listen, parse_settings

DOCS = Path(__file__).resolve().parents[2] / "docs" / "gateway.md"
ROUTES = Path(__file__).resolve().parents[2] / "deploy" / "gateway" / "routes.toml"

GIVEN = {
    "OSTIARY_GATEWAY_ISSUER": "https://id.example.com",
    "OSTIARY_GATEWAY_AUDIENCE": "https://api.example.com",
    "OSTIARY_GATEWAY_ROUTES": "routes.toml",
    "OSTIARY_GATEWAY_CLIENT_ID": "cli_1",
    "OSTIARY_GATEWAY_CLIENT_SECRET": "ocs_1",
}


def faults(environment: dict[str, str], **options: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        parse_settings(options, environment)
    return str(refused.value)


def test_what_must_be_given_is_enough() -> None:
    settings = parse_settings({}, {**GIVEN, "PATH": "/usr/bin", "OSTIARY_ISSUER": "not ours"})
    assert (settings.issuer, settings.audience) == ("https://id.example.com", "https://api.example.com")
    assert settings.routes == Path("routes.toml")
    assert settings.listen == Listen("127.0.0.1", 3290)
    assert settings.client == ("cli_1", "ocs_1")
    assert settings.rate_per_person == Rate(1000, 900)
    assert settings.rate_global is None
    assert settings.trusted_proxies.trusts("127.0.0.1")
    assert not settings.trusted_proxies.trusts("10.0.0.1")


def test_the_command_line_goes_before_the_environment(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    environment = {**GIVEN, "OSTIARY_GATEWAY_CLIENT_SECRET_FILE": str(secret)}
    options = {"LISTEN": "[::1]:9", "TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8", "RATE_GLOBAL": "50/1"}
    settings = parse_settings({**options, "RATE_PER_PERSON": "off", "REALM": None}, environment)
    assert settings.listen == Listen("::1", 9)
    assert settings.trusted_proxies.trusts("fd00::1")
    assert (settings.rate_global, settings.rate_per_person) == (Rate(50, 1), None)
    assert settings.client == ("cli_1", "from a file")
    assert parse_settings({"LISTEN": "unix:/run/x.sock"}, GIVEN).listen.socket_file == "/run/x.sock"


def test_every_fault_is_told_at_once_with_what_to_do() -> None:
    told = faults({})
    assert "OSTIARY_GATEWAY_ISSUER is missing (or --issuer)" in told
    assert "OSTIARY_GATEWAY_AUDIENCE is missing (or --audience)" in told
    assert "OSTIARY_GATEWAY_ROUTES is missing (or --routes)" in told
    assert "ostiary client create --name Gateway --grant client_credentials --scope feed:read" in told
    assert len(told.splitlines()) == 4


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LISTEN", "3290", "LISTEN must be an address and a port"),
        ("LISTEN", "127.0.0.1:99999", "LISTEN must be an address and a port"),
        ("TRUSTED_PROXIES", "everyone", "TRUSTED_PROXIES: .*network"),
        ("TRUSTED_PROXIES", ",", "TRUSTED_PROXIES: .*not empty"),
        ("RATE_GLOBAL", "many", "RATE_GLOBAL must be requests/seconds"),
        ("RATE_PER_PERSON", "0/900", "RATE_PER_PERSON must be requests/seconds"),
        ("WITHOUT_FEED", "yes", "WITHOUT_FEED must be on or off"),
        ("ISSUER", "http://id.example.com", "ISSUER: "),
        ("CLIENT_SECRET_FILE", "/nonexistent/secret", "CLIENT_SECRET_FILE cannot be read"),
        ("ISUER", "https://id.example.com", "OSTIARY_GATEWAY_ISUER is no setting"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, words: str) -> None:
    import re

    assert re.search(words, faults({**GIVEN, PREFIX + name: value}))


def test_going_without_the_feed_must_be_said() -> None:
    assert parse_settings({"WITHOUT_FEED": "on"}, {**GIVEN, "OSTIARY_GATEWAY_CLIENT_ID": ""}).client is None
    assert "CLIENT_ID" in faults({**GIVEN, "OSTIARY_GATEWAY_CLIENT_ID": ""})


def test_every_setting_is_documented_and_the_other_way_round() -> None:
    import re

    told = set(re.findall(r"^\| `OSTIARY_GATEWAY_([A-Z_]+)`", DOCS.read_text(), re.MULTILINE))
    assert told == {name for name, _, _ in SETTINGS}


def test_the_command_checks_a_routes_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--check", "--routes", str(ROUTES)]) == 0
    assert "22 routes, nothing wrong" in capsys.readouterr().err
    wrong = tmp_path / "routes.toml"
    wrong.write_text("[[routes]]\nname = 'a'\n")
    assert main(["--check", "--routes", str(wrong)]) == 2
    assert "route 1 (a): prefixes must name at least one path" in capsys.readouterr().err


def test_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    assert main([]) == 2
    assert "OSTIARY_GATEWAY_ISSUER is missing" in capsys.readouterr().err


def test_no_secret_can_stand_in_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--client-secret", "x"])
    assert "unrecognized arguments" in capsys.readouterr().err
