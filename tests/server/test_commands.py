"""The command line: what each command prints, its exit codes, and that it works beside nothing but a database."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.cli import COMMANDS, main
from tests.server.command_line import CommandLine

PASSWORD = "a quiet harbour at dusk 7"


def test_a_user_is_made_found_closed_and_opened_again(cli: CommandLine) -> None:
    made = cli.json("user", "create", "--email", "Ada@example.com", "--name", "Ada", "--password-stdin", stdin=PASSWORD)
    who = str(made["id"])
    assert who.startswith("usr_")
    shown = cli.json("user", "show", "ada@example.com")
    assert (shown["id"], shown["state"], shown["is_admin"]) == (who, "active", False)
    assert shown["emails"] == [{"address": "Ada@example.com", "primary": True, "verified": True}]
    assert cli.json("user", "disable", who) == {"id": who, "state": "disabled"}
    assert cli.json("user", "enable", "ADA@example.com") == {"id": who, "state": "active"}
    assert cli.json("user", "unlock", who) == {"id": who, "unlocked": True}
    listed = cli.json("user", "list")
    assert [user["id"] for user in listed["users"]] == [who]  # type: ignore[attr-defined]
    assert {"admin.person_created", "password.set", "admin.person_state_changed", "lockout.ended"} <= set(cli.names())


def test_a_user_list_goes_on_behind_its_last_one(cli: CommandLine) -> None:
    made = [cli.json("user", "create", "--username", f"person-{number}")["id"] for number in range(3)]
    first = cli.json("user", "list", "--limit", "2")
    rest = cli.json("user", "list", "--limit", "2", "--after", str(first["after"]))
    found = [user["id"] for page in (first, rest) for user in page["users"]]  # type: ignore[attr-defined]
    assert found == made
    assert rest["after"] is None


@pytest.mark.parametrize(
    ("args", "stdin", "words"),
    [
        (("user", "create", "--email", "a@example.com", "--password-stdin"), "short", "at least 12 characters"),
        (("user", "create", "--email", "no address"), "", "email:"),
        (("user", "create"), "", "a username or a mail address is needed"),
        (("user", "show", "nobody"), "", "there is no account nobody"),
        (("client", "show", "cli_none"), "", "there is no application cli_none"),
        (("client", "create", "--name", "x", "--grant", "password"), "", "expected one or more of"),
        (("client", "create", "--name", "x", "--redirect-uri", "http://evil.example"), "", "redirect_uri:"),
        (("api", "create", "--identifier", "no uri"), "", "absolute URI"),
        (("api", "delete", "https://none.example"), "", "there is no API"),
        (("key", "revoke", "none"), "", "there is no key none"),
        (("key", "rotate", "--alg", "HS256"), "", "expected one of ES256, RS256"),
    ],
)
def test_a_refusal_is_one_sentence_with_exit_code_1_and_changes_nothing(
    cli: CommandLine, args: tuple[str, ...], stdin: str, words: str
) -> None:
    result = cli.run(*args, "--json", stdin=stdin)
    assert result.exit_code == 1, result.output
    assert words in result.stderr
    assert json.loads(result.stdout) == {"error": result.stderr.strip()}
    assert cli.names() == []


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("user", "create", "--admim"),
        ("client", "create"),
        ("user", "list", "--after", "nonsense"),
        ("user", "create", "--email", "a@example.com", "--password-stdin"),
        ("client", "create", "--name", "x", "--public", "--auth-method", "client_secret_post"),
    ],
)
def test_a_wrong_usage_has_exit_code_2(cli: CommandLine, args: tuple[str, ...]) -> None:
    assert cli.run(*args).exit_code == 2


@pytest.mark.parametrize(
    "args",
    [
        ("user", "show", "\udcff"),
        ("client", "create", "--name", "x", "--scope", "a", "--scope", "\udcff"),
        ("user", "list", "--data-dir", "/tmp/\udcff", "--json"),
    ],
)
def test_bytes_that_are_no_text_are_a_wrong_usage(cli: CommandLine, args: tuple[str, ...]) -> None:
    result = cli.run(*args)
    assert (result.exit_code, "expected arguments in UTF-8" in result.stderr) == (2, True)


def test_a_password_that_is_no_text_is_a_wrong_usage(cli: CommandLine) -> None:
    asked = ["user", "create", "--username", "ada", "--password-stdin"]
    result = CliRunner().invoke(main, asked, input=b"\xff" * 20, env=cli.environ)
    assert (result.exit_code, "expected a password in UTF-8" in result.stderr) == (2, True)


def test_what_could_not_be_kept_is_not_said_to_be_made(cli: CommandLine) -> None:
    refused = cli.run("client", "create", "--name", "x", "--scope", "a:b", "--redirect-uri", "http://evil.example")
    assert (refused.exit_code, "redirect_uri:" in refused.stderr) == (1, True)
    assert "made the" not in refused.stderr


def test_an_unreachable_database_has_exit_code_3(cli: CommandLine, tmp_path: Path) -> None:
    from tests.services import free_port

    away = {"OSTIARY_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none"}
    result = CliRunner().invoke(main, ["user", "list", "--json"], env={**cli.environ, **away})
    assert result.exit_code == 3, result.output
    assert "the database did not answer" in result.stderr
    assert result.stderr.count("\n") == 1, "the driver's own words come in several lines"


def test_a_client_is_registered_with_the_apis_and_scopes_that_it_names(cli: CommandLine) -> None:
    result = cli.run(
        "client", "create", "--name", "Shop", "--grant", "client_credentials", "--json",
        "--audience", "https://api.example.com", "--scope", "orders:read", "--scope", "users:read openid",
    )  # fmt: skip
    made = json.loads(result.stdout)
    assert set(made) == {"client_id", "client_secret"}
    assert made["client_secret"].startswith("ocs_")
    assert "made the API https://api.example.com" in result.stderr
    assert "made the scope orders:read of https://api.example.com" in result.stderr
    shown = cli.json("client", "show", made["client_id"])
    assert shown["apis"] == {"https://api.example.com": ["orders:read"]}
    assert shown["scopes"] == ["openid", "users:read"]
    assert made["client_secret"] not in str(shown)


def test_a_new_scope_without_an_audience_joins_the_default_api_and_a_known_one_stays_at_its_own(
    cli: CommandLine,
) -> None:
    cli.json("api", "create", "--identifier", "https://stock.example.com", "--scope", "stock:read")
    made = cli.json("client", "create", "--name", "x", "--scope", "stock:read", "--scope", "made:up")
    shown = cli.json("client", "show", str(made["client_id"]))
    assert shown["apis"] == {"https://stock.example.com": ["stock:read"], "urn:ostiary:default": ["made:up"]}
    cli.json("api", "create", "--identifier", "https://other.example.com", "--scope", "stock:read")
    unclear = cli.run("client", "create", "--name", "y", "--scope", "stock:read")
    assert (unclear.exit_code, "name one of them by --audience" in unclear.stderr) == (1, True)


def test_a_public_client_has_no_secret(cli: CommandLine) -> None:
    made = cli.json("client", "create", "--name", "App", "--public", "--redirect-uri", "https://app.example.com/cb")
    assert made["client_secret"] is None
    shown = cli.json("client", "show", str(made["client_id"]))
    assert (shown["auth_method"], shown["grants"], shown["require_pkce"]) == ("none", ["authorization_code"], True)


def test_secrets_rotate_and_a_deleted_client_is_gone(cli: CommandLine) -> None:
    """S40"""
    made = cli.json("client", "create", "--name", "x", "--grant", "client_credentials")
    client_id = str(made["client_id"])
    rotated = cli.json("client", "rotate-secret", client_id, "--keep-old-for-s", "60")
    assert rotated["client_secret"] != made["client_secret"]
    assert cli.json("client", "show", client_id)["secrets"] == 2
    assert cli.json("client", "delete", client_id) == {"deleted": client_id}
    assert cli.run("client", "show", client_id).exit_code == 1
    assert cli.names() == ["client.created", "client.secret_added", "client.deleted"]


def test_keys_are_listed_without_their_private_parts_and_rotation_waits_for_verifiers(cli: CommandLine) -> None:
    """S39"""
    keys = cli.json("key", "list")["keys"]
    assert isinstance(keys, list)
    assert sorted((key["alg"], key["state"]) for key in keys) == [
        ("ES256", "active"), ("ES256", "next"), ("RS256", "active"), ("RS256", "next"),
    ]  # fmt: skip
    assert not {"d", "p", "q"} & {name for key in keys for name in key["public_jwk"]}
    early = cli.run("key", "rotate", "--alg", "ES256")
    assert (early.exit_code, "may sign from" in early.stderr) == (1, True)
    active = next(key["kid"] for key in keys if (key["alg"], key["state"]) == ("ES256", "active"))
    assert cli.json("key", "revoke", active) == {"revoked": active}
    assert "admin.key_revoked" in cli.names()


def test_an_admin_link_is_printed_and_kept_in_a_file_of_our_own(cli: CommandLine, tmp_path: Path) -> None:
    first = str(cli.json("admin", "link")["link"])
    assert first.startswith("http://localhost:3201/setup/olk_")
    file = tmp_path / "var" / "admin-link.txt"
    assert file.read_text().strip() == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert cli.json("admin", "link")["link"] != first
    assert cli.names() == ["admin.link_made", "admin.link_made"]


def test_config_show_stars_secrets_and_names_each_source(cli: CommandLine) -> None:
    shown = cli.json("config", "show")
    assert shown["OSTIARY_MASTER_KEY"] == {"value": "***", "source": "environment OSTIARY_MASTER_KEY"}
    assert shown["OSTIARY_LOCKOUT__FAILURES"] == {"value": 5, "source": "default"}
    assert "MDEyMzQ1" not in str(shown)


def test_every_setting_is_in_the_schema(cli: CommandLine) -> None:
    schema = cli.json("config", "schema")["settings"]
    assert isinstance(schema, dict)
    assert schema["OSTIARY_LOCKOUT__FAILURES"] == {
        "key": "lockout.failures", "default": 5, "minimum": 1, "maximum": 100, "secret": False,
        "description": "Failures after which proofs are refused for a while.",
    }  # fmt: skip
    assert set(schema) == set(cli.json("config", "show"))


def test_a_refused_setting_is_told_by_every_command(cli: CommandLine) -> None:
    result = CliRunner().invoke(main, ["user", "list"], env={**cli.environ, "OSTIARY_PROFILE": "fapi"})
    assert (result.exit_code, "OSTIARY_PROFILE: the profile fapi does not work yet" in result.stderr) == (1, True)


def test_what_others_named_cannot_move_the_cursor_of_a_terminal(cli: CommandLine) -> None:
    """S46"""
    from server.commands.frame import table

    assert table([("a\x1b[2J", "b\r\nc"), ("\u202e", "d")], empty="") == "a?[2J  b??c\n?      d"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
