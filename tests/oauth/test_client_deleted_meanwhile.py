"""A client that is deleted while memory still knows it gets nothing, and costs no unexpected error (S2, I4)."""

import pytest
from sqlalchemy import delete

from identity.tables import clients
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_client_deleted_a_moment_ago_gets_no_code(world: World) -> None:
    client = await world.client()
    async with world.services.database.transaction() as db:
        await db.execute(delete(clients).where(clients.c.client_id == client.client.client_id))
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        answer = await world.authorize(browser, client)
    assert answer.params["error"] == "unauthorized_client"
    assert answer.params["error_description"] == "this client was deleted"
