"""The way back to the application: `iss` and `state` always, 303 always, `code` the only response type (S6–S8)."""

from html import unescape
from urllib.parse import parse_qsl

import pytest

from identity.client_values import TOKEN_EXCHANGE
from tests.oauth.refusals import check_refused, check_sent_back
from tests.world import CALLBACK, ISSUER, Answer, World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "asked", ["token", "id_token", "code token", "code id_token", "id_token token", "none", "CODE", "code code"]
)
async def test_no_response_type_but_code_exists(world: World, asked: str) -> None:
    """S6"""
    client = await world.client()
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        answer = await world.authorize(browser, client, response_type=asked)
    check_sent_back(answer, "unsupported_response_type", "expected response_type=code")
    assert "#" not in answer.location


async def test_a_missing_response_type_is_named(world: World) -> None:
    """S6"""
    client = await world.client()
    async with world.browser() as browser:
        answer = await world.authorize(browser, client, response_type=None)
    check_sent_back(answer, "invalid_request", "response_type is missing: expected code")


@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "x"])
async def test_there_is_no_password_grant_nor_any_other_unnamed_one(world: World, grant_type: str) -> None:
    """S6"""
    client = await world.client()
    response = await world.token(client, grant_type=grant_type, username="ada", password="a quiet harbour at dusk 7")
    check_refused(response, "unsupported_grant_type", "expected one of authorization_code, refresh_token")


async def test_metadata_names_code_alone(world: World) -> None:
    """S6"""
    async with world.browser() as browser:
        said = (await browser.get("/.well-known/openid-configuration")).json()
    assert said["response_types_supported"] == ["code"]
    assert said["response_modes_supported"] == ["query", "form_post"]
    own = ["authorization_code", "refresh_token", "client_credentials"]
    assert said["grant_types_supported"] == [*own, TOKEN_EXCHANGE]
    assert said["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize("mode", [None, "query", "form_post"])
@pytest.mark.parametrize("state", [None, "s t&a\"te<'", "x" * 4096])
async def test_every_answer_names_its_issuer_and_returns_the_state_unchanged(
    world: World, mode: str | None, state: str | None
) -> None:
    """S7"""
    client = await world.client(require_pkce=False)
    plain: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        good = await world.authorize(browser, client, response_mode=mode, state=state, **plain)
        bad = await world.authorize(browser, client, response_mode=mode, state=state, scope="no:such", **plain)
        none = await world.authorize(
            browser, client, response_mode=mode, state=state, prompt="none", max_age="0", **plain
        )
    for answer, told in ((good, "code"), (bad, "error"), (none, "error")):
        params = {name: unescape(value) for name, value in answer.params.items()}
        assert params["iss"] == ISSUER
        assert params.get("state") == state
        assert told in params
        assert answer.response.status_code == (200 if mode == "form_post" else 303)
        assert answer.response.headers["cache-control"] == "no-store"
    assert none.params["error"] == "login_required"


async def test_an_answer_is_added_to_the_query_that_the_redirect_uri_has(world: World) -> None:
    """S7"""
    uri = CALLBACK + "?tenant=7"
    client = await world.client(redirect_uris=(uri,))
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        answer = await world.authorize(browser, client, redirect_uri=uri)
    assert answer.location.startswith(uri + "&code=")
    assert answer.params["tenant"] == "7"


async def test_a_form_post_page_carries_its_values_escaped_and_shows_a_button(world: World) -> None:
    """S7, S9"""
    client = await world.client()
    state = '"><script>alert(1)</script>'
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        answer = await world.authorize(browser, client, response_mode="form_post", state=state)
    page = answer.response
    assert answer.location == CALLBACK
    assert "<script>alert" not in page.text
    assert '<button class="button" type="submit">' in page.text
    policy = page.headers["content-security-policy"]
    assert "form-action" not in policy
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy


async def test_a_post_is_answered_by_a_303_to_ourselves_and_goes_on_from_there(world: World) -> None:
    """S8, S9: a cross-site POST carries no Lax cookie."""
    client = await world.client()
    body = world.authorize_url(client).partition("?")[2] + "&resource=https%3A%2F%2Fapi.example.com"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    async with world.browser() as stranger:
        posted = await stranger.post("/oauth/authorize", content=body, headers=kind)
    assert posted.status_code == 303
    assert posted.headers["location"].startswith("/oauth/authorize?")
    assert "set-cookie" not in posted.headers
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        answer = Answer.of(await browser.get(posted.headers["location"]))
    assert (await world.redeem(client, answer)).status_code == 200


async def test_a_post_that_is_too_long_for_an_address_gets_a_page(world: World) -> None:
    client = await world.client()
    form = dict(parse_qsl(world.authorize_url(client, state="s").partition("?")[2]))
    data = {**form, "state": "x" * 20_000}
    async with world.browser() as browser:
        response = await browser.post("/oauth/authorize", data=data)
    assert response.status_code == 400
    assert "too long" in response.text


async def test_a_client_without_the_code_grant_gets_no_code(world: World) -> None:
    client = await world.client(grants=("client_credentials",))
    async with world.browser() as browser:
        answer = await world.authorize(browser, client)
    check_sent_back(answer, "unauthorized_client", "not registered for authorization_code")
