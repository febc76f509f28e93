"""What has ended gives no new token, and takes those along that were given for it (S18, I2)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from identity.accounts import set_person_state
from identity.client_values import TOKEN_EXCHANGE
from identity.clients import delete_client, set_client_disabled
from identity.oauth.exchange_request import ACCESS_TOKEN, TXN_TOKEN
from identity.person_values import Person
from identity.revocation import (
    end_client_grants,
    end_session,
    revoke_client,
    revoke_everyone,
    revoke_person,
    revoke_token,
)
from identity.tables import grants
from identity.values import PersonState
from tests.oauth.exchanges import SCOPE, exchange, exchanged, own_token, service
from tests.oauth.refusals import check_event, check_refused
from tests.oauth.tokens_read import claims_of
from tests.world import CreatedClient, World

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Chain:
    """A person's token of an application, and what two services got for it, one after the other."""

    app: CreatedClient
    first: CreatedClient
    second: CreatedClient
    person: Person
    session: bytes
    token: str
    passed_on: str
    within: str


async def chain_of(world: World) -> Chain:
    app, person = await world.client(), await world.person()
    first, second = await service(world, "First"), await service(world, "Second")
    async with world.browser() as browser:
        session = await world.sign_in(browser, person)
        token = (await world.redeem(app, await world.authorize(browser, app, scope=SCOPE))).json()["access_token"]
    middle = str((await exchanged(world, first, token))["access_token"])
    passed_on = str((await exchanged(world, second, middle))["access_token"])
    within = str((await exchanged(world, second, middle, kind=TXN_TOKEN))["access_token"])
    return Chain(app, first, second, person, session, token, passed_on, within)


async def check_works(world: World, chain: Chain) -> None:
    reader = await service(world, "Reader")
    for token in (chain.token, chain.passed_on, chain.within):
        assert (await world.introspect(reader, token))["active"] is True


async def check_dead(world: World, chain: Chain, *, asking: CreatedClient) -> None:
    """Fails unless none of the tokens is good, nor gives another one."""
    for token in (chain.token, chain.passed_on, chain.within):
        assert await world.introspect(asking, token) == {"active": False}
    for token in (chain.token, chain.passed_on):
        for kind in (ACCESS_TOKEN, TXN_TOKEN):
            refused = await exchange(world, asking, token, kind=kind)
            check_refused(refused, "invalid_request", "subject_token is not a living access token")
    await check_event(
        world, "token.refused", outcome="failure", error="invalid_request", grant_type=TOKEN_EXCHANGE,
        reason="subject_token: not a living access token",
    )  # fmt: skip


End = Callable[[World, Chain], Awaitable[None]]


def becomes(state: PersonState) -> End:
    async def change(world: World, chain: Chain) -> None:
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, chain.person.id, state, now=world.clock(), actor="cli")

    return change


async def everything_revoked(world: World, chain: Chain) -> None:
    async with world.services.database.transaction() as db:
        await revoke_person(db, world.services, chain.person.id, why="changed", now=world.clock(), actor="cli")


async def consent_withdrawn(world: World, chain: Chain) -> None:
    async with world.services.database.transaction() as db:
        app = chain.app.client.client_id
        await end_client_grants(db, world.services, chain.person.id, app, now=world.clock(), actor="cli")


async def session_ended(world: World, chain: Chain) -> None:
    async with world.services.database.transaction() as db:
        await end_session(db, world.services, chain.session, why="signed_out", now=world.clock(), actor="cli")


async def everyone_revoked(world: World, chain: Chain) -> None:
    async with world.services.database.transaction() as db:
        await revoke_everyone(db, world.services, why="emergency", now=world.clock(), actor="cli")
    await world.services.catalogue.poll()


def closes(name: str) -> End:
    """An application or a service somewhere in the chain is disabled."""

    async def change(world: World, chain: Chain) -> None:
        client: CreatedClient = getattr(chain, name)
        async with world.services.database.transaction() as db:
            now, client_id = world.clock(), client.client.client_id
            await set_client_disabled(db, world.services, client_id, disabled=True, now=now, actor="cli")
        await world.services.catalogue.poll()

    return change


async def application_deleted(world: World, chain: Chain) -> None:
    async with world.services.database.transaction() as db:
        now, client_id = world.clock(), chain.app.client.client_id
        await revoke_client(db, world.services, client_id, why="deleted", now=now, actor="cli")
        await delete_client(db, world.services, client_id, now=now, actor="cli")
    await world.services.catalogue.poll()


ENDS: Mapping[str, End] = {
    "suspended": becomes("suspended"),
    "disabled": becomes("disabled"),
    "deleted": becomes("deleted"),
    "all revoked": everything_revoked,
    "consent withdrawn": consent_withdrawn,
    "session ended": session_ended,
    "everyone revoked": everyone_revoked,
    "application disabled": closes("app"),
    "application deleted": application_deleted,
}


@pytest.mark.parametrize("end", ENDS)
async def test_nothing_is_given_for_what_has_ended_and_nothing_given_for_it_works(world: World, end: str) -> None:
    """S18, I2"""
    chain = await chain_of(world)
    await check_works(world, chain)
    await ENDS[end](world, chain)
    await check_dead(world, chain, asking=await service(world, "Asking"))


