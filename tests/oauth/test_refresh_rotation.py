"""Refresh tokens turn: one successor, whoever asks; anything later or older is reuse (S10)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from identity.catalogue import touch
from identity.grant_store import Refresh
from identity.oauth.grants.refresh_token import Turn, plan_turn
from identity.tables import clients, grants
from tests.oauth.refusals import check_event, check_refused
from tests.world import CreatedClient, World, open_world

REFUSED = "the refresh token is not valid: unknown, expired, used, revoked, or given to another client"
GRACE_S = 10

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAMILY = Refresh(b"", 5, NOW, NOW + timedelta(days=1), NOW + timedelta(days=9))


@pytest.mark.parametrize(
    ("presented", "rotates", "in_grace", "expected"),
    [
        (5, True, True, Turn(5, 6)),
        (5, True, False, Turn(5, 6)),
        (5, False, False, Turn(5, 5)),
        (4, True, True, Turn(5, 5)),
        (4, True, False, None),
        (4, False, False, None),
        (3, True, True, None),
        (6, True, True, None),
    ],
)
def test_the_rule_of_turning(presented: int, rotates: bool, in_grace: bool, expected: Turn | None) -> None:
    """S10"""
    assert plan_turn(presented, FAMILY, rotates=rotates, in_grace=in_grace) == expected


async def family_of(world: World, client: CreatedClient, **params: str | None) -> str:
    """The first refresh token of a person who has just signed in."""
    tokens = await world.tokens(client, await world.person(), **params)
    return tokens["refresh_token"]


async def successor(world: World, client: CreatedClient, token: str) -> str:
    """The refresh token that comes back for `token`; fails where it is refused."""
    response = await world.refresh(client, token)
    assert response.status_code == 200, response.text
    text: str = response.json()["refresh_token"]
    return text


async def check_dead(world: World, client: CreatedClient, *tokens: str) -> None:
    """Fails unless every one of these is refused and inactive."""
    for token in tokens:
        assert (await world.refresh(client, token)).status_code == 400
        if not client.client.is_public:
            assert await world.introspect(client, token) == {"active": False}


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_a_refresh_token_is_replaced_at_each_use(world: World, method: str) -> None:
    """S10"""
    client = await world.client(auth_method=method)
    seen = [await family_of(world, client)]
    for _ in range(3):
        seen.append(await successor(world, client, seen[-1]))
    assert len(set(seen)) == 4
    await check_event(world, "token.refreshed", outcome="success", number=4)


@pytest.mark.anyio
async def test_within_the_grace_the_previous_token_gives_the_same_successor_any_number_of_times(world: World) -> None:
    """S10"""
    client = await world.client()
    first = await family_of(world, client)
    second = await successor(world, client, first)
    for _ in range(4):
        world.clock.move(seconds=2)
        assert await successor(world, client, first) == second
    assert await successor(world, client, second) != second


@pytest.mark.anyio
async def test_the_grace_ends_when_the_successor_is_used(world: World) -> None:
    """S10"""
    client = await world.client()
    first = await family_of(world, client)
    second = await successor(world, client, first)
    third = await successor(world, client, second)
    check_refused(await world.refresh(client, first), "invalid_grant", REFUSED)
    await check_event(world, "token.reused", outcome="denied", kind="refresh_token")
    await check_event(world, "token.grant_ended", outcome="success", why="refresh_token_reused")
    await check_dead(world, client, second, third)


@pytest.mark.anyio
async def test_after_the_grace_the_previous_token_is_reuse_and_ends_family_and_access_tokens(world: World) -> None:
    """S10"""
    client = await world.client()
    tokens = await world.tokens(client, await world.person())
    refreshed = (await world.refresh(client, tokens["refresh_token"])).json()
    world.clock.move(seconds=GRACE_S + 1)
    check_refused(await world.refresh(client, tokens["refresh_token"]), "invalid_grant", REFUSED)
    await check_event(world, "token.refused", outcome="failure", reason="refresh token used before")
    await check_dead(world, client, refreshed["refresh_token"])
    for access in (tokens["access_token"], refreshed["access_token"]):
        assert await world.introspect(client, access) == {"active": False}
        assert (await world.userinfo(access)).status_code == 401


@pytest.mark.anyio
async def test_asking_again_does_not_stretch_the_grace(world: World) -> None:
    """S10"""
    client = await world.client()
    first = await family_of(world, client)
    await successor(world, client, first)
    world.clock.move(seconds=GRACE_S - 3)
    await successor(world, client, first)
    world.clock.move(seconds=4)
    check_refused(await world.refresh(client, first), "invalid_grant", REFUSED)


@pytest.mark.anyio
async def test_with_a_grace_of_zero_every_second_use_is_reuse(database_url: str, tmp_path: Path) -> None:
    """S10"""
    async with open_world(database_url, tmp_path, refresh__grace_s="0") as world:
        client = await world.client()
        first = await family_of(world, client)
        second = await successor(world, client, first)
        check_refused(await world.refresh(client, first), "invalid_grant", REFUSED)
        await check_dead(world, client, second)


@pytest.mark.anyio
async def test_a_confidential_client_may_keep_its_refresh_token(world: World) -> None:
    """S10"""
    client = await world.client(rotate_refresh=False)
    first = await family_of(world, client)
    for _ in range(3):
        world.clock.move(minutes=9)
        assert await successor(world, client, first) == first


@pytest.mark.anyio
async def test_a_public_client_always_turns_its_tokens_even_where_its_row_says_otherwise(world: World) -> None:
    """S10"""
    client = await world.client(auth_method="none")
    async with world.services.database.transaction() as db:
        await db.execute(update(clients).values(rotate_refresh=False))
        await touch(db, "catalogue")
    await world.services.catalogue.poll()
    first = await family_of(world, client)
    assert await successor(world, client, first) != first


@pytest.mark.anyio
async def test_a_token_that_was_never_given_out_is_refused_and_harms_nobody(world: World) -> None:
    """S10: a forged number must not let anyone end a family."""
    client = await world.client()
    first = await family_of(world, client)
    changed = first[:30] + ("A" if first[30] != "A" else "B") + first[31:]
    check_refused(await world.refresh(client, changed), "invalid_grant", REFUSED)
    assert not await world.events("token.reused")
    assert await successor(world, client, first) != first


@pytest.mark.anyio
async def test_no_refresh_token_is_stored(world: World) -> None:
    """S10, S46: it is derived anew each time."""

    client = await world.client()
    first = await family_of(world, client)
    second = await successor(world, client, first)
    async with world.services.database.reading() as db:
        row = (await db.execute(select(grants))).one()
    stored = repr(tuple(row))
    assert first not in stored
    assert second not in stored
    assert first[4:] not in stored
