"""Every single-use value and token, tried in the place of every other kind (S5, S36)."""

from collections.abc import Awaitable, Callable, Mapping

import httpx2
import pytest

from base.cookies import cookie_name
from tests.oauth.refusals import check_refused
from tests.world import CreatedClient, World

pytestmark = pytest.mark.anyio

KINDS = ("code", "access_token", "id_token", "refresh_token", "session_cookie", "flow_cookie", "client_secret")
Use = Callable[[World, CreatedClient, str], Awaitable[httpx2.Response]]


async def values_of(world: World, client: CreatedClient) -> Mapping[str, str]:
    """One good value of each kind, all of one person and one client."""
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        spent, fresh = await world.authorize(browser, client), await world.authorize(browser, client)
        tokens = (await world.redeem(client, spent)).json()
        session = browser.cookies[cookie_name(world.services.settings, "session")]
        await world.authorize(browser, client, prompt="login")
        flow = browser.cookies[cookie_name(world.services.settings, "flow")]
    secret = {"client_secret": client.secret or "", "session_cookie": session, "flow_cookie": flow}
    return {**tokens, **secret, "code": fresh.params["code"]}


async def as_code(world: World, client: CreatedClient, value: str) -> httpx2.Response:
    form = {"code": value, "redirect_uri": "https://app.example.com/callback", "code_verifier": "v" * 43}
    return await world.token(client, grant_type="authorization_code", **form)


async def as_refresh_token(world: World, client: CreatedClient, value: str) -> httpx2.Response:
    return await world.refresh(client, value)


async def as_access_token(world: World, client: CreatedClient, value: str) -> httpx2.Response:
    return await world.userinfo(value)


async def as_client_secret(world: World, client: CreatedClient, value: str) -> httpx2.Response:
    return await world.token(CreatedClient(client.client, value), grant_type="client_credentials")


# Where a value may be tried, what belongs there, and how everything else is refused.
PLACES: Mapping[str, tuple[Use, int, str]] = {
    "code": (as_code, 400, "invalid_grant"),
    "refresh_token": (as_refresh_token, 400, "invalid_grant"),
    "access_token": (as_access_token, 401, "invalid_token"),
    "client_secret": (as_client_secret, 401, "invalid_client"),
}


@pytest.mark.parametrize("place", PLACES)
async def test_no_value_works_in_the_place_of_another_kind(world: World, place: str) -> None:
    """S5, S36: an ID token is no access token, a code no refresh token, and so on."""
    client = await world.client()
    values = await values_of(world, client)
    use, status, error = PLACES[place]
    for kind in KINDS:
        if kind != place:
            check_refused(await use(world, client, values[kind]), error, "", status=status)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_value_but_a_token_is_active_at_introspection(world: World, kind: str) -> None:
    """S5, S12"""
    client = await world.client()
    values = await values_of(world, client)
    answer = await world.introspect(client, values[kind])
    if kind in ("access_token", "refresh_token"):
        assert answer["active"] is True
    else:
        assert answer == {"active": False}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_value_but_the_session_cookie_is_a_session(world: World, kind: str) -> None:
    """S5, S31"""
    client = await world.client()
    values = await values_of(world, client)
    async with world.browser() as browser:
        name = cookie_name(world.services.settings, "session")
        browser.cookies.set(name, values[kind], domain="id.example.com")
        answer = await world.authorize(browser, client, prompt="none")
    if kind == "session_cookie":
        assert "code" in answer.params
    else:
        assert answer.params["error"] == "login_required"


@pytest.mark.parametrize("kind", ["code", "access_token", "refresh_token", "client_secret"])
async def test_no_value_but_an_id_token_is_a_hint(world: World, kind: str) -> None:
    """S5, S36: an access token is never accepted as an ID token."""
    client = await world.client()
    values = await values_of(world, client)
    async with world.browser() as browser:
        answer = await world.authorize(browser, client, id_token_hint=values[kind])
        assert answer.params["error"] == "invalid_request"
        assert "id_token_hint" in answer.params["error_description"]
        page = await browser.get("/oauth/logout", params={"id_token_hint": values[kind]})
    assert page.status_code == 400
    assert "id_token_hint" in page.text
