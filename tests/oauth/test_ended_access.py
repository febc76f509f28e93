"""What has ended works nowhere, at once: decided by the database at every endpoint of ours (S18)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import pytest
from sqlalchemy import update

from identity.accounts import set_person_state
from identity.clients import delete_client, set_client_disabled
from identity.person_values import Person
from identity.revocation import end_client_grants, end_person_sessions, end_session, revoke_client, revoke_person
from identity.tables import people
from identity.values import PersonState
from tests.oauth.refusals import check_event, check_refused
from tests.world import Answer, CreatedClient, World

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Access:
    """Everything that a person and a client hold: a session, tokens of it, offline tokens, and a code not yet used."""

    client: CreatedClient
    person: Person
    session: bytes
    bound: Mapping[str, str]
    offline: Mapping[str, str]
    code: Answer


async def access_of(world: World) -> Access:
    client, person = await world.client(), await world.person()
    async with world.browser() as browser:
        session = await world.sign_in(browser, person)
        bound = await world.redeem(client, await world.authorize(browser, client))
        lasting = await world.authorize(browser, client, scope="openid offline_access")
        offline = await world.redeem(client, lasting)
        code = await world.authorize(browser, client)
    return Access(client, person, session, bound.json(), offline.json(), code)


async def check_works(world: World, access: Access, tokens: Mapping[str, str]) -> None:
    assert (await world.introspect(access.client, tokens["access_token"]))["active"] is True
    assert (await world.introspect(access.client, tokens["refresh_token"]))["active"] is True
    assert (await world.userinfo(tokens["access_token"])).status_code == 200


async def check_dead(world: World, access: Access, tokens: Mapping[str, str]) -> None:
    """Fails unless the tokens are refused at introspection, userinfo and refresh."""
    assert await world.introspect(access.client, tokens["access_token"]) == {"active": False}
    assert await world.introspect(access.client, tokens["refresh_token"]) == {"active": False}
    refused = await world.userinfo(tokens["access_token"])
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    check_refused(await world.refresh(access.client, tokens["refresh_token"]), "invalid_grant", "not valid")
    await check_event(world, "token.refused", outcome="failure", error="invalid_grant", grant_type="refresh_token")


def becomes(state: PersonState) -> Callable[[World, Access], Awaitable[None]]:
    async def change(world: World, access: Access) -> None:
        async with world.services.database.transaction() as db:
            now = world.clock()
            await set_person_state(db, world.services, access.person.id, state, now=now, actor="cli")

    return change


async def state_written_by_hand(world: World, access: Access) -> None:
    """An operator's SQL, which knows nothing of revocation."""
    async with world.services.database.transaction() as db:
        await db.execute(update(people).where(people.c.id == access.person.id).values(state="disabled"))


async def everything_revoked(world: World, access: Access) -> None:
    async with world.services.database.transaction() as db:
        now = world.clock()
        await revoke_person(db, world.services, access.person.id, why="password_changed", now=now, actor="cli")


async def consent_withdrawn(world: World, access: Access) -> None:
    async with world.services.database.transaction() as db:
        client_id, now = access.client.client.client_id, world.clock()
        await end_client_grants(db, world.services, access.person.id, client_id, now=now, actor="cli")


ENDS_EVERYTHING: Mapping[str, Callable[[World, Access], Awaitable[None]]] = {
    "suspended": becomes("suspended"),
    "disabled": becomes("disabled"),
    "deleted": becomes("deleted"),
    "disabled by hand": state_written_by_hand,
    "all revoked": everything_revoked,
    "consent withdrawn": consent_withdrawn,
}


@pytest.mark.parametrize("end", ENDS_EVERYTHING)
async def test_nothing_works_once_it_was_ended(world: World, end: str) -> None:
    """S18, I2"""
    access = await access_of(world)
    await check_works(world, access, access.bound)
    await ENDS_EVERYTHING[end](world, access)
    await check_dead(world, access, access.bound)
    await check_dead(world, access, access.offline)
    refused = await world.redeem(access.client, access.code)
    check_refused(refused, "invalid_grant", "the authorization code is not valid")


