"""Devices: browsers that are recognised, and cookies that nobody can plant or compute."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select, update

from base.secret_values import COOKIE, new_secret
from identity.browser_labels import label_of
from identity.tables import devices
from tests.identity.forms import sign_in
from tests.world import World

pytestmark = pytest.mark.anyio

DEVICE = "__Host-ostiary_device"
SESSION = "__Host-ostiary_session"


async def test_a_browser_is_new_once(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        cookie = browser.cookies[DEVICE]
        browser.cookies.delete(SESSION)
        world.clock.move(minutes=5)
        await sign_in(browser)
        # The cookie is another one, so that a copy of the old one would show.
        assert browser.cookies[DEVICE] != cookie
    new = [event["data"]["new_device"] for event in await world.events("login.succeeded")]  # type: ignore[index]
    assert new == [True, False]
    assert len(await world.events("device.added")) == 1
    async with world.services.database.reading() as db:
        row = (await db.execute(select(devices))).one()
    assert row.label == "Firefox on Linux"
    assert row.last_seen_at > row.created_at


async def test_two_people_may_share_a_browser(world: World) -> None:
    for name in ("ada", "eve"):
        await world.person(name)
    async with world.browser() as browser:
        for name in ("ada", "eve", "ada", "eve"):
            browser.cookies.delete(SESSION) if SESSION in browser.cookies else None
            await sign_in(browser, name)
    assert len(await world.events("device.added")) == 2


async def test_a_planted_cookie_is_replaced(world: World) -> None:
    """S33: whoever plants a cookie that we never gave away would know it."""
    await world.person()
    planted = new_secret(COOKIE)
    async with world.browser() as browser:
        browser.cookies.set(DEVICE, planted, domain="id.example.com")
        response = await sign_in(browser)
        given = [cookie for cookie in response.headers.get_list("set-cookie") if cookie.startswith(DEVICE)]
    assert len(given) == 1
    assert planted not in given[0]


async def test_a_revoked_device_is_new_again(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        cookie = browser.cookies[DEVICE]
        browser.cookies.delete(SESSION)
        async with world.services.database.transaction() as db:
            await db.execute(update(devices).values(revoked_at=world.clock()))
        await sign_in(browser)
        assert browser.cookies[DEVICE] != cookie
    assert len(await world.events("device.added")) == 2


@pytest.mark.parametrize(
    ("user_agent", "label"),
    [
        (None, "Unknown browser"),
        ("", "Unknown browser"),
        ("curl/8.5", "curl on Other"),
        ("x" * 100_000, "Other on Other"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36", "Chrome on Windows"),
    ],
)
def test_a_label_says_what_a_person_would(user_agent: str | None, label: str) -> None:
    assert label_of(user_agent) == label


def test_a_label_costs_what_a_look_does() -> None:
    """Texts that patterns try at every character are cut down before (`risk.browsers`): at 64 KB, under 5 ms."""
    spent = []
    for number in range(5):
        text = f"{number}" + ";" * 65_000
        began = time.thread_time()
        label_of(text)
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.005
