"""The one door of revocation: state, feed entry and event together; repeating it tells nothing twice (S44, I2)."""

from collections.abc import Awaitable, Callable, Mapping

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from base.errors import StorageUnavailable
from feed.tables import feed
from identity import revocation
from identity.person_values import Person
from identity.tables import grants, sessions
from tests.world import CreatedClient, World

pytestmark = pytest.mark.anyio


async def signed_in_twice(world: World) -> tuple[Person, CreatedClient, bytes, bytes]:
    """A person with two sessions; in the first a session grant and an offline one, in the second a session grant."""
    person, client = await world.person(), await world.client()
    async with world.browser() as one, world.browser() as two:
        first, second = await world.sign_in(one, person), await world.sign_in(two, person)
        await world.authorize(one, client)
        await world.authorize(one, client, scope="openid offline_access")
        await world.authorize(two, client)
    return person, client, first, second


async def ended(world: World) -> tuple[list[str | None], list[str | None]]:
    """Why each session and each grant ended, oldest first; None where it lives."""
    async with world.services.database.reading() as db:
        of_sessions = await db.execute(select(sessions.c.ended_why).order_by(sessions.c.id))
        of_grants = await db.execute(select(grants.c.ended_why).order_by(grants.c.id))
        return list(of_sessions.scalars()), list(of_grants.scalars())


async def kinds(world: World) -> list[str]:
    """The kinds in the feed, sorted."""
    async with world.services.database.reading() as db:
        return sorted((await db.execute(select(feed.c.kind))).scalars())


Act = Callable[[AsyncConnection, World, Person, CreatedClient, bytes], Awaitable[None]]


async def end_session(db: AsyncConnection, world: World, _p: Person, _c: CreatedClient, session: bytes) -> None:
    await revocation.end_session(db, world.services, session, why="x", now=world.clock(), actor="cli")


async def end_others(db: AsyncConnection, world: World, person: Person, _c: CreatedClient, session: bytes) -> None:
    now = world.clock()
    await revocation.end_person_sessions(db, world.services, person.id, why="x", keep=session, now=now, actor="cli")


async def end_client(db: AsyncConnection, world: World, person: Person, client: CreatedClient, _s: bytes) -> None:
    client_id, now = client.client.client_id, world.clock()
    await revocation.end_client_grants(db, world.services, person.id, client_id, now=now, actor="cli")


async def revoke_person(db: AsyncConnection, world: World, person: Person, _c: CreatedClient, _s: bytes) -> None:
    await revocation.revoke_person(db, world.services, person.id, why="x", now=world.clock(), actor="cli")


async def revoke_client(db: AsyncConnection, world: World, _p: Person, client: CreatedClient, _s: bytes) -> None:
    client_id, now = client.client.client_id, world.clock()
    await revocation.revoke_client(db, world.services, client_id, why="x", now=now, actor="cli")


X, C = "x", "consent_withdrawn"
# What each act ends: (sessions, grants), the feed's entries, the events beyond those of the sessions and grants.
ACTS: Mapping[str, tuple[Act, tuple[list[str | None], list[str | None]], list[str]]] = {
    "a session": (end_session, ([X, None], [X, None, None]), ["grant", "session"]),
    "all other sessions": (end_others, ([None, X], [None, None, X]), ["grant", "session"]),
    "a consent": (end_client, ([None, None], [C, C, C]), ["grant"] * 3),
    "a person": (revoke_person, ([X, X], [X, X, X]), ["grant"] * 3 + ["person"] + ["session"] * 2),
    "a client": (revoke_client, ([None, None], [X, X, X]), ["client"] + ["grant"] * 3),
}


@pytest.mark.parametrize("what", ACTS)
async def test_an_act_writes_state_feed_and_events_together(world: World, what: str) -> None:
    """S44"""
    act, expected, entries = ACTS[what]
    person, client, first, _ = await signed_in_twice(world)
    for _ in range(2):
        async with world.services.database.transaction() as db:
            await act(db, world, person, client, first)
        assert await ended(world) == expected
    assert [kind for kind in await kinds(world) if kind in ("grant", "session")] == [
        kind for kind in entries if kind in ("grant", "session")
    ]
    assert set(entries) <= set(await kinds(world))
    assert len(await world.events("token.grant_ended")) == entries.count("grant")
    assert len(await world.events("session.ended")) == entries.count("session")


@pytest.mark.parametrize("what", ACTS)
async def test_an_act_that_fails_leaves_nothing(world: World, what: str) -> None:
    """S44"""
    act = ACTS[what][0]
    person, client, first, _ = await signed_in_twice(world)
    before = len(await world.events())

    async def fail_late() -> None:
        async with world.services.database.transaction() as db:
            await act(db, world, person, client, first)
            raise OSError("the disk is full")

    with pytest.raises(StorageUnavailable):
        await fail_late()
    assert await ended(world) == ([None, None], [None, None, None])
    assert await kinds(world) == []
    assert len(await world.events()) == before
