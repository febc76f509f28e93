"""Check-then-act, attacked: many at once, at two processes over one database; exactly as many win as may (I1)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import func, select

from identity.errors import Refused
from identity.keys import list_keys, rotate_key
from identity.tables import sessions
from server.composition import key_times
from tests.flows.contests import CONTESTS, count
from tests.forms_browser import FormsBrowser
from tests.world import ISSUER, PASSWORD, MovableClock, World, open_world

pytestmark = pytest.mark.anyio

SHOTS = 16


@pytest.fixture
async def worlds(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[list[World]]:
    """Two processes of one deployment, as far as they can be without sockets."""
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_world(database_url, tmp_path, redis_url=redis_url, clock=clock))
            for _ in range(2)
        ]


async def fire_all(worlds: list[World], name: str) -> None:
    """Runs one contest, every second shot at the other process, and judges it."""
    contest = await CONTESTS[name](worlds[0])
    for world in worlds:
        await world.services.catalogue.poll()
    answers = await asyncio.gather(*(contest.fire(worlds[number % 2]) for number in range(SHOTS)))
    told = [answer.status_code for answer in answers]
    assert not [status for status in told if status >= 500 and status != 503], told
    assert sum(map(contest.has_won, answers)) in contest.wins, told
    await contest.check(worlds[0], answers)


@pytest.mark.parametrize("name", CONTESTS)
async def test_as_many_win_as_may_and_losers_are_told_so(worlds: list[World], name: str) -> None:
    """I1, I4, S5, S10, S17"""
    await fire_all(worlds, name)


async def try_passwords(world: World, passwords: list[str]) -> list[httpx2.Response]:
    """Each password at its own browser, all at once."""

    async def one(password: str) -> httpx2.Response:
        async with world.browser() as http:
            browser = FormsBrowser(http, ISSUER)
            page = await browser.open("/signin")
            return (await browser.sign_in(page, "ada", password)).response

    return list(await asyncio.gather(*map(one, passwords)))


async def test_parallel_wrong_passwords_reach_the_hash_five_times_at_most_over_both_processes(
    worlds: list[World],
) -> None:
    """S23"""
    await worlds[0].person()
    before = [world.services.hashes.hashes_made for world in worlds]
    wrong = [f"wrong {number} by far" for number in range(12)]
    answers = await asyncio.gather(*(try_passwords(world, wrong) for world in worlds))
    made = sum(world.services.hashes.hashes_made - seen for world, seen in zip(worlds, before, strict=True))
    assert made <= 5
    assert {answer.status_code for shots in answers for answer in shots} == {403}
    # The right one in the next place finds the door closed.
    assert [answer.status_code for answer in await try_passwords(worlds[1], [PASSWORD])] == [403]
    assert await count(worlds[0], "lockout.started") == 1
    async with worlds[0].services.database.reading() as db:
        assert (await db.execute(select(func.count()).select_from(sessions))).scalar_one() == 0


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
async def test_two_administrators_who_rotate_at_once_rotate_once(worlds: list[World], alg: str) -> None:
    """S39: one active and one next key, whoever asked."""
    worlds[0].clock.move(minutes=31)

    async def rotate(world: World) -> bool:
        services = world.services
        times = key_times(services.settings)
        try:
            async with services.database.transaction() as db:
                await rotate_key(
                    db, services.sealer, services.emitter, alg, times=times, now=world.clock(), actor="cli"
                )
        except Refused:
            return False
        return True

    done = await asyncio.gather(*(rotate(worlds[number % 2]) for number in range(6)))
    assert done.count(True) == 1
    async with worlds[0].services.database.reading() as db:
        states = sorted(key.state for key in await list_keys(db) if key.alg == alg)
    assert states == ["active", "next", "retired"]
