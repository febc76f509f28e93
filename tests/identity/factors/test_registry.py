"""What the account's pages do with factors."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from audit.record import Origin
from base.tables import outbox
from identity.errors import Refused
from identity.factors.registry import (
    Factor,
    count_codes_left,
    list_factors,
    parse_label,
    remove_factor,
    rename_factor,
)
from identity.person_values import Person
from identity.tables import devices
from tests.identity.factors.steps import give_app, give_codes, send_code, to_second_step
from tests.world import World


@pytest.mark.parametrize(
    ("typed", "label"), [("  My\tphone ", "My phone"), ("", "App"), ("   ", "App"), ("Ünï ☎", "Ünï ☎")]
)
def test_a_name_is_one_line_of_what_can_be_read(typed: str, label: str) -> None:
    assert parse_label(typed, otherwise="App") == label


@pytest.mark.parametrize("typed", ["x" * 65, "a\x00b", "a\u202eb", "a\x1b[31mb"])
def test_other_names_are_refused(typed: str) -> None:
    """S46"""
    with pytest.raises(Refused, match="at most 64 characters"):
        parse_label(typed, otherwise="App")


async def factors_of(world: World, person: Person) -> list[Factor]:
    async with world.services.database.reading() as db:
        return await list_factors(db, person.id)


async def remove(world: World, person: Person, factor_id: bytes) -> bool:
    async with world.services.database.transaction() as db:
        return await remove_factor(
            db, world.services, person.id, factor_id, why="asked", now=world.clock(), origin=Origin()
        )


async def codes_left(world: World, person: Person) -> int:
    async with world.services.database.reading() as db:
        return await count_codes_left(db, person.id)


@pytest.mark.anyio
async def test_backup_codes_go_with_the_last_factor(world: World) -> None:
    person = await world.person()
    await give_app(world, person, label="Phone")
    await give_app(world, person, label="Tablet")
    await give_codes(world, person)
    phone, tablet = await factors_of(world, person)
    assert await remove(world, person, phone.id)
    assert await codes_left(world, person) == 10
    assert not await remove(world, person, phone.id)
    assert await remove(world, person, tablet.id)
    assert await codes_left(world, person) == 0
    removed = await world.events("mfa.removed")
    assert [event["data"] for event in removed] == [
        {"method": "totp", "credential": f"fac_{factor.id.hex()}", "why": "asked"} for factor in (phone, tablet)
    ]
    async with world.services.database.reading() as db:
        told = (await db.execute(select(outbox.c.id).where(outbox.c.kind == "factor_removed"))).all()
    assert len(told) == 2
    async with world.browser() as http:
        assert (await to_second_step(world, http)).url == "https://id.example.com/", "a password is enough again"


@pytest.mark.anyio
async def test_two_removals_at_once_leave_no_backup_codes_behind(world: World) -> None:
    """I1"""
    person = await world.person()
    await give_app(world, person, label="Phone")
    await give_app(world, person, label="Tablet")
    await give_codes(world, person)
    found = await factors_of(world, person)
    done = await asyncio.gather(*(remove(world, person, factor.id) for factor in (*found, *found)))
    assert done.count(True) == 2
    assert await codes_left(world, person) == 0


@pytest.mark.anyio
async def test_removing_a_factor_forgets_remembered_browsers(world: World) -> None:
    """S28"""
    person = await world.person()
    app = await give_app(world, person)
    await give_app(world, person, label="Tablet")
    async with world.browser() as http:
        await send_code(http, await to_second_step(world, http), app.code(), remember="yes")
        async with world.services.database.transaction() as db:
            trusted = update(devices).where(devices.c.trusted_until.is_not(None)).returning(devices.c.id)
            assert len((await db.execute(trusted.values(version=devices.c.version + 1))).all()) == 1
        [phone, _] = await factors_of(world, person)
        await remove(world, person, phone.id)
    async with world.services.database.reading() as db:
        assert (await db.execute(select(devices.c.trusted_until))).scalars().all() == [None]
    assert [event["data"] for event in await world.events("device.forgotten")] == [{"why": "factor_removed"}]


@pytest.mark.anyio
async def test_nobody_renames_or_removes_what_is_somebody_elses(world: World) -> None:
    ada, grace = await world.person(), await world.person("grace")
    await give_app(world, ada)
    [factor] = await factors_of(world, ada)
    assert not await remove(world, grace, factor.id)
    async with world.services.database.transaction() as db:
        services, now = world.services, world.clock()
        assert not await rename_factor(db, services, grace.id, factor.id, "Mine", now=now, origin=Origin())
        assert await rename_factor(db, services, ada.id, factor.id, "Old phone", now=now, origin=Origin())
    assert [factor.label for factor in await factors_of(world, ada)] == ["Old phone"]
    assert len(await world.events("mfa.renamed")) == 1
    assert await world.events("mfa.removed") == []
