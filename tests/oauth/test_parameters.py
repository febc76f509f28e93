"""How parameters are read: once each, empty is absent, unknown is ignored (S11)."""

import pytest

from tests.oauth.refusals import check_event, check_refused, check_sent_back
from tests.world import API, Answer, CreatedClient, World

pytestmark = pytest.mark.anyio

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def post(world: World, client: CreatedClient, body: str, *, path: str = "/oauth/token", **headers: str):  # type: ignore[no-untyped-def]
    """What an endpoint answers to an authenticated body, byte by byte as given."""
    async with world.browser() as caller:
        auth = (client.client.client_id, client.secret or "")
        return await caller.post(path, content=body.encode(), auth=auth, headers={**FORM, **headers})


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("grant_type=client_credentials&grant_type=client_credentials", "grant_type"),
        ("grant_type=client_credentials&scope=orders%3Aread&scope=orders%3Awrite", "scope"),
        ("grant_type=refresh_token&refresh_token=a&refresh_token=b", "refresh_token"),
        ("grant_type=client_credentials&anything=1&anything=2", "anything"),
        ("grant_type=client_credentials&audience=a&audience=b", "audience"),
    ],
)
async def test_a_repeated_parameter_is_refused_by_name(world: World, body: str, name: str) -> None:
    """S11"""
    client = await world.client(grants=("client_credentials",))
    refused = await post(world, client, body)
    check_refused(refused, "invalid_request", f"the parameter {name} is given more than once")


async def test_only_the_resource_may_be_repeated_and_then_must_be_one(world: World) -> None:
    """S11"""
    client = await world.client(grants=("client_credentials",))
    same = f"grant_type=client_credentials&resource={API}&resource={API}"
    assert (await post(world, client, same)).status_code == 200
    several = f"grant_type=client_credentials&resource={API}&resource=https://other.example.com"
    check_refused(await post(world, client, several), "invalid_target", "one resource a request")
    await check_event(world, "token.refused", outcome="failure", error="invalid_target")


async def test_an_empty_parameter_counts_as_absent_and_an_unknown_one_is_ignored(world: World) -> None:
    """S11"""
    client = await world.client(grants=("client_credentials",))
    good = await post(world, client, "grant_type=client_credentials&scope=&resource=&foo=bar&foo=&=&&x")
    assert good.status_code == 200
    assert good.json()["scope"] == "orders:read orders:write"
    check_refused(await post(world, client, "grant_type="), "invalid_request", "grant_type is missing")


async def test_unknown_and_empty_parameters_do_not_disturb_an_authorization(world: World) -> None:
    """S11"""
    client = await world.client()
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        url = world.authorize_url(client) + "&foo=bar&nonce=&prompt=&max_age=&claims=&id_token_hint=&request="
        answer = Answer.of(await browser.get(url))
    assert (await world.redeem(client, answer)).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
async def test_a_body_that_is_no_form_is_refused(world: World, kind: str) -> None:
    client = await world.client(grants=("client_credentials",))
    refused = await post(world, client, '{"grant_type": "client_credentials"}', **{"content-type": kind})
    check_refused(refused, "invalid_request", "application/x-www-form-urlencoded")


@pytest.mark.parametrize("body", ["grant_type=%ff", "grant_type=\xff", "a=" + "&a=".join(map(str, range(200)))])
async def test_a_form_that_cannot_be_read_is_refused(world: World, body: str) -> None:
    """S48"""
    client = await world.client(grants=("client_credentials",))
    check_refused(await post(world, client, body), "invalid_request", "the form")


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
async def test_the_endpoints_of_programs_take_posts_only(world: World, path: str) -> None:
    async with world.browser() as caller:
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            response = await caller.request(method, path)
            assert response.status_code == 405
            assert response.headers["allow"] == "POST"


async def test_a_token_in_a_query_string_is_not_looked_at(world: World) -> None:
    """S12"""
    client = await world.client()
    tokens = await world.tokens(client, await world.person())
    async with world.browser() as caller:
        for path in ("/oauth/token?grant_type=client_credentials", "/oauth/introspect?token=" + tokens["access_token"]):
            refused = await post(world, client, "x=y", path=path)
            check_refused(refused, "invalid_request", "is missing")
        answer = await caller.get("/oauth/userinfo?access_token=" + tokens["access_token"])
    assert answer.status_code == 401


NULS = ("client_id", "redirect_uri", "state", "scope", "nonce", "login_hint", "claims", "ui_locales", "resource",
        "id_token_hint", "acr_values", "prompt", "max_age", "code_challenge", "display")  # fmt: skip


@pytest.mark.parametrize("name", NULS)
async def test_a_zero_byte_in_any_parameter_is_data(world: World, name: str) -> None:
    """S50, I4: PostgreSQL refuses such text, so it must not get there unescaped."""
    client = await world.client()
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        for prompt in ({}, {} if name == "prompt" else {"prompt": "login"}):
            answer = await world.authorize(browser, client, **{**prompt, name: "a\0b"})
            assert answer.response.status_code in (303, 400), answer.response.text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("response_mode", "fragment", "expected response_mode to be one of query, form_post"),
        ("prompt", "sometimes", "expected prompt to be made of none, login, consent, select_account"),
        ("prompt", "none login", "prompt=none stands alone"),
        ("max_age", "-1", "max_age must be a whole number of seconds"),
        ("max_age", "1e3", "max_age must be a whole number of seconds"),
        ("max_age", "٣", "max_age must be a whole number of seconds"),
        ("claims", "[]", "claims must be a JSON object"),
        ("claims", "{", "claims must be a JSON object"),
        ("claims", "[" * 4000, "claims must be a JSON object"),
        ("claims", '{"userinfo": 1}', "claims.userinfo must be an object"),
        ("state", "x" * 4097, "state is longer than 4096 characters"),
        ("nonce", "x" * 4097, "nonce is longer than 4096 characters"),
    ],
)
async def test_a_value_that_cannot_be_meant_is_refused_by_name(world: World, name: str, value: str, words: str) -> None:
    client = await world.client()
    async with world.browser() as browser:
        answer = await world.authorize(browser, client, **{name: value})
    check_sent_back(answer, "invalid_request", words)
    await check_event(world, "login.refused", outcome="denied", reason="invalid_request")
