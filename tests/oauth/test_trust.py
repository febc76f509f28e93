"""Which requests send the browser away at all: client and redirect URI first, whatever else is wrong."""

from collections.abc import Mapping

import pytest
from sqlalchemy import update

from identity.catalogue import touch
from identity.clients import set_client_disabled
from identity.tables import clients
from tests.oauth.refusals import check_event, check_page, check_sent_back
from tests.world import CALLBACK, World

pytestmark = pytest.mark.anyio

FOREIGN = (
    "https://evil.example.com/callback",
    CALLBACK + "/",
    CALLBACK + "?next=https://evil.example.com",
    CALLBACK + "#x",
    CALLBACK.upper(),
    CALLBACK.replace("/callback", "/Callback"),
    CALLBACK.replace("https://", "https://user@"),
    CALLBACK.replace("/callback", "/..;/callback"),
    CALLBACK.replace("/callback", "/%252f../callback"),
    CALLBACK.replace("/callback", "\\callback"),
    CALLBACK + "\t",
    CALLBACK.replace("https", "http"),
    "http://localhost.evil.com/callback",
    "http://127.0.0.1:80@evil/callback",
    "http://localhost#@evil/callback",
    "javascript:alert(1)",
    "//evil.example.com",
    "/\\evil.example.com",
)
# What else may be wrong with a request; none of it may turn a page into a redirect.
OTHER_FAULTS: tuple[Mapping[str, str | None], ...] = (
    {},
    {"response_type": "token"},
    {"response_type": None},
    {"response_mode": "fragment"},
    {"prompt": "none"},
    {"scope": "no:such"},
    {"request": "eyJhbGciOiJub25lIn0.e30."},
    {"code_challenge": None},
)


@pytest.mark.parametrize("uri", FOREIGN)
async def test_a_redirect_uri_that_is_not_registered_gets_a_page_and_never_a_redirect(world: World, uri: str) -> None:
    """S1, S2"""
    client = await world.client(redirect_uris=(CALLBACK, "http://127.0.0.1/callback", "http://localhost/callback"))
    async with world.browser() as browser:
        answer = await world.authorize(browser, client, redirect_uri=uri)
    check_page(answer.response, "not registered for this application: redirect_uri")
    assert "evil" not in answer.response.text
    await check_event(world, "login.refused", outcome="denied", reason="untrusted_request")


@pytest.mark.parametrize("fault", OTHER_FAULTS)
async def test_a_foreign_redirect_uri_gets_a_page_whatever_else_is_wrong(
    world: World, fault: Mapping[str, str | None]
) -> None:
    """S2"""
    client = await world.client()
    async with world.browser() as browser:
        answer = await world.authorize(browser, client, redirect_uri="https://evil.example.com/", **fault)
        check_page(answer.response, "redirect_uri")
        unknown = await world.authorize(browser, client, client_id="cli_" + "0" * 32, **fault)
        check_page(unknown.response, "client_id")
    assert len(await world.events("login.refused")) == 2


async def test_a_missing_or_repeated_client_id_gets_a_page(world: World) -> None:
    """S2, S11"""
    client = await world.client()
    url = world.authorize_url(client)
    async with world.browser() as browser:
        check_page(await browser.get("/oauth/authorize"), "client_id is missing, wrong or disabled")
        twice = await browser.get(f"{url}&client_id={client.client.client_id}")
        check_page(twice, "client_id is given more than once")
        other = await browser.get(f"{url}&redirect_uri=https%3A%2F%2Fevil.example.com")
        check_page(other, "redirect_uri is given more than once")


async def test_a_redirect_uri_may_be_left_out_where_only_one_is_registered(world: World) -> None:
    """S2"""
    one, two = await world.client(), await world.client(redirect_uris=(CALLBACK, CALLBACK + "2"))
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        answer = await world.authorize(browser, one, redirect_uri=None)
        assert answer.location.startswith(CALLBACK + "?")
        missing = await world.authorize(browser, two, redirect_uri=None)
        check_page(missing.response, "redirect_uri is missing")


async def test_every_other_fault_goes_back_to_a_trusted_application(world: World) -> None:
    """S2"""
    client = await world.client()
    async with world.browser() as browser:
        answer = await world.authorize(browser, client, scope="no:such", state="st")
    check_sent_back(answer, "invalid_scope", "may not ask for all of these scopes")
    assert answer.location.startswith(CALLBACK + "?")
    await check_event(world, "login.refused", outcome="denied", reason="invalid_scope")


async def test_a_repeated_parameter_goes_back_by_redirect_without_the_repeated_value(world: World) -> None:
    """S2, S11"""
    client = await world.client()
    url = world.authorize_url(client, state="first", prompt="login")
    async with world.browser() as browser:
        repeated = type(await world.authorize(browser, client)).of(await browser.get(url + "&state=second"))
        check_sent_back(repeated, "invalid_request", "the parameter state is given more than once")
        assert "state" not in repeated.params
        again = type(repeated).of(await browser.get(url + "&prompt=none"))
        check_sent_back(again, "invalid_request", "the parameter prompt is given more than once")
        assert again.params["state"] == "first"


async def test_a_disabled_application_gets_a_page(world: World) -> None:
    """S2, S18"""
    client = await world.client()
    async with world.services.database.transaction() as db:
        await set_client_disabled(
            db, world.services, client.client.client_id, disabled=True, now=world.clock(), actor="cli"
        )
    await world.services.catalogue.poll()
    async with world.browser() as browser:
        check_page((await world.authorize(browser, client)).response, "client_id is missing, wrong or disabled")


@pytest.mark.parametrize("planted", ["javascript:alert(1)", "http://app.example.com/callback", "myapp:/callback"])
async def test_an_address_that_must_not_be_registered_is_not_used_either(world: World, planted: str) -> None:
    """S8"""
    client = await world.client()
    async with world.services.database.transaction() as db:
        await db.execute(update(clients).values(redirect_uris=[planted]))
        await touch(db, "catalogue")
    await world.services.catalogue.poll()
    async with world.browser() as browser:
        check_page((await world.authorize(browser, client, redirect_uri=planted)).response, "redirect_uri")
        check_page((await world.authorize(browser, client, redirect_uri=None)).response, "redirect_uri")


async def test_refused_requests_of_one_address_cannot_fill_the_log(world: World) -> None:
    """S2"""
    async with world.browser() as browser:
        for _ in range(65):
            check_page(await browser.get("/oauth/authorize"), "client_id")
    assert len(await world.events("login.refused")) == 60
