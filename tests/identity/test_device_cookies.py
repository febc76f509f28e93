"""Cookies of devices that were replaced: an answer that was lost is forgiven, a copy is found out."""

from __future__ import annotations

import httpx2
import msgspec
import pytest
from sqlalchemy import select, update

from base.secret_values import digest
from identity.device_cookies import LOST_FOR
from identity.device_looks import open_looks
from identity.tables import attempts, devices
from risk.values import Assessment
from tests.identity.forms import sign_in
from tests.identity.mail.letters_read import letters, one_letter
from tests.world import World

pytestmark = pytest.mark.anyio

DEVICE, SESSION = "__Host-ostiary_device", "__Host-ostiary_session"
ELSEWHERE = "203.0.113.200"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15"


async def again(browser: httpx2.AsyncClient, cookie: str | None = None, username: str = "ada") -> str:
    """Signs in anew, with this device cookie where one is given; returns the cookie that the browser has then."""
    browser.cookies.delete(SESSION) if SESSION in browser.cookies else None
    if cookie is not None:
        browser.cookies.set(DEVICE, cookie, domain="id.example.com")
    await sign_in(browser, username)
    return browser.cookies[DEVICE]


async def live_devices(world: World) -> list[bytes]:
    """The digests of the cookies of all devices that are not revoked."""
    async with world.services.database.reading() as db:
        query = select(devices.c.cookie_digest).where(devices.c.revoked_at.is_(None)).order_by(devices.c.id)
        return [bytes(each) for each in (await db.execute(query)).scalars()]


async def last_signals(world: World) -> set[str]:
    """What the last assessment found."""
    async with world.services.database.reading() as db:
        query = select(attempts.c.assessment).order_by(attempts.c.created_at.desc(), attempts.c.id.desc()).limit(1)
        found = msgspec.convert((await db.execute(query)).scalar_one(), Assessment)
    return {each.signal for each in found.reasons}


async def test_a_lost_answer_costs_the_person_nothing(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        first = await again(browser)
        unseen = await again(browser)
        world.clock.move(minutes=9)
        third = await again(browser, first)
        assert len({first, unseen, third}) == 3
        assert "device_cloned" not in await last_signals(world)
        assert await live_devices(world) == [digest(third)]
        await again(browser)
    assert len(await world.events("device.added")) == 1
    assert await world.events("device.cloned") == []
    assert [event["data"]["new_device"] for event in await world.events("login.succeeded")] == [  # type: ignore[index]
        *(True, False, False, False)
    ]


async def test_the_minutes_for_a_lost_answer_are_counted_once(world: World) -> None:
    """Whoever loses one answer after the other does not keep an old cookie alive for ever."""
    await world.person()
    async with world.browser() as browser:
        first = await again(browser)
        await again(browser)
        world.clock.move(minutes=6)
        await again(browser, first)
        world.clock.move(minutes=6)
        await again(browser, first)
    assert len(await world.events("device.cloned")) == 1


@pytest.mark.parametrize("how", ["late", "elsewhere", "other browser", "stray"])
async def test_a_copied_cookie_is_found_out(world: World, how: str) -> None:
    """S33: a copy of a cookie is worth one sign-in at most, and everybody hears of it."""
    person = await world.person()
    async with (
        world.browser(address=ELSEWHERE if how == "elsewhere" else "198.51.100.7") as thief,
        world.browser() as own,
    ):
        first = await again(own)
        held = await again(own)
        if how == "stray":
            await again(own, first)
            first = held
        world.clock.move(seconds=LOST_FOR.total_seconds() + 1 if how == "late" else 60)
        if how == "other browser":
            thief.headers["user-agent"] = SAFARI
        thief.cookies.set(DEVICE, first, domain="id.example.com")
        await sign_in(thief)
    assert "device_cloned" in await last_signals(world)
    (cloned,) = await world.events("device.cloned")
    assert (cloned["severity"], cloned["data"]) == ("HIGH", {"effect": "revoked"})
    letter = await one_letter(world, "device_cloned")
    assert "may have been copied" in letter.subject
    assert letter.link("not_me")
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(devices).where(devices.c.person_id == person.id).order_by(devices.c.id))).all()
    assert rows[0].revoked_at is not None
    assert rows[0].trusted_until is None
    assert cloned["device"] == bytes(rows[0].id).hex()


async def test_the_owner_of_a_copied_cookie_gets_a_new_device(world: World) -> None:
    await world.person()
    async with world.browser() as own:
        first = await again(own)
        await again(own)
        world.clock.move(days=1)
        own.cookies.set(DEVICE, first, domain="id.example.com")
        await again(own)
        for _ in range(2):
            await again(own)
    assert len(await world.events("device.cloned")) == 1
    assert len(await live_devices(world)) == 1


async def test_a_copied_cookie_is_revoked_for_everybody_who_is_known_by_it(world: World) -> None:
    for name in ("ada", "eve"):
        await world.person(name)
    async with world.browser() as shared:
        await again(shared)
        first = await again(shared, username="eve")
        held = await again(shared)
        assert await live_devices(world) == [digest(held)] * 2
        world.clock.move(days=1)
        await again(shared, first, "eve")
    assert len(await world.events("device.cloned")) == 2
    told = {letter.to for letter in await letters(world, "device_cloned")}
    assert told == {"ada@example.com", "eve@example.com"}


async def test_people_who_share_a_browser_lose_an_answer_together(world: World) -> None:
    for name in ("ada", "eve"):
        await world.person(name)
    async with world.browser() as shared:
        await again(shared)
        first = await again(shared, username="eve")
        await again(shared)
        held = await again(shared, first, "eve")
        assert await live_devices(world) == [digest(held)] * 2
        await again(shared, username="eve")
    assert await world.events("device.cloned") == []
    assert len(await world.events("device.added")) == 2


async def test_a_device_of_an_older_installation_goes_on(world: World) -> None:
    """Its row knows no earlier cookie and no looks."""
    await world.person()
    async with world.browser() as browser:
        first = await again(browser)
        async with world.services.database.transaction() as db:
            await db.execute(update(devices).values(previous_digest=None, rotated_at=None, looks=None))
        await again(browser)
        world.clock.move(minutes=1)
        await again(browser, first)
    assert len(await world.events("device.added")) == 1
    assert await world.events("device.cloned") == []


async def test_looks_are_sealed(world: World) -> None:
    """S33: what is kept of a browser cannot be read in the row, nor moved to another one."""
    await world.person()
    async with world.browser() as browser:
        await again(browser)
    async with world.services.database.reading() as db:
        row = (await db.execute(select(devices))).one()
    assert b"Firefox" not in bytes(row.looks)
    seen = open_looks(world.services.sealer, bytes(row.id), bytes(row.looks))
    assert seen is not None
    assert seen.browser is not None
    assert seen.browser.family == "Firefox"
    assert open_looks(world.services.sealer, b"0" * 16, bytes(row.looks)) is None
