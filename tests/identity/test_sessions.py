"""Sessions: limits that the database enforces, and cookies that open nothing but what they were made for."""

from __future__ import annotations

import httpx2
import pytest
from sqlalchemy import select, update

from base.ids import SESSION, show_id
from identity.tables import sessions
from tests.identity.forms import sign_in, words_of
from tests.world import World

pytestmark = pytest.mark.anyio

COOKIE = "__Host-ostiary_session"


async def _is_in(browser: httpx2.AsyncClient) -> bool:
    return "You are signed in" in words_of(await browser.get("/"))


async def test_a_session_ends_after_half_an_hour_without_use(world: World) -> None:
    """S32: the idle limit; use puts it off."""
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        for _ in range(3):
            world.clock.move(minutes=29)
            assert await _is_in(browser)
        world.clock.move(minutes=30, seconds=1)
        assert not await _is_in(browser)


async def test_a_session_ends_after_a_day_however_much_it_is_used(world: World) -> None:
    """S32: the absolute limit."""
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        for _ in range(57):
            world.clock.move(minutes=25)
            assert await _is_in(browser)
        world.clock.move(minutes=16)
        assert not await _is_in(browser)


async def test_signing_in_again_begins_a_new_day_under_a_new_cookie(world: World) -> None:
    """S17: the old cookie opens nothing any more."""
    person = await world.person()
    client = await world.client()
    async with world.browser() as browser, world.browser() as thief:
        await sign_in(browser)
        thief.cookies.set(COOKIE, browser.cookies[COOKIE], domain="id.example.com")
        assert await _is_in(thief)
        world.clock.move(minutes=20)
        await browser.get(world.authorize_url(client, prompt="login"))
        await sign_in(browser)
        assert await _is_in(browser)
        assert not await _is_in(thief)
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(sessions).where(sessions.c.person_id == person.id))).all()
    assert len(rows) == 1
    assert rows[0].expires_at - rows[0].auth_time == world.services.settings.session_absolute
    assert rows[0].auth_time > rows[0].created_at


async def test_only_the_exact_cookie_opens_a_session(world: World) -> None:
    """S16, S31: nothing made from it, and neither its public id nor its digest."""
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        cookie = browser.cookies[COOKIE]
    async with world.services.database.reading() as db:
        row = (await db.execute(select(sessions))).one()
    assert cookie.encode() not in row.digest
    variants = [
        cookie[:-1],
        cookie + "A",
        cookie + "=",
        cookie.swapcase(),
        cookie.replace("ock_", ""),
        "ock_" + row.id.hex(),
        show_id(SESSION, row.id),
        row.digest.hex(),
        "",
    ]
    for variant in variants:
        async with world.browser() as browser:
            browser.cookies.set(COOKIE, variant, domain="id.example.com")
            assert not await _is_in(browser), variant


async def test_use_is_written_down_at_most_once_a_minute(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)

        async def last_seen() -> object:
            async with world.services.database.reading() as db:
                return (await db.execute(select(sessions.c.last_seen_at))).scalar_one()

        at_first = await last_seen()
        world.clock.move(seconds=30)
        await browser.get("/")
        assert await last_seen() == at_first
        world.clock.move(seconds=31)
        await browser.get("/")
        assert await last_seen() != at_first


async def test_an_ended_session_is_not_revived_by_use(world: World) -> None:
    """S18, I2"""
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        async with world.services.database.transaction() as db:
            await db.execute(update(sessions).values(ended_at=world.clock(), ended_why="test"))
        world.clock.move(minutes=2)
        assert not await _is_in(browser)
        assert (await sign_in(browser)).status_code == 303
        assert await _is_in(browser)
    assert len(await world.events("session.started")) == 2


async def test_a_session_cookie_is_no_flow_cookie_and_the_other_way_round(world: World) -> None:
    """S5: a value of one kind is tried in the place of every other kind."""
    await world.person()
    async with world.browser() as browser, world.browser() as other:
        await sign_in(browser)
        for name in ("__Host-ostiary_flow", "__Host-ostiary_device"):
            other.cookies.set(name, browser.cookies[COOKIE], domain="id.example.com")
        other.cookies.set(COOKIE, browser.cookies["__Host-ostiary_device"], domain="id.example.com")
        assert not await _is_in(other)
        page = await other.get("/consent")
        assert page.status_code == 400