async def end_one_session(world: World, access: Access) -> None:
    async with world.services.database.transaction() as db:
        await end_session(db, world.services, access.session, why="signed_out", now=world.clock(), actor="cli")


async def end_all_sessions(world: World, access: Access) -> None:
    async with world.services.database.transaction() as db:
        now = world.clock()
        await end_person_sessions(db, world.services, access.person.id, why="everywhere", now=now, actor="cli")


@pytest.mark.parametrize("end", [end_one_session, end_all_sessions])
async def test_an_ended_session_takes_its_tokens_with_it_but_not_the_offline_ones(
    world: World, end: Callable[[World, Access], Awaitable[None]]
) -> None:
    """S10, S18"""
    access = await access_of(world)
    await end(world, access)
    await check_dead(world, access, access.bound)
    await check_works(world, access, access.offline)
    check_refused(await world.redeem(access.client, access.code), "invalid_grant", "not valid")


async def test_a_person_who_comes_back_starts_anew(world: World) -> None:
    """S18: old tokens stay dead, and tokens of the same second already live."""
    access = await access_of(world)
    await becomes("suspended")(world, access)
    await becomes("active")(world, access)
    await check_dead(world, access, access.bound)
    await check_dead(world, access, access.offline)
    again = await world.tokens(access.client, access.person)
    await check_works(world, access, again)


async def test_a_disabled_client_and_its_tokens_are_refused_within_a_poll(world: World) -> None:
    """S18"""
    access = await access_of(world)
    resource_server = await world.client()
    service = await world.client(grants=("client_credentials",), redirect_uris=())
    own = (await world.token(service, grant_type="client_credentials")).json()["access_token"]
    async with world.services.database.transaction() as db:
        for client in (access.client, service):
            client_id, now = client.client.client_id, world.clock()
            await set_client_disabled(db, world.services, client_id, disabled=True, now=now, actor="cli")
    await world.services.catalogue.poll()
    for token in (access.bound["access_token"], access.offline["refresh_token"], own):
        assert await world.introspect(resource_server, token) == {"active": False}
    assert (await world.userinfo(access.bound["access_token"])).status_code == 401
    refused = await world.refresh(access.client, access.offline["refresh_token"])
    check_refused(refused, "invalid_client", "client authentication failed", status=401)


async def test_a_revoked_client_loses_every_token_and_may_get_new_ones(world: World) -> None:
    """S18"""
    access = await access_of(world)
    service = await world.client(grants=("client_credentials",), redirect_uris=())
    own = (await world.token(service, grant_type="client_credentials")).json()["access_token"]
    async with world.services.database.transaction() as db:
        for client in (access.client, service):
            client_id, now = client.client.client_id, world.clock()
            await revoke_client(db, world.services, client_id, why="leaked", now=now, actor="cli")
    await world.services.catalogue.poll()
    await check_dead(world, access, access.bound)
    assert await world.introspect(access.client, own) == {"active": False}
    again = (await world.token(service, grant_type="client_credentials")).json()["access_token"]
    assert (await world.introspect(access.client, again))["active"] is True


async def test_a_deleted_client_leaves_no_token_that_works(world: World) -> None:
    """S18"""
    access, other = await access_of(world), await world.client()
    async with world.services.database.transaction() as db:
        client_id, now = access.client.client.client_id, world.clock()
        await revoke_client(db, world.services, client_id, why="deleted", now=now, actor="cli")
        await delete_client(db, world.services, client_id, now=now, actor="cli")
    await world.services.catalogue.poll()
    assert await world.introspect(other, access.bound["access_token"]) == {"active": False}
    assert (await world.userinfo(access.bound["access_token"])).status_code == 401
