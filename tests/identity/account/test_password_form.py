"""Changing one's own password: what must be proven for it, and what ends by it."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from sqlalchemy import update

from identity.tables import devices
from tests.identity.account.own_pages import COOKIE, Own, at_own_pages, give_factor, said
from tests.identity.forms import SAME_ORIGIN, sign_in, words_of
from tests.world import PASSWORD, World

pytestmark = pytest.mark.anyio

NEW = "seven green ladders 4 the moon"


async def _change(own: Own, current: str = PASSWORD, new: str = NEW, again: str | None = None) -> httpx2.Response:
    fields = {"current": current, "password": new, "password_repeat": new if again is None else again}
    return await own.send("/security", to="/security/password", **fields)


async def test_the_new_password_works_and_the_old_one_does_not(world: World) -> None:
    async with at_own_pages(world) as own, world.browser() as browser:
        assert said(await _change(own)) == "/account/security?done=password"
        assert "Your password is changed." in words_of(await own.get("/security?done=password"))
        assert (await sign_in(browser)).status_code == 403
        assert (await sign_in(browser, password=NEW)).status_code == 303
    *_, event = await world.events("password.set")
    assert event["data"] == {"why": "changed"}
    assert event["actor"] == event["subject"]


async def test_every_other_session_and_offline_grant_ends_and_this_one_has_a_new_cookie(world: World) -> None:
    """S17, S32"""
    person = await world.person()
    client = await world.client()
    offline = await world.tokens(client, person, scope="openid offline_access")
    async with at_own_pages(world, person) as own, at_own_pages(world, person) as other:
        bound = await world.redeem(client, await world.authorize(own.browser, client))
        old = own.browser.cookies[COOKIE]
        await _change(own)
        assert own.browser.cookies[COOKIE] != old
        assert [await own.is_in(), await other.is_in()] == [True, False]
        own.browser.cookies.set(COOKIE, old, domain="id.example.com")
        assert not await own.is_in()
    assert (await world.refresh(client, offline["refresh_token"])).status_code == 400
    # What lives under the session that goes on goes on.
    assert (await world.userinfo(bound.json()["access_token"])).status_code == 200


async def test_remembered_browsers_are_forgotten(world: World) -> None:
    """S28"""
    async with at_own_pages(world) as own:
        async with world.services.database.transaction() as db:
            await db.execute(update(devices).values(trusted_until=world.clock()))
        await _change(own)
    (event,) = await world.events("device.forgotten")
    assert event["data"] == {"why": "password_changed"}


async def test_a_wrong_current_password_changes_nothing_and_is_counted(world: World) -> None:
    """S23, S29: the same counter as at a sign-in from this browser."""
    object.__setattr__(world.services.settings, "refusal_deadline", world.services.settings.refusal_deadline * 0)
    async with at_own_pages(world) as own:
        for _ in range(5):
            page = await _change(own, current="wrong wrong wrong")
            assert page.status_code == 400
            assert "This is not your current password" in words_of(page)
            assert NEW not in page.text
        # The door is closed now: the right one is not even looked at.
        assert (await _change(own)).status_code == 400
        assert await own.is_in()
    assert len(await world.events("login.failed")) == 5
    assert len(await world.events("lockout.started")) == 1
    assert [event["data"] for event in await world.events("password.set")] == [{"why": "created"}]


@pytest.mark.parametrize(
    ("current", "new", "again", "words"),
    [
        (PASSWORD, "short", "short", "at least 12 characters"),
        (PASSWORD, NEW, NEW + "!", "The two passwords are not the same."),
        (PASSWORD, "ada byron ada byron", "ada byron ada byron", "contains your name"),
        ("", NEW, NEW, "must be filled in"),
        (PASSWORD, "", "", "at least 12 characters"),
    ],
)
async def test_a_fault_is_named_at_its_field_and_nothing_is_shown_again(
    world: World, current: str, new: str, again: str, words: str
) -> None:
    """S20, S46"""
    async with at_own_pages(world) as own:
        page = await _change(own, current, new, again)
        assert page.status_code == 400
        assert words in words_of(page)
        for typed in (PASSWORD, NEW):
            assert typed not in page.text
    assert len(await world.events("password.set")) == 1


async def test_with_a_second_factor_the_password_alone_is_not_enough(world: World) -> None:
    """S29"""
    person = await world.person()
    await give_factor(world, person)
    async with at_own_pages(world, person) as own:
        assert said(await _change(own)) == "/signin"
    async with at_own_pages(world, person, methods=("pwd", "totp")) as own:
        assert said(await _change(own)) == "/account/security?done=password"


async def test_who_has_no_password_sets_one_after_a_fresh_proof(world: World) -> None:
    """S29"""
    person = await world.person(password=None)
    fields = {"password": NEW, "password_repeat": NEW}
    async with at_own_pages(world, person, methods=("passkey",)) as own:
        assert "Set a password" in words_of(await own.get("/security"))
        token = await own.token("/security")
        world.clock.move(minutes=11)
        form = {**fields, "form_token": token}
        answer = await own.browser.post("/account/security/password", data=form, headers=SAME_ORIGIN)
        assert said(answer) == "/signin"
        world.clock.move(minutes=-11)
        answer = await own.send("/security", to="/security/password", **fields)
        assert said(answer) == "/account/security?done=password"
    (event,) = await world.events("password.set")
    assert event["data"] == {"why": "added"}


async def test_two_changes_at_once_do_not_both_win(world: World) -> None:
    async with at_own_pages(world) as own:
        token = await own.token("/security")
        news = [f"{NEW} {number}" for number in range(2)]
        forms = [{"form_token": token, "current": PASSWORD, "password": new, "password_repeat": new} for new in news]
        send = own.browser.post
        answers = await asyncio.gather(
            *(send("/account/security/password", data=form, headers=SAME_ORIGIN) for form in forms)
        )
    assert sorted(answer.status_code for answer in answers)[0] == 303
    assert len(await world.events("password.set")) == 2
