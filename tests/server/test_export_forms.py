"""`ostiary audit export --format`: the whole log in the forms that SIEMs read."""

from __future__ import annotations

import json

import pytest

from tests.server.command_line import CommandLine


def test_the_log_comes_in_the_form_that_is_asked_for(cli: CommandLine) -> None:
    cli.json("user", "create", "--username", "ada")
    ocsf = cli.run("audit", "export", "--format", "ocsf")
    documents = [json.loads(line) for line in ocsf.stdout.splitlines()]
    assert [each["metadata"]["event_code"] for each in documents][-1] == "admin.person_created"
    assert {each["metadata"]["version"] for each in documents} == {"1.6.0"}
    ecs = cli.run("audit", "export", "--format", "ecs", "--json")
    assert [each["event"]["action"] for each in json.loads(ecs.stdout)][-1] == "admin.audit_exported"
    cef = cli.run("audit", "export", "--format", "cef")
    assert all(line.startswith("CEF:0|Ostiary|Ostiary|") for line in cef.stdout.splitlines())
    assert (ocsf.exit_code, ecs.exit_code, cef.exit_code) == (0, 0, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "cef", "--json"), "--format cef goes without --json: it is no JSON"),
        (("--format", "ocsf", "--bundle", "new-file"), "--format goes without --bundle"),
        (("--format", "xml"), "'xml' is not one of 'ocsf', 'ecs', 'cef'"),
    ],
)
def test_forms_that_make_no_sense_are_usage_errors(cli: CommandLine, options: tuple[str, ...], words: str) -> None:
    result = cli.run("audit", "export", *options)
    assert result.exit_code == 2
    assert words in result.stderr
