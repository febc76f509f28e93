"""`ostiary role|group|organisation`: made, listed, given, taken and deleted by the operator."""

import pytest

from tests.server.command_line import CommandLine

PASSWORD = "a quiet harbour at dusk 7"


@pytest.fixture
def ada(cli: CommandLine) -> str:
    """The id of an account."""
    made = cli.json("user", "create", "--username", "ada", "--password-stdin", stdin=PASSWORD)
    return str(made["id"])


def test_a_role_is_made_given_taken_and_deleted(cli: CommandLine, ada: str) -> None:
    made = cli.json("role", "create", "auditor", "--description", "Reads everything")
    assert (made["name"], made["members"], made["description"]) == ("auditor", 0, "Reads everything")
    assert cli.json("role", "add", "auditor", "ada") == {"id": ada, "role": "auditor", "changed": True}
    assert cli.json("role", "add", "auditor", ada)["changed"] is False
    listed = cli.json("role", "list")["roles"]
    assert isinstance(listed, list)
    assert [(each["name"], each["members"]) for each in listed] == [("auditor", 1)]
    assert cli.json("role", "remove", "auditor", "ada")["changed"] is True
    assert cli.json("role", "remove", "auditor", "ada")["changed"] is False
    assert cli.json("role", "delete", "auditor", "--yes") == {"deleted": "auditor", "members": 0}
    assert cli.names()[-4:] == [
        "admin.role_created", "admin.role_granted", "admin.role_taken", "admin.role_deleted",
    ]  # fmt: skip


def test_a_group_of_an_organisation_goes_with_it(cli: CommandLine, ada: str) -> None:
    cli.json("organisation", "create", "acme")
    cli.json("organisation", "add", "acme", "ada")
    cli.json("group", "create", "acme/support")
    cli.json("group", "create", "support")
    words = cli.run("group", "add", "acme/support", "ada")
    assert (words.exit_code, words.stdout) == (0, f"{ada} is in the group acme/support\n")
    assert [line.split() for line in cli.run("group", "list").stdout.splitlines()] == [
        ["acme/support", "1"], ["support", "0"],
    ]  # fmt: skip
    assert cli.json("organisation", "delete", "acme", "--yes") == {"deleted": "acme", "members": 1}
    assert [line.split() for line in cli.run("group", "list").stdout.splitlines()] == [["support", "0"]]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("role", "create", "a/b"), 1, "name: expected a name without a slash"),
        (("group", "create", "nowhere/support"), 1, "organisation: there is no organisation nowhere"),
        (("role", "add", "auditor", "ada"), 1, "name: there is no role auditor"),
        (("role", "delete", "auditor"), 2, "say --yes as well"),
        (("role", "add", "auditor"), 2, "Missing argument 'WHO'"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    cli: CommandLine, ada: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    refused = cli.run(*arguments)
    assert (refused.exit_code, words in refused.stderr) == (code, True), refused.stderr


def test_nobody_unknown_is_put_into_anything(cli: CommandLine) -> None:
    cli.json("role", "create", "auditor")
    refused = cli.run("role", "add", "auditor", "nobody@example.com")
    assert (refused.exit_code, refused.stderr) == (1, "who: there is no account nobody@example.com\n")