async def test_a_service_that_is_closed_takes_along_what_was_passed_on_through_it(world: World) -> None:
    """S18: the last one of the chain got its token from the first."""
    chain = await chain_of(world)
    await closes("first")(world, chain)
    asking = await service(world, "Asking")
    assert (await world.introspect(asking, chain.token))["active"] is True
    for token in (chain.passed_on, chain.within):
        assert await world.introspect(asking, token) == {"active": False}
    check_refused(await exchange(world, asking, chain.passed_on), "invalid_request", "not a living access token")
    refused = await exchange(world, chain.first, chain.token)
    check_refused(refused, "invalid_client", "authentication failed", status=401)


async def test_who_comes_back_in_the_same_second_gets_tokens_that_hold(world: World) -> None:
    """S18: the old one says the second after the revocation, and so must what is given for it."""
    chain = await chain_of(world)
    await everything_revoked(world, chain)
    token = (await world.tokens(chain.app, chain.person, scope=SCOPE))["access_token"]
    for kind in (ACCESS_TOKEN, TXN_TOKEN):
        given = str((await exchanged(world, chain.first, token, kind=kind))["access_token"])
        assert int(str(claims_of(given)["iat"])) >= int(str(claims_of(token)["iat"]))
        assert (await world.introspect(chain.first, given))["active"] is True


async def test_one_revoked_token_gives_no_other(world: World) -> None:
    """RFC 7009; what was given for it before has its own life, which docs/specs.md says."""
    chain = await chain_of(world)
    async with world.services.database.transaction() as db:
        found = claims_of(chain.token)
        await revoke_token(
            db, world.services, str(found["jti"]), expires_at=world.clock(), client_id=chain.app.client.client_id,
            now=world.clock(),
        )  # fmt: skip
    check_refused(await exchange(world, chain.first, chain.token), "invalid_request", "not a living access token")
    assert (await world.introspect(chain.second, chain.passed_on))["active"] is True


async def test_the_holder_revokes_its_exchanged_token_and_nobody_elses(world: World) -> None:
    """RFC 7009 §2.1; a token for services within says that it cannot be revoked, and is not called revoked (I2)."""
    chain = await chain_of(world)
    refused = await world.token(chain.first, path="/oauth/revoke", token=chain.passed_on)
    check_refused(refused, "invalid_grant", "issued to another client")
    refused = await world.token(chain.second, path="/oauth/revoke", token=chain.within)
    check_refused(refused, "unsupported_token_type", "ends within a minute")
    assert (await world.token(chain.second, path="/oauth/revoke", token=chain.passed_on)).status_code == 200
    assert await world.introspect(chain.second, chain.passed_on) == {"active": False}
    assert (await world.introspect(chain.second, chain.within))["active"] is True


async def test_a_disabled_service_is_no_subject_and_no_actor(world: World) -> None:
    """S18, of tokens without a person."""
    first, second = await service(world, "First"), await service(world, "Second")
    token, actor = await own_token(world, first), await own_token(world, second)
    given = str((await exchanged(world, second, token))["access_token"])
    async with world.services.database.transaction() as db:
        now, client_id = world.clock(), first.client.client_id
        await set_client_disabled(db, world.services, client_id, disabled=True, now=now, actor="cli")
        await revoke_token(
            db, world.services, str(claims_of(actor)["jti"]), expires_at=now, client_id=second.client.client_id, now=now
        )
    await world.services.catalogue.poll()
    assert await world.introspect(second, given) == {"active": False}
    check_refused(await exchange(world, second, token), "invalid_request", "subject_token is not a living")
    own = await own_token(world, second)
    refused = await exchange(world, second, own, actor_token=actor, actor_token_type=ACCESS_TOKEN)
    check_refused(refused, "invalid_request", "actor_token is not a living")


async def test_many_exchanges_at_once_give_as_many_tokens(world: World) -> None:
    """Nothing is spent; each token and each event is its own."""
    chain = await chain_of(world)
    before = len(await world.events("token.issued"))
    answers = await asyncio.gather(*(exchanged(world, chain.first, chain.token) for _ in range(20)))
    assert len({claims_of(str(answer["access_token"]))["jti"] for answer in answers}) == 20
    assert len(await world.events("token.issued")) == before + 20


async def test_exchanges_that_race_the_end_of_a_session_leave_nothing_that_works(world: World) -> None:
    """I2: whoever is faster, once the session has ended no token of it is good."""
    chain = await chain_of(world)
    both = [
        exchange(world, chain.first, chain.token, kind=kind) for kind in (ACCESS_TOKEN, TXN_TOKEN) for _ in range(8)
    ]
    answers, _ = await asyncio.gather(asyncio.gather(*both), session_ended(world, chain))
    assert {answer.status_code for answer in answers} <= {200, 400}
    given = [answer.json()["access_token"] for answer in answers if answer.status_code == 200]
    for token in given:
        assert await world.introspect(chain.first, token) == {"active": False}


async def test_an_exchange_makes_no_grant_of_its_own(world: World) -> None:
    chain = await chain_of(world)
    async with world.services.database.reading() as db:
        assert len((await db.execute(select(grants.c.id))).all()) == 1
    assert claims_of(chain.within)["grant"] == claims_of(chain.token)["grant"]
