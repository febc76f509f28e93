"""Deleting one's account: asked for, taken back, and what is gone when the grace is over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from identity.account.deletion import delete_due_people
from identity.accounts import find_person, load_person, set_person_state
from identity.tables import backup_codes, consents, credentials, devices, emails
from tests.identity.account.furnished import furnish
from tests.identity.account.own_pages import Own, at_own_pages, said
from tests.identity.forms import sign_in, words_of
from tests.world import World

pytestmark = pytest.mark.anyio


async def _ask(own: Own) -> str:
    return said(await own.send("/delete", sure="yes"))


async def test_the_wish_is_noted_and_everything_works_until_then(world: World) -> None:
    async with at_own_pages(world) as own:
        assert await _ask(own) == "/account?done=deletion"
        words = words_of(await own.get("?done=deletion"))
        assert "Your account will be deleted on" in words
        assert "Keep my account" in words
        world.clock.move(days=13)
        assert await delete_due_people(world.services, now=world.clock()) == 0
        async with world.browser() as browser:
            assert (await sign_in(browser)).status_code == 303
    (event,) = await world.events("admin.deletion_asked")
    grace = world.services.settings.delete_grace
    assert grace == timedelta(days=14)
    assert isinstance(event["data"], dict)
    assert abs(event["data"]["at"] - event["at"] / 1e6 - grace.total_seconds()) < 2  # type: ignore[operator]


async def test_without_the_tick_nothing_is_asked(world: World) -> None:
    async with at_own_pages(world) as own:
        page = await own.send("/delete")
        assert page.status_code == 400
        assert "Tick the box if you are sure." in words_of(page)
    assert await world.events("admin.deletion_asked") == []


async def test_asking_twice_does_not_put_it_off(world: World) -> None:
    async with at_own_pages(world) as own:
        await _ask(own)
        world.clock.move(minutes=5)
        await _ask(own)
    assert len(await world.events("admin.deletion_asked")) == 1


async def test_the_wish_can_be_taken_back(world: World) -> None:
    async with at_own_pages(world) as own:
        await _ask(own)
        assert said(await own.send("")) == "/account?done=kept"
        assert "will be deleted" not in words_of(await own.get())
        world.clock.move(days=15)
        assert await delete_due_people(world.services, now=world.clock()) == 0
    assert len(await world.events("admin.deletion_undone")) == 1


async def test_when_the_grace_is_over_nothing_personal_is_left(world: World) -> None:
    """S18: every session and token ends at once."""
    person = await world.person()
    client = await world.client()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    await furnish(world, person)
    async with at_own_pages(world, person, methods=("pwd", "totp")) as own:
        await _ask(own)
    async with at_own_pages(world, person) as own:
        world.clock.move(days=14, seconds=1)
        assert await delete_due_people(world.services, now=world.clock()) == 1
        assert await delete_due_people(world.services, now=world.clock()) == 0
        assert not await own.is_in()
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 400
    async with world.browser() as browser:
        assert (await sign_in(browser)).status_code == 403
    async with world.services.database.reading() as db:
        gone = await load_person(db, person.id)
        assert (gone.state, gone.username, gone.profile, gone.emails) == ("deleted", None, {}, ())
        for table in (credentials, devices, emails, consents, backup_codes):
            assert (await db.execute(select(func.count()).select_from(table))).scalar_one() == 0, table.name
    (event,) = await world.events("admin.person_state_changed")
    assert event["data"] == {"before": "active", "after": "deleted"}
    assert event["actor"] == "system"
    # The name is free again.
    assert (await world.person()).sub != person.sub


async def test_two_processes_delete_an_account_once(world: World) -> None:
    async with at_own_pages(world) as own:
        await _ask(own)
    world.clock.move(days=15)
    now = world.clock()
    gone = await asyncio.gather(*(delete_due_people(world.services, now=now) for _ in range(4)))
    assert sum(gone) == 1
    assert len(await world.events("admin.person_state_changed")) == 1


async def test_the_only_administrator_cannot_ask(world: World) -> None:
    """S43"""
    async with at_own_pages(world, await world.person(admin=True)) as own:
        page = await own.send("/delete", sure="yes")
        assert page.status_code == 400
        assert "You are the only administrator." in words_of(page)
    assert await world.events("admin.deletion_asked") == []


async def test_who_became_the_only_administrator_meanwhile_stays(world: World) -> None:
    """S43"""
    ada, bob = await world.person(admin=True), await world.person("bob", admin=True)
    async with at_own_pages(world, ada) as own:
        await _ask(own)
    async with world.services.database.transaction() as db:
        await set_person_state(db, world.services, bob.id, "disabled", now=world.clock(), actor="cli")
    world.clock.move(days=15)
    assert await delete_due_people(world.services, now=world.clock()) == 0
    async with world.services.database.reading() as db:
        kept = await find_person(db, ada.id)
    assert kept is not None
    assert kept.state == "active"
    (event,) = await world.events("admin.deletion_undone")
    assert event["actor"] == "system"


async def test_a_disabled_person_is_deleted_all_the_same(world: World) -> None:
    async with at_own_pages(world) as own:
        await _ask(own)
    async with world.services.database.transaction() as db:
        await set_person_state(db, world.services, own.person.id, "disabled", now=world.clock(), actor="cli")
    world.clock.move(days=15)
    assert await delete_due_people(world.services, now=world.clock()) == 1
