"""The list of devices: what is told of each, naming, trusting, and what removing one ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from base.ids import DEVICE, show_id
from base.secret_values import digest
from identity.device_looks import open_looks, seal_looks
from identity.tables import devices
from risk.place import Place
from tests.identity.account.own_pages import Own, at_own_pages, give_factor, said
from tests.identity.forms import sign_in, words_of
from tests.world import World

pytestmark = pytest.mark.anyio

COOKIE = "__Host-ostiary_device"


async def device_of(own: Own) -> bytes:
    """The id of the device that this session is on."""
    async with own.world.services.database.reading() as db:
        query = select(devices.c.id).where(devices.c.person_id == own.person.id).order_by(devices.c.id.desc())
        return bytes((await db.execute(query)).scalars().first() or b"")


async def test_a_device_says_what_it_is_where_and_when_it_was_seen(world: World) -> None:
    person = await world.person()
    async with world.browser() as elsewhere, at_own_pages(world, person) as own:
        await sign_in(elsewhere)
        seen = await device_of(own)
        async with world.services.database.transaction() as db:
            row = (await db.execute(select(devices.c.looks).where(devices.c.id == seen))).one()
            looks = open_looks(world.services.sealer, seen, row.looks)
            assert looks is not None
            placed = replace(looks, place=Place(country="GB", city="Leeds"))
            sealed = seal_looks(world.services.sealer, seen, placed)
            later = {"looks": sealed, "trusted_until": world.clock()}
            await db.execute(update(devices).where(devices.c.id == seen).values(**later))
        words = words_of(await own.get("/devices"))
    assert words.count("This device") == 1
    assert "Firefox on Linux" in words
    assert "Leeds, United Kingdom" in words
    assert "known since" in words
    assert "second factor" not in words


async def test_a_device_gets_a_name_of_printable_characters(world: World) -> None:
    async with at_own_pages(world) as own:
        shown = show_id(DEVICE, await device_of(own))
        answer = await own.send("/devices", action="rename", device=shown, name="  The  old laptop ")
        assert said(answer) == "/account/devices?done=renamed"
        assert "The old laptop" in words_of(await own.get("/devices"))
        for bad, fault in (
            ("x" * 65, "at most 64 characters"),
            ("a\u2028b\x07", "printable text"),
            ("  ", "filled in"),
        ):
            answer = await own.send("/devices", action="rename", device=shown, name=bad)
            assert answer.status_code == 400
            assert fault in words_of(answer)
    (renamed,) = await world.events("device.renamed")
    assert renamed["device"] == shown.removeprefix(DEVICE)


async def test_a_name_is_shown_as_text_alone(world: World) -> None:
    """S49"""
    async with at_own_pages(world) as own:
        shown = show_id(DEVICE, await device_of(own))
        await own.send("/devices", action="rename", device=shown, name='"><script>alert(1)</script>')
        page = await own.get("/devices")
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


async def test_only_this_browser_is_trusted_and_only_after_a_second_factor(world: World) -> None:
    """S29, S33"""
    person = await world.person()
    async with at_own_pages(world, person) as plain:
        shown = show_id(DEVICE, await device_of(plain))
        # Without a second factor there is nothing to stand in for.
        assert (await plain.send("/devices", action="trust", device=shown)).status_code == 404
    await give_factor(world, person)
    async with at_own_pages(world, person, methods=("pwd", "totp")) as own:
        this = await device_of(own)
        assert (await own.send("/devices", action="trust", device=shown)).status_code == 404
        answer = await own.send("/devices", action="trust", device=show_id(DEVICE, this))
        assert said(answer) == "/account/devices?done=trusted"
        assert "Stands in for the second factor until" in words_of(await own.get("/devices"))
        async with world.services.database.reading() as db:
            row = (await db.execute(select(devices).where(devices.c.id == this))).one()
        assert row.trusted_until is not None
        assert row.cookie_digest == digest(own.browser.cookies[COOKIE])
        assert said(await own.send("/devices", action="forget", device=show_id(DEVICE, this))).endswith("forgotten")
        world.clock.move(minutes=20)
        answer = await own.send("/devices", action="trust", device=show_id(DEVICE, this))
        assert said(answer) == "/signin"
    assert len(await world.events("device.remembered")) == 1
    assert len(await world.events("device.forgotten")) == 1


async def test_removing_a_device_signs_it_out_and_forgets_its_cookie(world: World) -> None:
    """S18, S32"""
    person = await world.person()
    async with at_own_pages(world, person) as own, world.browser() as other:
        await sign_in(other)
        cookie, seen = other.cookies[COOKIE], await device_of(own)
        answer = await own.send("/devices", action="remove", device=show_id(DEVICE, seen))
        assert said(answer) == "/account/devices?done=removed"
        assert await own.is_in()
        assert (await other.get("/account")).status_code == 303
        assert (await own.send("/devices", action="remove", device=show_id(DEVICE, seen))).status_code == 404
        await sign_in(other)
        assert other.cookies[COOKIE] != cookie
        new = [event["data"]["new_device"] for event in await world.events("login.succeeded")]  # type: ignore[index]
        assert new == [True, True]
    (removed,) = await world.events("device.removed")
    assert (removed["device"], removed["data"]) == (seen.hex(), {"why": "by_person"})


async def test_removing_this_device_signs_out(world: World) -> None:
    async with at_own_pages(world) as own:
        answer = await own.send("/devices", action="remove", device=show_id(DEVICE, await device_of(own)))
        assert said(answer) == "/"
        assert not await own.is_in()


async def test_nobody_touches_the_device_of_another_person(world: World) -> None:
    bob = await world.person("bob")
    async with at_own_pages(world, bob) as others, at_own_pages(world) as own:
        theirs = show_id(DEVICE, await device_of(others))
        before = await world.events()
        for action in ("rename", "trust", "forget", "remove", "steal"):
            for device in (theirs, "dev_", "' OR 1=1 --"):
                answer = await own.send("/devices", action=action, device=device, name="mine")
                assert answer.status_code == 404, (action, device)
        assert await world.events() == before
