"""What operators report by command: kept, told, taken back, and refused in words."""

import pytest

from tests.server.command_line import CommandLine
from tests.world import PASSWORD


def test_an_operator_reports_a_person_and_takes_it_back(cli: CommandLine) -> None:
    asked = ("user", "create", "--email", "ada@example.com", "--name", "Ada", "--password-stdin")
    person = str(cli.json(*asked, stdin=PASSWORD)["id"])
    told = cli.json("risk", "report", "taken_over", "--person", "ada@example.com", "--note", "called us")
    assert (str(told["id"])[:4], told["kind"], told["weight"], told["sessions"]) == ("sig_", "taken_over", 5.0, 0)
    result = cli.run("risk", "withdraw", str(told["id"]))
    assert (result.exit_code, result.stdout) == (0, f"{told['id']} counts no more. Live sessions assessed anew: 0.\n")
    events = [each for each in cli.events() if each["name"] == "risk.reported"]
    assert [each["data"]["kind"] for each in events] == ["taken_over", "withdrawn"]  # type: ignore[index]
    assert {(each["actor"], each["subject"]) for each in events} == {("cli", person)}
    again = cli.run("risk", "withdraw", str(told["id"]))
    assert (again.exit_code, again.stderr.strip()) == (1, f"report: there is no report {told['id']}")


def test_an_address_is_reported_and_stands_in_the_sealed_part_alone(cli: CommandLine) -> None:
    result = cli.run("risk", "report", "scraping", "--address", "203.0.113.9", "--weight", "1.5")
    assert result.exit_code == 0
    assert result.stdout.startswith("Reported as sig_")
    (event,) = [each for each in cli.events() if each["name"] == "risk.reported"]
    assert (event["data"]["about"], event["data"]["weight"]) == ("address", 1.5)  # type: ignore[index]
    assert (event["subject"], event["personal"]) == (None, {"note": "203.0.113.9"})


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("scraping",), 2, "expected one of --person, --session, --address"),
        (("scraping", "--person", "a", "--address", "1.2.3.4"), 2, "expected one of --person, --session, --address"),
        (("Scraping", "--address", "1.2.3.4"), 2, "KIND: expected 1 to 64 of a-z 0-9 _"),
        (("taken_over", "--address", "1.2.3.4"), 2, "taken_over is said of a person or a session"),
        (("scraping", "--address", "1.2.3.4", "--note", "a" * 501), 2, "--note: expected at most 500 characters"),
        (("scraping", "--address", "1.2.3.4", "--weight", "6"), 2, "6.0 is not in the range"),
        (("scraping", "--address", "here"), 1, "address: there is no address here"),
        (("scraping", "--session", "ses_" + "0" * 32), 1, "session: there is no session ses_"),
        (("scraping", "--person", "nobody"), 1, "who: there is no account nobody"),
    ],
)
def test_what_cannot_be_reported_is_refused_in_words(
    cli: CommandLine, args: tuple[str, ...], code: int, words: str
) -> None:
    result = cli.run("risk", "report", *args)
    assert result.exit_code == code
    assert words in result.stderr
    assert "risk.reported" not in cli.names()
