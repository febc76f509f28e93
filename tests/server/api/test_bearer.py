"""Who may call the API: services with a living token of its own and the scope of the resource, nobody else."""

from __future__ import annotations

import httpx2
import pytest
from fastapi.routing import APIRoute

from identity.clients import delete_client, set_client_disabled
from server.api.application import routers
from tests.server.api.service import EVENTS, Service, check_problem, open_service
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio


def addresses(world: World) -> list[tuple[str, str]]:
    """Method and address of every endpoint."""
    routes = [route for router in routers(world.services) for route in router.routes if isinstance(route, APIRoute)]
    parts = {"event": "evt_0", "report": "rpt_0", "seq": "1", "signal": "sig_0", "revision": "1", "name": "night"}
    paths = [(route.path.format(**parts), sorted(route.methods or ())) for route in routes]
    return [(method, path) for path, methods in paths for method in methods]


async def ask_all(world: World, http: httpx2.AsyncClient) -> list[httpx2.Response]:
    return [await http.request(method, path) for method, path in addresses(world)]


async def test_without_a_token_every_address_asks_for_one(world: World) -> None:
    async with world.browser() as http:
        answers = await ask_all(world, http)
    assert len(answers) >= 6
    for answer in answers:
        check_problem(answer, 401, "no access token")
        assert answer.headers["www-authenticate"] == 'Bearer realm="Ostiary"'


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer a.b.c", "Bearer  x", "Basic eDp5", "Bearer"])
async def test_what_is_no_token_is_refused_everywhere(world: World, header: str) -> None:
    async with world.browser() as http:
        http.headers["authorization"] = header
        for answer in await ask_all(world, http):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_in_the_query_or_given_twice_is_no_token(service: Service) -> None:
    """S12"""
    async with service.world.browser() as http:
        answer = await http.get(EVENTS, params={"access_token": service.token})
        check_problem(answer, 401, "no access token")
        twice = await http.get(EVENTS, headers=[("authorization", f"Bearer {service.token}")] * 2)
        check_problem(twice, 401, "no access token")


async def test_a_token_without_the_scope_is_told_which_one_is_missing(world: World) -> None:
    async with open_service(world, "audit:write") as writer, open_service(world, "audit:read", name="r") as reader:
        refused = await writer.get(EVENTS)
        check_problem(refused, 403, "lacks the scope audit:read")
        challenge = 'Bearer realm="Ostiary", error="insufficient_scope", scope="audit:read"'
        assert refused.headers["www-authenticate"] == challenge
        check_problem(await reader.send(reader.event()), 403, "lacks the scope audit:write")
    told = await world.events("token.refused")
    assert [each["data"] for each in told] == [
        {"error": "insufficient_scope", "reason": "without the scope audit:read"},
        {"error": "insufficient_scope", "reason": "without the scope audit:write"},
    ]


async def check_ended(service: Service) -> None:
    for answer in await ask_all(service.world, service.http):
        check_problem(answer, 401, "not valid here")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_revoked_token_is_refused_at_once(service: Service) -> None:
    """S18"""
    assert (await service.get(EVENTS)).status_code == 200
    await service.world.token(service.client, path="/oauth/revoke", token=service.token)
    await check_ended(service)
    told = await service.world.events("token.refused")
    assert {str(each["outcome"]) for each in told} == {"failure"}


@pytest.mark.parametrize("end", [set_client_disabled, delete_client])
async def test_a_disabled_or_deleted_application_is_refused(service: Service, end: object) -> None:
    """S18"""
    world = service.world
    async with world.services.database.transaction() as db:
        more = {"disabled": True} if end is set_client_disabled else {}
        await end(db, world.services, service.client_id, now=world.clock(), actor="cli", **more)  # type: ignore[operator]
    await world.services.catalogue.refresh()
    await check_ended(service)


async def test_a_token_for_another_api_is_refused(world: World) -> None:
    client = await world.client(grants=("client_credentials",), redirect_uris=(), scopes=("audit:read",))
    token = (await world.token(client, grant_type="client_credentials")).json()["access_token"]
    async with world.browser() as http:
        answer = await http.get(EVENTS, headers={"authorization": f"Bearer {token}"})
    check_problem(answer, 401, "for another API")


async def test_a_persons_token_opens_nothing_whatever_scopes_it_carries(world: World) -> None:
    """Whoever signs in anywhere could otherwise read the log of everybody."""
    client = await world.client(scopes=("openid", "audit:read", "audit:write"), apis={}, api_scopes=())
    tokens = await world.tokens(
        client, await world.person(admin=True), scope="openid audit:read audit:write", resource=ISSUER
    )
    async with world.browser() as http:
        http.headers["authorization"] = f"Bearer {tokens['access_token']}"
        for answer in await ask_all(world, http):
            check_problem(answer, 403, "tokens of services")


async def test_an_id_token_is_no_access_token(world: World) -> None:
    """S36"""
    tokens = await world.tokens(await world.client(), await world.person())
    async with world.browser() as http:
        answer = await http.get(EVENTS, headers={"authorization": f"Bearer {tokens['id_token']}"})
    check_problem(answer, 401, "not valid here")
