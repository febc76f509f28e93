"""Authenticator apps in the database: sealed, each step once, on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select, text, update

from audit.record import Origin
from base.sealing import SealBroken
from identity.errors import Refused
from identity.factors import totp_store
from identity.factors.registry import MOST_OF_A_KIND, list_factors
from identity.factors.totp import TotpParameters, show_secret
from identity.tables import credentials, single_use
from tests.identity.factors.steps import App, give_app
from tests.world import World

pytestmark = pytest.mark.anyio


async def accept(world: World, person_id: bytes, code: str) -> str | None:
    async with world.services.database.transaction() as db:
        return await totp_store.accept_code(db, world.services, person_id, code, now=world.clock())


async def test_a_step_is_accepted_once_and_no_older_one_after_it(world: World) -> None:
    """S25"""
    person = await world.person()
    app = await give_app(world, person)
    now, next_one = app.code(), app.code(1)
    assert await accept(world, person.id, app.wrong()) == "wrong_code"
    assert await accept(world, person.id, now) is None
    assert await accept(world, person.id, now) == "used_code"
    assert await accept(world, person.id, next_one) is None
    assert await accept(world, person.id, now) == "used_code"
    world.clock.move(seconds=30)
    # One step ahead was used: its own time brings nothing new.
    assert await accept(world, person.id, app.code()) == "used_code"
    world.clock.move(seconds=30)
    assert await accept(world, person.id, app.code()) is None


async def test_the_code_that_confirmed_an_app_signs_nobody_in(world: World) -> None:
    """S25: the confirming step counts as used."""
    person = await world.person()
    app = await give_app(world, person)
    assert await accept(world, person.id, app.code(-1)) == "used_code"
    assert await accept(world, person.id, app.code()) is None


async def test_of_fifty_parallel_copies_of_a_code_one_is_accepted(world: World) -> None:
    """S25, I1"""
    person = await world.person()
    app = await give_app(world, person)
    code = app.code()
    found = await asyncio.gather(*(accept(world, person.id, code) for _ in range(50)))
    assert found.count(None) == 1
    assert set(found) == {None, "used_code"}


async def test_each_of_several_apps_works_by_itself(world: World) -> None:
    person, other = await world.person(), await world.person("grace")
    phone, tablet = await give_app(world, person, label="Phone"), await give_app(world, person, label="Tablet")
    theirs = await give_app(world, other)
    assert await accept(world, person.id, tablet.code()) is None
    assert await accept(world, person.id, phone.code()) is None
    assert await accept(world, person.id, theirs.code()) == "wrong_code"
    async with world.services.database.reading() as db:
        assert [factor.label for factor in await list_factors(db, person.id)] == ["Phone", "Tablet"]


async def test_nobody_has_more_than_ten(world: World) -> None:
    person = await world.person()
    for number in range(MOST_OF_A_KIND):
        await give_app(world, person, label=f"Phone {number}")
    with pytest.raises(Refused, match="ten of these at most"):
        await give_app(world, person, label="One too many")


async def test_secrets_are_sealed_to_their_row(world: World) -> None:
    """S25: nothing of the secret is in the database, and a sealed one that is moved does not open."""
    person, other = await world.person(), await world.person("grace")
    app = await give_app(world, person)
    await give_app(world, other)
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(credentials).where(credentials.c.kind == "totp"))).all()
        stored = repr([tuple(row) for row in rows]).encode() + b"".join(bytes(row.sealed) for row in rows)
    assert app.secret not in stored
    assert show_secret(app.secret).encode() not in stored
    mine, theirs = sorted(rows, key=lambda row: row.person_id != person.id)
    async with world.services.database.transaction() as db:
        await db.execute(update(credentials).where(credentials.c.id == theirs.id).values(sealed=mine.sealed))
    with pytest.raises(SealBroken):
        await accept(world, other.id, app.code())


async def test_a_pending_secret_is_sealed_kept_over_a_reload_and_gone_after_a_quarter_of_an_hour(world: World) -> None:
    """S25"""
    person, services, binding = await world.person(), world.services, b"b" * 32
    async with services.database.transaction() as db:
        first = await totp_store.load_pending(db, services, person.id, binding, now=world.clock())
        again = await totp_store.load_pending(db, services, person.id, binding, now=world.clock())
        elsewhere = await totp_store.load_pending(db, services, person.id, b"c" * 32, now=world.clock())
        stored = repr((await db.execute(select(single_use))).all())
    assert first == again
    assert first.secret != elsewhere.secret
    assert len(first.secret) >= 20
    assert show_secret(first.secret) not in stored
    world.clock.move(minutes=15)
    async with services.database.transaction() as db:
        assert await totp_store.find_pending(db, services, person.id, binding, now=world.clock()) is None
        later = await totp_store.load_pending(db, services, person.id, binding, now=world.clock())
    assert later.secret != first.secret


async def test_a_pending_secret_is_gone_once_it_is_confirmed(world: World) -> None:
    person = await world.person()
    await give_app(world, person)
    async with world.services.database.reading() as db:
        left = await db.execute(text("SELECT count(*) FROM single_use WHERE kind = 'totp_enrol'"))
        assert left.scalar_one() == 0


async def test_an_app_keeps_its_parameters_when_the_setting_changes(world: World) -> None:
    """SHA-256 and eight digits by setting; who enrolled before goes on as before."""
    person = await world.person()
    before = await give_app(world, person)
    changed = replace(world.services.settings, totp_algorithm="SHA256", totp_digits=8)
    after_world = World(replace(world.services, settings=changed), world.app, world.clock)
    after = await give_app(after_world, person, label="New")
    assert after.parameters == TotpParameters("SHA256", 8)
    assert len(after.secret) == 32
    assert (len(before.code()), len(after.code())) == (6, 8)
    assert await accept(after_world, person.id, before.code()) is None
    assert await accept(world, person.id, after.code()[:6]) == "wrong_code"
    assert await accept(world, person.id, f"{after.code()[:4]} {after.code()[4:]}") is None


async def test_a_wrong_code_confirms_nothing(world: World) -> None:
    person, services, binding = await world.person(), world.services, b"b" * 32
    async with services.database.transaction() as db:
        pending = await totp_store.load_pending(db, services, person.id, binding, now=world.clock())
        wrong = App(world, pending.secret, pending.parameters).wrong()
        added = await totp_store.confirm_pending(
            db, services, person.id, pending, wrong, label="x", now=world.clock(), origin=Origin()
        )
        assert added is None
        assert await list_factors(db, person.id) == []
        assert await totp_store.find_pending(db, services, person.id, binding, now=world.clock()) is not None
