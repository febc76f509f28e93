"""`ostiary client update`: what changes and what stays, its event, its refusals, and that the server follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from identity.client_changes import Difference, change_client
from identity.clients import NewClient
from policy.values import RiskThresholds
from tests.identity.forms import open_signin, send_signin, sign_in, words_of
from tests.server.command_line import CommandLine
from tests.world import CALLBACK, CreatedClient, MovableClock, World, open_world

CREATE = ("client", "create", "--name", "Orders", "--redirect-uri", "https://app.example.com/")
USUAL = {"notice": 30, "step_up": 60, "strong": 90}


def made(cli: CommandLine, *args: str) -> str:
    """The id of a new application."""
    return str(cli.json(*CREATE, *args)["client_id"])


def test_what_is_given_changes_and_the_rest_stays(cli: CommandLine) -> None:
    client_id = made(cli, "--scope", "openid orders:read", "--access-token-ttl-s", "60")
    before = cli.json("client", "show", client_id)
    asked = (
        "--name", "Payouts", "--first-party", "--required-acr", "phr", "--access-token-ttl-s", "90",
        "--redirect-uri", "https://pay.example.com/cb", "--redirect-uri", "http://127.0.0.1/cb",
        "--post-logout-redirect-uri", "https://pay.example.com/bye", "--no-require-pkce", "--risk-step-up", "40",
    )  # fmt: skip
    expected = {
        "name": "Payouts", "first_party": True, "required_acr": "phr", "access_token_ttl_s": 90,
        "redirect_uris": ["https://pay.example.com/cb", "http://127.0.0.1/cb"],
        "post_logout_redirect_uris": ["https://pay.example.com/bye"], "require_pkce": False,
        "origins": ["http://127.0.0.1", "https://pay.example.com"], "risk_thresholds": {**USUAL, "step_up": 40},
    }  # fmt: skip
    answer = cli.json("client", "update", client_id, *asked)
    assert answer == {
        "client_id": client_id,
        "before": {name: before[name] for name in expected},
        "after": expected,
    }
    assert cli.json("client", "show", client_id) == {**before, **expected}


def test_the_event_tells_the_difference_and_no_more(cli: CommandLine) -> None:
    client_id = made(cli)
    cli.json("client", "update", client_id, "--name", "Payouts")
    (event,) = [each for each in cli.events() if each["name"] == "client.changed"]
    assert event["data"] == {"before": {"name": "Orders"}, "after": {"name": "Payouts"}}
    assert (event["actor"], event["subject"], event["outcome"]) == ("cli", client_id, "success")


def test_what_changes_nothing_is_no_event(cli: CommandLine) -> None:
    client_id = made(cli)
    answer = cli.json("client", "update", client_id, "--name", "Orders", "--third-party")
    assert answer == {"client_id": client_id, "before": {}, "after": {}}
    assert cli.run("client", "update", client_id, "--name", "Orders").stdout.strip() == "Nothing changed."
    assert cli.names() == ["client.created"]


def test_words_tell_each_field_before_and_after(cli: CommandLine) -> None:
    client_id = made(cli)
    told = cli.run("client", "update", client_id, "--name", "Payouts", "--required-acr", "phr")
    assert [line.split() for line in told.stdout.splitlines()] == [
        ["name", "Orders", "→", "Payouts"],
        ["required_acr", "None", "→", "phr"],
    ]


def test_a_single_score_stands_beside_the_applications_own(cli: CommandLine) -> None:
    """Where it has none, beside the deployment's of now."""
    client_id = made(cli)
    answer = cli.json("client", "update", client_id, "--risk-notice", "10")
    assert (answer["before"], answer["after"]) == (
        {"risk_thresholds": None},
        {"risk_thresholds": {**USUAL, "notice": 10}},
    )
    cli.json("client", "update", client_id, "--risk-strong", "70")
    assert cli.json("client", "show", client_id)["risk_thresholds"] == {"notice": 10, "step_up": 60, "strong": 70}


def test_what_an_application_had_of_its_own_is_cleared(cli: CommandLine) -> None:
    own = ("--required-acr", "phr", "--access-token-ttl-s", "60", "--risk-step-up", "40")
    client_id = made(cli, *own, "--post-logout-redirect-uri", "https://app.example.com/bye")
    words = ("required-acr", "access-token-ttl-s", "risk", "post-logout-redirect-uri")
    cli.json("client", "update", client_id, *(part for word in words for part in ("--clear", word)))
    shown = cli.json("client", "show", client_id)
    assert [shown[name] for name in ("required_acr", "access_token_ttl_s", "risk_thresholds")] == [None] * 3
    assert shown["post_logout_redirect_uris"] == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--risk-notice", "0"), "risk_notice: expected a score from 1 to 100, not 0"),
        (("--risk-step-up", "20"), "risk_step_up: expected more than risk_notice (30), not 20"),
        (("--name", " "), "name: an application's name has 1 to 128 printable characters"),
        (("--access-token-ttl-s", "5"), "access_token_ttl_s: an access token lives 30 to 86400 seconds"),
        (("--redirect-uri", "http://evil.example"), "redirect_uri: a redirect URI is https"),
    ],
)
def test_what_could_not_be_registered_is_refused_by_name_and_nothing_is_kept(
    cli: CommandLine, args: tuple[str, ...], words: str
) -> None:
    """S4, S8"""
    client_id = made(cli)
    result = cli.run("client", "update", client_id, "--first-party", *args)
    assert (result.exit_code, result.stderr.strip().startswith(words)) == (1, True), result.stderr
    assert cli.json("client", "show", client_id)["first_party"] is False
    assert cli.names() == ["client.created"]


