"""An application's own thresholds: given, shown, told, refused where they do not rise, and what they change."""

import pytest

from tests.identity.forms import sign_in
from tests.server.command_line import CommandLine
from tests.world import World

CREATE = ("client", "create", "--name", "x", "--redirect-uri", "https://app.example.com/")
EVERY = {"notice": 5, "step_up": 20, "strong": 80}


def test_thresholds_of_a_client_are_kept_shown_and_told(cli: CommandLine) -> None:
    asked = ("--risk-notice", "5", "--risk-step-up", "20", "--risk-strong", "80")
    made = str(cli.json(*CREATE, *asked)["client_id"])
    assert cli.json("client", "show", made)["risk_thresholds"] == EVERY
    listed: list[dict[str, object]] = cli.json("client", "list")["clients"]  # type: ignore[assignment]
    assert [each["risk_thresholds"] for each in listed] == [EVERY]
    (event,) = [each for each in cli.events() if each["name"] == "client.created"]
    assert event["data"]["after"]["risk_thresholds"] == EVERY  # type: ignore[index]


def test_what_is_not_given_is_the_deployments_own(cli: CommandLine) -> None:
    made = str(cli.json(*CREATE, "--risk-step-up", "50")["client_id"])
    assert cli.json("client", "show", made)["risk_thresholds"] == {"notice": 30, "step_up": 50, "strong": 90}
    plain = str(cli.json(*CREATE)["client_id"])
    assert cli.json("client", "show", plain)["risk_thresholds"] is None


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--risk-notice", "0"), "risk_notice: expected a score from 1 to 100, not 0"),
        (("--risk-strong", "101"), "risk_strong: expected a score from 1 to 100, not 101"),
        (("--risk-step-up", "30"), "risk_step_up: expected more than risk_notice (30), not 30"),
        (("--risk-step-up", "95"), "risk_strong: expected more than risk_step_up (95), not 90"),
    ],
)
def test_thresholds_that_do_not_rise_are_refused_by_name(cli: CommandLine, args: tuple[str, ...], words: str) -> None:
    result = cli.run(*CREATE, *args)
    assert (result.exit_code, result.stderr.strip()) == (1, words)
    assert cli.names() == []


@pytest.mark.anyio
async def test_a_stricter_client_asks_for_more_than_the_password(world: World) -> None:
    await world.person()
    strict = await world.client(name="Payments", risk_thresholds={"notice": 1, "step_up": 2, "strong": 3})
    async with world.browser() as browser:
        await world.authorize(browser, strict)
        answer = await sign_in(browser)
        assert (answer.status_code, answer.headers["location"]) == (303, "/signin/mail-code")
    async with world.browser() as browser:
        answer = await sign_in(browser)
        assert answer.headers["location"] == "/", "here the deployment's own hold"
