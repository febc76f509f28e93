"""The file with everything about a person: whole, theirs alone, and without a secret."""

from __future__ import annotations

import json

import pytest

from audit.search import of_person as search
from tests.identity.account.furnished import furnish
from tests.identity.account.own_pages import COOKIE, at_own_pages, give_factor, said
from tests.identity.forms import sign_in
from tests.world import PASSWORD, World

pytestmark = pytest.mark.anyio


async def test_the_file_holds_everything_and_no_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """S46"""
    monkeypatch.setattr(search, "BATCH", 4)
    person, bob = await world.person(), await world.person("bob")
    client = await world.client()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    await furnish(world, person)
    await give_factor(world, bob, label="Bob's secret phone")
    async with world.browser() as browser:
        await sign_in(browser, password="wrong wrong wrong")
    async with at_own_pages(world, person, methods=("pwd", "totp")) as own:
        file = await own.send("/data")
        cookie = own.browser.cookies[COOKIE]
    assert file.headers["content-disposition"].startswith('attachment; filename="account-')
    assert file.headers["content-type"] == "application/json"
    assert file.headers["cache-control"] == "no-store"
    told = json.loads(file.text)
    assert told["account"]["username"] == "ada"
    assert told["account"]["profile"]["name"] == "Ada Byron"
    labels = {each["label"] for each in told["ways_to_sign_in"]["factors"]}
    assert labels == {"Phone", "Laptop in the study", "Blue key on the ring"}
    assert len(told["mail_addresses"]) == 3
    assert len(told["sessions"]) == 4
    assert {each["scope"] for each in told["allowed"]} == {"openid", "email", "orders:read"}
    assert told["access"][0]["client_id"] == client.client.client_id
    theirs = [event for event in await world.events() if event["name"] == "login.failed"]
    assert len([event for event in told["events"] if event["name"] == "login.failed"]) == len(theirs)
    assert told["events"][0]["name"] == "admin.data_taken"
    (made,) = [event for event in told["events"] if event["name"] == "admin.person_created"]
    assert made["personal"]["email"] == "ada@example.com"
    given = [tokens[name] for name in ("access_token", "refresh_token", "id_token")]
    for secret in (PASSWORD, cookie, *given, "argon2", "secret phone", "digest", "sealed", "hash"):
        assert secret not in file.text, secret


async def test_every_event_comes_once_whatever_the_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BATCH", 3)
    async with at_own_pages(world) as own:
        told = json.loads((await own.send("/data")).text)
    ids = [event["id"] for event in told["events"]]
    assert len(ids) == len(set(ids))
    mine = [event["id"] for event in await world.events() if event["subject"] == f"usr_{own.person.id.hex()}"]
    assert sorted(ids) == sorted(str(each) for each in mine)


async def test_taking_the_file_is_told_and_looking_at_the_page_is_not(world: World) -> None:
    async with at_own_pages(world) as own:
        await own.get("/data")
        assert await world.events("admin.data_taken") == []
        await own.send("/data")
    (event,) = await world.events("admin.data_taken")
    assert event["session"] == own.session_id.hex()


async def test_a_stale_session_gets_no_file(world: World) -> None:
    """S29"""
    async with at_own_pages(world) as own:
        world.clock.move(minutes=11)
        assert said(await own.send("/data")) == "/signin"
    assert await world.events("admin.data_taken") == []
