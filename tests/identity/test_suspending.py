"""A person who is suspended: services hear of it at once, and of the end of it (S18)."""

import pytest
from sqlalchemy import select

from feed.entries import Kind
from feed.tables import feed
from identity.accounts import set_person_state
from identity.values import PersonState
from tests.world import World

pytestmark = pytest.mark.anyio


async def told(world: World, sub: str) -> list[dict[str, object]]:
    """The facts about a person in the feed, oldest first."""
    query = select(feed.c.facts).where(feed.c.kind == Kind.FACTS, feed.c.subject == sub)
    async with world.services.database.reading() as db:
        return list((await db.execute(query.order_by(feed.c.created_at, feed.c.id))).scalars())


@pytest.mark.parametrize("after", ["active", "disabled", "deleted"])
async def test_services_are_told_that_a_person_is_suspended_and_that_it_is_over(
    world: World, after: PersonState
) -> None:
    """I2: whatever is done with the account then, no suspension is left behind."""
    person = await world.person()
    for state, expected in (("suspended", [True]), (after, [True, False])):
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, person.id, state, now=world.clock(), actor="cli")  # type: ignore[arg-type]
        assert [fact["suspended"] for fact in await told(world, person.sub)] == expected