def test_a_public_client_cannot_lay_down_pkce(cli: CommandLine) -> None:
    """S6"""
    client_id = made(cli, "--public")
    result = cli.run("client", "update", client_id, "--no-require-pkce")
    assert (result.exit_code, result.stderr.strip()) == (1, "require_pkce: a public client always uses PKCE")


def test_an_unknown_client_is_refused_by_name(cli: CommandLine) -> None:
    result = cli.run("client", "update", "cli_none", "--name", "x")
    assert (result.exit_code, result.stderr.strip()) == (1, "client_id: there is no application cli_none")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "say what is to change"),
        (("--clear", "name"), "is not one of"),
        (("--clear", "risk", "--risk-notice", "10"), "--clear risk stands alone"),
        (("--clear", "required-acr", "--required-acr", "phr"), "exclude each other"),
    ],
)
def test_a_call_that_says_nothing_or_two_things_is_a_usage_error(
    cli: CommandLine, args: tuple[str, ...], words: str
) -> None:
    result = cli.run("client", "update", "cli_any", *args)
    assert (result.exit_code, words in " ".join(result.stderr.split())) == (2, True), result.stderr


async def change(world: World, client: CreatedClient, **fields: object) -> Difference:
    """Changes an application as the command does."""
    async with world.services.database.transaction() as db:
        return await change_client(
            db,
            world.services,
            client.client.client_id,
            lambda asked: replace(asked, **fields),  # type: ignore[arg-type]
            now=world.clock(),
            actor="cli",
        )


@pytest.fixture
async def worlds(database_url: str, tmp_path: Path) -> AsyncIterator[list[World]]:
    """Two processes of one deployment, as far as they can be without sockets."""
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        opening = [open_world(database_url, tmp_path, clock=clock) for _ in range(2)]
        yield [await stack.enter_async_context(each) for each in opening]


@pytest.mark.anyio
async def test_every_process_holds_a_sign_in_to_the_new_scores_at_its_next_poll(worlds: list[World]) -> None:
    one, two = worlds
    await one.person()
    client = await one.client()
    await two.services.catalogue.poll()
    await change(one, client, risk_thresholds=RiskThresholds(1, 2, 3))
    await two.services.catalogue.poll()
    async with two.browser() as browser:
        await two.authorize(browser, client)
        assert (await sign_in(browser)).headers["location"] == "/signin/mail-code"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("step", "words", "reason"),
    [
        ("page", "The address to go back to is not registered for this application", "unauthorized_client"),
        ("password", "This page is out of date", "out_of_order"),
    ],
)
async def test_a_sign_in_under_way_is_not_sent_to_an_address_that_is_not_registered_any_more(
    world: World, step: str, words: str, reason: str
) -> None:
    """S1, S2: neither with a code nor with an error; the person is told."""
    await world.person()
    client = await world.client()
    async with world.browser() as browser:
        await world.authorize(browser, client)
        hidden = await open_signin(browser)
        await change(world, client, redirect_uris=("https://new.example.com/cb",))
        await world.services.catalogue.poll()
        answer = await (browser.get("/signin") if step == "page" else send_signin(browser, hidden, "ada"))
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        assert words in words_of(answer)
    (refused,) = await world.events("login.refused")
    assert (refused["outcome"], refused["data"]) == ("denied", {"reason": reason})


@pytest.mark.anyio
async def test_of_changes_at_once_none_is_lost(world: World) -> None:
    """I1: each sees what the one before it made."""
    client = await world.client()

    async def add(number: int) -> None:
        def add_uri(asked: NewClient) -> NewClient:
            return replace(asked, redirect_uris=(*asked.redirect_uris, f"https://app.example.com/{number}"))

        async with world.services.database.transaction() as db:
            client_id, now = client.client.client_id, world.clock()
            await change_client(db, world.services, client_id, add_uri, now=now, actor="cli")

    await asyncio.gather(*map(add, range(6)))
    await world.services.catalogue.poll()
    found = world.services.catalogue.find_client(client.client.client_id)
    assert found is not None
    assert sorted(found.redirect_uris) == sorted([CALLBACK, *(f"https://app.example.com/{n}" for n in range(6))])
    assert len(await world.events("client.changed")) == 6
