"""Token exchange in tests: an application that people sign in to, and services that exchange what they are given."""

from collections.abc import Mapping

import httpx2

from identity.apis import create_api
from identity.client_values import TOKEN_EXCHANGE
from identity.oauth.exchange_request import ACCESS_TOKEN, TXN_TOKEN
from policy.proposals import Activated, Proposal
from policy.starter import PolicySetText, starter_set
from server.policies import make_activating
from tests.world import API, CreatedClient, World

STOCK = "https://stock.example.com"
SCOPE = "openid orders:read orders:write"


async def make_stock(world: World, **asked: object) -> None:
    """A second API, which has one scope of the first by name, and one of its own."""
    async with world.services.database.transaction() as db:
        scopes = {"orders:read": "See orders", "stock:read": "See the stock"}
        await create_api(
            db, world.services, identifier=STOCK, scopes=scopes, now=world.clock(), actor="cli", **asked  # type: ignore[arg-type]
        )  # fmt: skip
    await world.services.catalogue.refresh()


async def service(world: World, name: str = "Gateway", **asked: object) -> CreatedClient:
    """A service that may exchange tokens and get some for itself; it is registered with the API of the tests."""
    parts: dict[str, object] = {
        "name": name,
        "grants": ("client_credentials", TOKEN_EXCHANGE),
        "redirect_uris": (),
        "scopes": (),
        **asked,
    }
    return await world.client(**parts)


async def stock_service(world: World, name: str = "Stock", **asked: object) -> CreatedClient:
    """One that is registered with the second API, too, which must be there; the first stays its default."""
    apis = {API: ("orders:read",), STOCK: ("orders:read", "stock:read")}
    return await service(world, name, apis=apis, **asked)


async def exchange(
    world: World, client: CreatedClient, token: str, *, kind: str = ACCESS_TOKEN, **form: str | None
) -> httpx2.Response:
    """The token endpoint's answer to an exchange of an access token; a parameter of None is left out."""
    asked: Mapping[str, str | None] = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": kind,
        **form,
    }
    return await world.token(client, **{name: value for name, value in asked.items() if value is not None})


async def exchanged(
    world: World, client: CreatedClient, token: str, *, kind: str = ACCESS_TOKEN, **form: str | None
) -> dict[str, object]:
    """The body of an exchange that must work."""
    response = await exchange(world, client, token, kind=kind, **form)
    assert response.status_code == 200, response.text
    body: dict[str, object] = response.json()
    return body


async def txn_token(world: World, client: CreatedClient, token: str, **form: str | None) -> str:
    """A token for services within."""
    return str((await exchanged(world, client, token, kind=TXN_TOKEN, **form))["access_token"])


async def add_policy(world: World, cedar: str) -> None:
    """Puts a set in force that has one more policy than the shipped one."""
    shipped = starter_set()
    text = PolicySetText(f"{shipped.policies}\n{cedar}", shipped.own_schema)
    proposal = Proposal(text=text, reason="a test", actor="cli", based_on=0, over_any=True)
    made = await make_activating(world.services).activate(proposal, now=world.clock())
    assert isinstance(made, Activated), made
    await world.services.policies.poll()


async def own_token(world: World, client: CreatedClient) -> str:
    """A service's token for itself."""
    response = await world.token(client, grant_type="client_credentials")
    assert response.status_code == 200, response.text
    return str(response.json()["access_token"])
