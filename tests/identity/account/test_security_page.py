"""Factors, backup codes and remembered browsers as their owner sees and changes them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from base.ids import DEVICE, show_id
from identity.factors.registry import FACTOR
from identity.tables import credentials, devices
from tests.identity.account.furnished import furnish
from tests.identity.account.own_pages import Own, at_own_pages, give_factor, said
from tests.identity.forms import words_of
from tests.world import World

pytestmark = pytest.mark.anyio


async def _labels(own: Own) -> list[str]:
    async with own.world.services.database.reading() as db:
        query = select(credentials.c.label).where(credentials.c.label.is_not(None)).order_by(credentials.c.label)
        return list((await db.execute(query)).scalars())


async def test_everything_that_guards_the_account_is_listed(world: World) -> None:
    person = await world.person()
    await furnish(world, person)
    async with at_own_pages(world, person) as own:
        words = words_of(await own.get("/security"))
        for expected in (
            "Laptop in the study Kept in step by its maker", "Blue key on the ring", "Phone", "Added on",
            "3 codes are left of the set", "Make new ones", "Mobile Safari on iOS", "until",
        ):  # fmt: skip
            assert expected in words
        for path in ("/enrol/totp", "/enrol/passkey", "/enrol/backup-codes"):
            assert f'href="{path}"' in (await own.get("/security")).text


async def test_a_factor_gets_another_name(world: World) -> None:
    person = await world.person()
    shown = show_id(FACTOR, await give_factor(world, person))
    async with at_own_pages(world, person) as own:
        answer = await own.send("/security", action="rename", factor=shown, label="  Old   phone ")
        assert said(answer) == "/account/security?done=renamed"
        assert await _labels(own) == ["Old phone"]
        for label, words in (("x" * 65, "at most 64 characters"), ("", "must be filled in"), ("a\u202eb", "printable")):
            page = await own.send("/security", action="rename", factor=shown, label=label)
            assert page.status_code == 400
            assert words in words_of(page)
        assert await _labels(own) == ["Old phone"]
    (event,) = await world.events("mfa.renamed")
    assert event["data"] == {"method": "totp", "credential": shown}


async def test_removing_a_factor_takes_it_away(world: World) -> None:
    person = await world.person()
    shown = show_id(FACTOR, await give_factor(world, person))
    async with at_own_pages(world, person, methods=("pwd", "totp")) as own:
        answer = await own.send("/security", action="remove", factor=shown)
        assert said(answer) == "/account/security?done=removed"
        assert await _labels(own) == []
        assert (await own.send("/security", action="remove", factor=shown)).status_code == 404
    (event,) = await world.events("mfa.removed")
    assert event["data"] == {"method": "totp", "credential": shown, "why": "by_person"}


async def test_a_factor_is_not_removed_by_the_password_alone(world: World) -> None:
    """S29: whoever stole the password could take away what it does not open."""
    person = await world.person()
    shown = show_id(FACTOR, await give_factor(world, person))
    async with at_own_pages(world, person) as own:
        assert said(await own.send("/security", action="remove", factor=shown)) == "/signin"
        assert await _labels(own) == ["Phone"]


async def test_nobody_touches_what_belongs_to_another_person(world: World) -> None:
    bob = await world.person("bob")
    factor = show_id(FACTOR, await give_factor(world, bob, label="Bob's phone"))
    async with at_own_pages(world) as own, at_own_pages(world, bob):
        async with world.services.database.transaction() as db:
            later = world.clock() + timedelta(days=1)
            await db.execute(update(devices).where(devices.c.person_id == bob.id).values(trusted_until=later))
            device = (await db.execute(select(devices.c.id).where(devices.c.person_id == bob.id))).scalar_one()
        before = await world.events()
        for fields in (
            {"action": "rename", "factor": factor, "label": "mine"},
            {"action": "remove", "factor": factor},
            {"action": "forget", "device": show_id(DEVICE, device)},
            {"action": "forget_all"},
            {"action": "remove", "factor": "fac_'; DROP TABLE people; --"},
            {"action": "forget", "device": factor},
            {"action": "rename", "label": "x"},
            {"action": "format"},
            {},
        ):
            assert (await own.send("/security", **fields)).status_code == 404, fields
        assert await world.events() == before
        assert await _labels(own) == ["Bob's phone"]


async def test_remembered_browsers_are_forgotten_one_by_one_or_all(world: World) -> None:
    person = await world.person()
    async with at_own_pages(world, person) as own, at_own_pages(world, person), at_own_pages(world, person):
        async with world.services.database.transaction() as db:
            await db.execute(update(devices).values(trusted_until=world.clock() + timedelta(days=1)))
            first = (await db.execute(select(devices.c.id).limit(1))).scalar_one()
        fields = {"action": "forget", "device": show_id(DEVICE, first)}
        assert said(await own.send("/security", **fields)) == "/account/security?done=forgotten"
        assert len(await world.events("device.forgotten")) == 1
        assert (await own.send("/security", **fields)).status_code == 404
        assert said(await own.send("/security", action="forget_all")) == "/account/security?done=forgotten"
    events = await world.events("device.forgotten")
    assert [event["data"] for event in events] == [{"why": "by_person"}] * 3
