"""Two server processes over one PostgreSQL and one Redis, through TLS: what one does, the other knows (I1, I2, S18)."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from identity.clients import set_client_disabled
from identity.keys import revoke_key
from server.composition import key_times
from tests.databases import Databases
from tests.flows.contests import CONTESTS
from tests.forms_browser import FormsBrowser
from tests.oauth.refusals import check_refused
from tests.oauth.tokens_read import header_of
from tests.server_process import RemoteWorld, open_remote_worlds, soon
from tests.world import ISSUER, PASSWORD, Answer, CreatedClient

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SHOTS = 16


@pytest.fixture
async def worlds(databases: Databases, redis_url: str, tmp_path: Path) -> AsyncIterator[list[RemoteWorld]]:
    """Two processes that have just started."""
    with databases.postgres() as url:
        async with open_remote_worlds(tmp_path, count=2, database_url=url, redis_url=redis_url) as opened:
            yield opened


async def test_single_use_things_are_used_once_over_both_processes(worlds: list[RemoteWorld]) -> None:
    """I1, I4, S5, S10, S17: every contest, fired at both."""
    for name, prepare in CONTESTS.items():
        contest = await prepare(worlds[0])
        answers = await asyncio.gather(*(contest.fire(worlds[shot % 2]) for shot in range(SHOTS)))
        told = [answer.status_code for answer in answers]
        assert not [status for status in told if status >= 500], (name, told)
        assert sum(map(contest.has_won, answers)) in contest.wins, (name, told)
        await contest.check(worlds[0], answers)


async def test_a_whole_sign_in_may_take_every_step_at_another_process(worlds: list[RemoteWorld]) -> None:
    """S17, I2"""
    one, two = worlds
    client, _ = await one.client(), await one.person()
    async with one.browser() as http, two.browser() as other:
        page = await FormsBrowser(http, ISSUER).open(one.authorize_url(client, scope="openid offline_access"))
        for name, value in http.cookies.items():
            other.cookies.set(name, value, domain="id.example.com")
        done = await FormsBrowser(other, ISSUER).sign_in(page, "ada", PASSWORD)
    two.verifiers.update(one.verifiers)
    tokens = (await two.redeem(client, Answer(done.response, done.url, done.params))).json()
    assert (await one.userinfo(tokens["access_token"])).status_code == 200
    assert (await two.token(client, path="/oauth/revoke", token=tokens["refresh_token"])).status_code == 200
    # Decided by the database: the very next request at the other process is refused (S18).
    assert (await one.userinfo(tokens["access_token"])).status_code == 401
    assert (await one.introspect(client, tokens["access_token"])) == {"active": False}


async def test_a_withdrawn_key_and_a_disabled_client_are_known_within_a_second(worlds: list[RemoteWorld]) -> None:
    """S18, S39"""
    one, two = worlds
    services, times = one.services, key_times(one.services.settings)
    service, other = await one.client(grants=("client_credentials",), redirect_uris=()), await one.client()
    token = (await one.token(service, grant_type="client_credentials")).json()["access_token"]
    kid = str(header_of(token)["kid"])
    async with services.database.transaction() as db:
        await revoke_key(db, services.sealer, services.emitter, kid, times=times, now=one.clock(), actor="cli")
    for world in worlds:
        await soon(partial(is_inactive, world, other, token))
    fresh = (await two.token(service, grant_type="client_credentials")).json()["access_token"]
    assert header_of(fresh)["kid"] != kid
    async with services.database.transaction() as db:
        client_id = service.client.client_id
        await set_client_disabled(db, services, client_id, disabled=True, now=one.clock(), actor="cli")
    for world in worlds:
        await soon(partial(is_inactive, world, other, fresh))
        refused = await world.token(service, grant_type="client_credentials")
        check_refused(refused, "invalid_client", "client authentication failed", status=401)


async def is_inactive(world: RemoteWorld, caller: CreatedClient, token: str) -> bool:
    return await world.introspect(caller, token) == {"active": False}
