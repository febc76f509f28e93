"""Every acknowledged act has exactly one row in the log, however many arrive at once (I3)."""

import asyncio

import pytest

from tests.oauth.tokens_read import claims_of
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_every_token_that_was_given_out_is_in_the_log_once(world: World) -> None:
    """I3, S44"""
    client = await world.client(name="svc", grants=("client_credentials",), redirect_uris=())
    answers = await asyncio.gather(*(world.token(client, grant_type="client_credentials") for _ in range(60)))
    given = sorted(str(claims_of(answer.json()["access_token"])["jti"]) for answer in answers)
    logged = sorted(str(event["data"]["jti"]) for event in await world.events("token.issued"))  # type: ignore[index]
    assert given == logged
    assert len(set(given)) == 60


async def test_every_refusal_is_in_the_log_once_beside_the_answers_of_its_neighbours(world: World) -> None:
    """I3"""
    client = await world.client(name="svc", grants=("client_credentials",), redirect_uris=())
    asked = [
        world.token(client, grant_type="client_credentials", scope="orders:read" if number % 2 else "orders:none")
        for number in range(40)
    ]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200] * 20 + [400] * 20
    assert len(await world.events("token.issued")) == 20
    refused = await world.events("token.refused")
    assert [event["data"]["error"] for event in refused] == ["invalid_scope"] * 20  # type: ignore[index]
