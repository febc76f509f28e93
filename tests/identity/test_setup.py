"""The first administrator: a link that works once, and a form that says what is wrong in place."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from identity.accounts import find_person_by_login
from identity.person_values import Person
from identity.setup import make_link
from tests.identity.forms import SAME_ORIGIN, hidden_fields, sign_in, words_of
from tests.world import ISSUER, PASSWORD, World

pytestmark = pytest.mark.anyio

GOOD = {
    "username": "root-ada",
    "email": "ada@example.com",
    "name": "Ada",
    "password": PASSWORD,
    "password_repeat": PASSWORD,
}


async def _link(world: World) -> str:
    async with world.services.database.transaction() as db:
        url = await make_link(db, world.services, now=world.clock(), actor="cli")
    assert url.startswith(f"{ISSUER}/setup/olk_")
    return url.removeprefix(ISSUER)


async def _send(browser: httpx2.AsyncClient, path: str, **changes: str) -> httpx2.Response:
    page = await browser.get(path)
    form = {**hidden_fields(page), **GOOD, **changes}
    return await browser.post(path, data=form, headers=SAME_ORIGIN)


async def _find(world: World, login: str) -> Person | None:
    async with world.services.database.reading() as db:
        return await find_person_by_login(db, login)


async def test_the_link_makes_an_administrator_who_is_signed_in(world: World) -> None:
    path = await _link(world)
    async with world.browser() as browser:
        made = await _send(browser, path)
        assert (made.status_code, made.headers["location"]) == (303, "/")
        assert "You are signed in A Ada root-ada" in words_of(await browser.get("/"))
    person = await _find(world, "ada@example.com")
    assert person is not None
    assert person.is_admin
    async with world.browser() as browser:
        assert (await sign_in(browser, "root-ada")).status_code == 303
    names = [event["name"] for event in await world.events()]
    for name in ("admin.link_made", "admin.link_used", "admin.person_created", "password.set", "session.started"):
        assert names.count(name) == (2 if name == "session.started" else 1), name
    [created] = await world.events("admin.person_created")
    assert created["data"] == {"is_admin": True, "via": "setup"}


async def test_a_link_works_once_under_parallel_posts(world: World) -> None:
    """I1: one account, and everyone else is told that the link is spent."""
    path = await _link(world)
    async with world.browser() as browser:
        hidden = hidden_fields(await browser.get(path))
        forms = [{**hidden, **GOOD, "username": f"admin-{n}", "email": f"a{n}@example.com"} for n in range(8)]
        answers = await asyncio.gather(*(browser.post(path, data=form, headers=SAME_ORIGIN) for form in forms))
    assert sorted(answer.status_code for answer in answers) == [303] + [404] * 7
    assert len(await world.events("admin.person_created")) == 1
    assert len(await world.events("admin.link_used")) == 1
    async with world.browser() as browser:
        spent = await browser.get(path)
        assert spent.status_code == 404
        assert "This link does not work any more" in words_of(spent)


async def test_a_link_ends_after_half_an_hour_and_when_a_newer_one_is_made(world: World) -> None:
    old, new = await _link(world), await _link(world)
    async with world.browser() as browser:
        assert (await browser.get(old)).status_code == 404
        hidden = hidden_fields(await browser.get(new))
        world.clock.move(minutes=30)
        late = await browser.post(new, data={**hidden, **GOOD}, headers=SAME_ORIGIN)
        assert late.status_code == 404
    assert await world.events("admin.person_created") == []


async def test_only_the_exact_link_opens_the_form(world: World) -> None:
    """S16"""
    path = await _link(world)
    async with world.browser() as browser:
        for variant in (path[:-1], path + "A", path + "%20", path.swapcase().replace("/SETUP/OLK_", "/setup/olk_")):
            assert (await browser.get(variant)).status_code == 404, variant
        assert (await browser.get(path)).status_code == 200


FAULTS = {
    "nothing": (
        dict.fromkeys(GOOD, ""),
        ["Username: must be filled in", "Mail address: must be filled in", "at least 12"],
    ),
    "a name in two alphabets": ({"username": "\u0430dmin"}, ["must keep to one alphabet"]),
    "a mail address without a domain": ({"email": "ada@"}, ["must look like name@example.com"]),
    "a short password": ({"password": "short", "password_repeat": "short"}, ["at least 12 characters"]),
    "a common password": (
        {"password": "passwordpassword", "password_repeat": "passwordpassword"},
        ["easy to guess"],
    ),
    "the name in the password": (
        {"password": "root-ada likes the sea", "password_repeat": "root-ada likes the sea"},
        ["contains your name"],
    ),
    "two passwords": ({"password_repeat": PASSWORD + "!"}, ["The two passwords are not the same."]),
}


@pytest.mark.parametrize(("changes", "words"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_form_with_faults_says_so_in_place_and_spends_nothing(
    world: World, changes: dict[str, str], words: list[str]
) -> None:
    """S20: the reason stands beside the field; what was typed stays, passwords apart."""
    path = await _link(world)
    async with world.browser() as browser:
        page = await _send(browser, path, **changes)
        assert page.status_code == 400
        for word in words:
            assert word in words_of(page)
        assert 'aria-invalid="true"' in page.text
        for value in {**GOOD, **changes}.values():
            if value and value not in (GOOD["username"], GOOD["email"], GOOD["name"], changes.get("username")):
                assert f'value="{value}"' not in page.text or value == changes.get("email")
        assert (await _send(browser, path)).status_code == 303
    assert len(await world.events("admin.person_created")) == 1


async def test_a_taken_name_is_refused_and_spends_nothing(world: World) -> None:
    await world.person("taken")
    path = await _link(world)
    async with world.browser() as browser:
        page = await _send(browser, path, username="TAKEN")
        assert page.status_code == 400
        assert "Username: belongs to another account" in words_of(page)
        assert (await _send(browser, path)).status_code == 303


async def test_a_form_from_elsewhere_is_refused(world: World) -> None:
    path = await _link(world)
    async with world.browser() as browser:
        hidden = hidden_fields(await browser.get(path))
        for form, headers in (({}, SAME_ORIGIN), (hidden, {"origin": "https://evil.example"})):
            answer = await browser.post(path, data={**form, **GOOD}, headers=headers)
            assert answer.status_code == 404
    assert await world.events("admin.person_created") == []


async def test_links_are_built_from_the_issuer_alone(world: World) -> None:
    """S27: Host and Forwarded change nothing."""
    path = await _link(world)
    async with world.browser() as browser:
        page = await browser.get(path, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
        assert "evil.example" not in page.text
