"""An application that was disabled gets nothing that a service would accept, from whichever process it asks (S18)."""

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from base.clock import to_seconds
from feed.tables import feed
from identity.clients import delete_client, set_client_disabled
from identity.tokens import ACCESS_TYPE, verify_own_token
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


async def disable(world: World, client_id: str, *, disabled: bool) -> None:
    async with world.services.database.transaction() as db:
        await set_client_disabled(db, world.services, client_id, disabled=disabled, now=world.clock(), actor="cli")


def issued(world: World, token: str) -> int:
    services = world.services
    issuer = services.settings.issuer
    claims = verify_own_token(
        token, services.keys, expected_type=ACCESS_TYPE, expected_issuer=issuer, now=world.clock()
    )
    assert claims is not None
    return msgspec.convert(claims["iat"], int)


@pytest.mark.parametrize("how", ["disabled", "deleted"])
async def test_a_process_that_has_not_looked_yet_issues_nothing_that_services_accept(
    world: World, database_url: str, tmp_path: Path, how: str
) -> None:
    """I2: every process looks four times a second, and between two looks a second may begin."""
    client = await world.client(grants=("client_credentials",), scopes=(), redirect_uris=())
    client_id = client.client.client_id
    async with open_world(database_url, tmp_path, clock=world.clock) as other:
        await other.services.keys.poll(world.clock())
        if how == "disabled":
            await disable(world, client_id, disabled=True)
        else:
            async with world.services.database.transaction() as db:
                await delete_client(db, world.services, client_id, now=world.clock(), actor="cli")
        world.clock.move(seconds=1)
        answer = await other.token(client, grant_type="client_credentials")
        async with world.services.database.reading() as db:
            at = (await db.execute(select(feed.c.not_before).where(feed.c.subject == client_id))).scalar_one()
        assert issued(other, answer.json()["access_token"]) <= to_seconds(at)
        await other.services.catalogue.poll()
        assert (await other.token(client, grant_type="client_credentials")).status_code == 401


async def test_an_application_that_is_opened_again_at_once_gets_good_tokens(world: World) -> None:
    client = await world.client(grants=("client_credentials",), scopes=(), redirect_uris=())
    client_id = client.client.client_id
    for disabled in (True, False):
        await disable(world, client_id, disabled=disabled)
    await world.services.catalogue.poll()
    token = (await world.token(client, grant_type="client_credentials")).json()["access_token"]
    async with world.services.database.reading() as db:
        at = (await db.execute(select(feed.c.not_before).where(feed.c.subject == client_id))).scalar_one()
    assert issued(world, token) == to_seconds(at) + 1
