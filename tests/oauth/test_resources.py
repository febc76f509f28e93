"""Which token for which API: client credentials, scopes, resource indicators (RFC 6749 §4.4, RFC 8707)."""

import pytest

from identity.apis import create_api
from tests.oauth.refusals import check_event, check_refused, check_sent_back
from tests.oauth.tokens_read import claims_of
from tests.world import API, ISSUER, CreatedClient, World

pytestmark = pytest.mark.anyio

OTHER = "https://stock.example.com"


async def service(world: World, **asked: object) -> CreatedClient:
    """A service that may ask for two APIs and for the server's own."""
    async with world.services.database.transaction() as db:
        await create_api(
            db, world.services, identifier=OTHER, scopes={"stock:read": "See"}, access_token_ttl_s=60,
            now=world.clock(), actor="cli",
        )  # fmt: skip
    parts: dict[str, object] = {
        "grants": ("client_credentials",),
        "redirect_uris": (),
        "scopes": ("openid", "profile", "users:read"),
        "apis": {API: ("orders:read", "orders:write"), OTHER: ("stock:read",)},
        **asked,
    }
    return await world.client(**parts)


async def test_a_service_gets_a_token_for_its_default_api(world: World) -> None:
    client = await service(world)
    response = await world.token(client, grant_type="client_credentials")
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["expires_in"], body["scope"]) == (300, "orders:read orders:write")
    claims = claims_of(body["access_token"])
    assert (claims["sub"], claims["client_id"]) == (client.client.client_id, client.client.client_id)
    assert (claims["aud"], claims["iss"]) == (API, ISSUER)
    assert not {"grant", "sid", "auth_time", "acr", "amr"} & set(claims)
    await check_event(world, "token.issued", outcome="success", grant_type="client_credentials", audience=API)


async def test_a_resource_chooses_the_audience_its_scopes_and_its_lifetime(world: World) -> None:
    client = await service(world)
    body = (await world.token(client, grant_type="client_credentials", resource=OTHER)).json()
    assert (body["scope"], body["expires_in"]) == ("stock:read", 60)
    assert claims_of(body["access_token"])["aud"] == OTHER
    own = (await world.token(client, grant_type="client_credentials", resource=ISSUER, scope="users:read")).json()
    assert claims_of(own["access_token"])["aud"] == ISSUER


async def test_a_clients_own_lifetime_goes_before_the_apis(world: World) -> None:
    client = await service(world, access_token_ttl_s=90)
    assert (await world.token(client, grant_type="client_credentials", resource=OTHER)).json()["expires_in"] == 90


@pytest.mark.parametrize("resource", ["https://unknown.example.com", API + "/", "api", API.upper()])
async def test_an_unknown_resource_is_refused(world: World, resource: str) -> None:
    client = await service(world)
    refused = await world.token(client, grant_type="client_credentials", resource=resource)
    check_refused(refused, "invalid_target", "not an API that this client may use")
    await check_event(world, "token.refused", outcome="failure", error="invalid_target")


async def test_an_api_of_others_is_refused(world: World) -> None:
    await service(world)
    client = await world.client(grants=("client_credentials",), redirect_uris=())
    refused = await world.token(client, grant_type="client_credentials", resource=OTHER)
    check_refused(refused, "invalid_target", "not an API that this client may use")


@pytest.mark.parametrize("scope", ["stock:read", "openid", "orders:read nothing", "users:write", "ORDERS:READ", " "])
async def test_a_scope_that_the_client_may_not_have_there_is_refused(world: World, scope: str) -> None:
    client = await service(world)
    refused = await world.token(client, grant_type="client_credentials", scope=scope, resource=API)
    check_refused(refused, "invalid_scope", "may not ask for all of these scopes at this resource")


async def test_a_person_goes_the_same_way(world: World) -> None:
    client = await service(world, grants=("authorization_code",), redirect_uris=("https://app.example.com/callback",))
    person = await world.person()
    tokens = await world.tokens(client, person, scope="openid stock:read", resource=OTHER)
    assert (claims_of(tokens["access_token"])["aud"], tokens["scope"]) == (OTHER, "openid stock:read")
    async with world.browser() as browser:
        mixed = await world.authorize(browser, client, scope="openid orders:read", resource=OTHER)
        check_sent_back(mixed, "invalid_scope", "may not ask for all")
        unknown = await world.authorize(browser, client, resource="https://unknown.example.com")
        check_sent_back(unknown, "invalid_target", "not an API")


async def test_a_client_without_any_api_gets_tokens_for_the_server_itself(world: World) -> None:
    client = await world.client(api_scopes=(), apis={})
    tokens = await world.tokens(client, await world.person(), scope="openid")
    assert claims_of(tokens["access_token"])["aud"] == ISSUER


async def test_scopes_come_once_and_in_the_order_asked(world: World) -> None:
    client = await service(world)
    asked = "orders:write  orders:read orders:write"
    body = (await world.token(client, grant_type="client_credentials", scope=asked)).json()
    assert body["scope"] == "orders:write orders:read"


async def test_a_public_client_has_no_client_credentials(world: World) -> None:
    client = await world.client(auth_method="none")
    refused = await world.token(client, grant_type="client_credentials")
    check_refused(refused, "unauthorized_client", "not registered for client_credentials")
