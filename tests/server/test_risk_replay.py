"""`ostiary risk replay`: what past sign-ins would have met, by today's rules and factors."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from base.ids import new_id
from tests.risk.past import Past, id_of, odds_of
from tests.server.command_line import CommandLine
from tests.server.past import give_totp, write

# By the shipped calibration.
CALM, NOTICED, BETWEEN, HIGH, CRITICAL = (odds_of(points) for points in (5, 35, 55, 75, 95))
CREATE = ("client", "create", "--name", "x", "--redirect-uri", "https://app.example.com/", "--risk-step-up")


@pytest.fixture
def ada(cli: CommandLine) -> str:
    """Somebody without a second factor; no mail leaves here."""
    return str(cli.json("user", "create", "--username", "ada")["id"])


@pytest.fixture
def bob(cli: CommandLine) -> str:
    """Somebody with an authenticator app."""
    made = str(cli.json("user", "create", "--username", "bob")["id"])
    give_totp(cli, id_of(made))
    return made


def steps(document: dict[str, object]) -> dict[str, dict[str, object]]:
    """The steps of an answer, by name."""
    found: dict[str, dict[str, object]] = document["steps"]  # type: ignore[assignment]
    return found


def examples(document: dict[str, object]) -> list[dict[str, object]]:
    """The examples of an answer."""
    found: list[dict[str, object]] = document["examples"]  # type: ignore[assignment]
    return found


def test_sign_ins_are_counted_by_what_they_would_have_met(cli: CommandLine, ada: str, bob: str) -> None:
    def past(now: datetime) -> Iterator[Past]:
        at, gone = now - timedelta(days=2), new_id(now)
        for number in range(7):
            yield Past(at, id_of((ada, bob)[number % 2]), CALM)
        yield Past(at, id_of(ada), NOTICED)
        yield Past(at, id_of(ada), HIGH)
        yield Past(at, id_of(bob), HIGH, methods=("pwd", "device"))
        yield Past(at, id_of(bob), HIGH, methods=("pwd", "totp"))
        yield Past(at, gone, HIGH)
        yield Past(at, id_of(bob), CRITICAL, methods=("pwd", "totp"))
        yield Past(at, id_of(ada))
        yield Past(now - timedelta(days=40), id_of(ada), CRITICAL)

    write(cli, past)
    found = cli.json("risk", "replay", "--days", "30", "--threshold", "60")
    assert (found["signins"], found["unscored"], found["people"]) == (14, 1, 3)
    assert found["thresholds"] == {"notice": 30, "step_up": 60, "strong": 90}
    by_step = steps(found)
    assert by_step["nothing"] == {"signins": 7, "share": round(7 / 13, 6), "people": 2}
    assert by_step["notice"] == {"signins": 1, "share": round(1 / 13, 6), "people": 1}
    assert by_step["step_up"] == {
        "signins": 4, "share": round(4 / 13, 6), "people": 3, "with_second_factor": 2,
        "met": 1, "asked": 1, "refused": 1, "gone": 1,
    }  # fmt: skip
    # A code of an app is not enough there, and no mail leaves.
    assert by_step["strong"]["refused"] == 1
    stricter = steps(cli.json("risk", "replay", "--threshold", "20", "--notice", "10"))
    assert (stricter["step_up"]["signins"], stricter["notice"]["signins"]) == (5, 0)
    assert cli.names().count("risk.calibrated") == 0


def test_examples_say_who_when_and_why_where_the_reasons_still_open(cli: CommandLine, ada: str) -> None:
    def past(now: datetime) -> Iterator[Past]:
        for number in range(4):
            yield Past(now - timedelta(days=1 + number), id_of(ada), HIGH)

    write(cli, past)
    first, second = examples(cli.json("risk", "replay", "--examples", "2"))
    assert str(first["at"]) > str(second["at"]), "the newest first"
    assert (first["person"], first["step"], first["outcome"]) == (ada, "step_up", "refused")
    assert first["score"] == first["score_then"] == 75
    assert first["reasons"] == [
        {"signal": "country_new", "points": 40, "sentence": "A country that is new to this person: TR."}
    ]
    assert str(first["event"]).startswith("evt_")
    words = cli.run("risk", "replay").stdout
    assert f"{ada}  75  refused  A country that is new to this person: TR. (40)" in words
    cli.run("user", "delete", ada, "--yes")
    (erased, *_) = examples(cli.json("risk", "replay"))
    assert (erased["person"], erased["outcome"], erased["reasons"]) == (ada, "gone", None)


def test_an_applications_own_thresholds_hold_for_its_sign_ins_unless_it_is_asked_about(
    cli: CommandLine, ada: str
) -> None:
    own = str(cli.json(*CREATE, "50", "--risk-notice", "40")["client_id"])

    def past(now: datetime) -> Iterator[Past]:
        yield Past(now - timedelta(days=1), id_of(ada), BETWEEN, client_id=own)
        yield Past(now - timedelta(days=1), id_of(ada), BETWEEN)

    write(cli, past)
    everything = steps(cli.json("risk", "replay"))
    assert (everything["notice"]["signins"], everything["step_up"]["signins"]) == (1, 1)
    alone = cli.json("risk", "replay", "--client", own)
    assert (alone["signins"], alone["thresholds"]) == (1, {"notice": 40, "step_up": 50, "strong": 90})
    asked = steps(cli.json("risk", "replay", "--client", own, "--threshold", "56"))
    assert (asked["notice"]["signins"], asked["step_up"]["signins"]) == (1, 0)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--threshold", "60", "--strong", "60"), 2, "--strong: expected more than step-up (60), not 60"),
        (("--threshold", "20", "--notice", "25"), 2, "--step-up: expected more than notice (25), not 20"),
        (("--threshold", "0"), 2, "0 is not in the range"),
        (("--client", "cli_none"), 1, "there is no application cli_none"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_words(
    cli: CommandLine, args: tuple[str, ...], code: int, words: str
) -> None:
    result = cli.run("risk", "replay", *args)
    assert (result.exit_code, words in result.stderr) == (code, True), result.output


def test_a_deployment_without_a_past_has_nothing_to_tell(cli: CommandLine) -> None:
    result = cli.run("risk", "replay")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("0 sign-ins of 0 people in the last 30 days, scored by shipped-1\n")
