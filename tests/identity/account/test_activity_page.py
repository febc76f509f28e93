"""The activity: events about the person in plain words, newest first, page by page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import audit
import identity
from audit.catalogue import LOGIN_FAILED, MFA_RENAMED, all_types
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity.account.activity_page import A_PAGE
from identity.account.words import BY, FIELDS, FOREIGN, METHODS, QUIET, SENTENCES, sentence_of
from identity.person_values import Person
from tests.identity.account.own_pages import at_own_pages
from tests.identity.forms import sign_in, words_of
from tests.world import World

pytestmark = pytest.mark.anyio


async def _tell(world: World, person: Person, label: str, *, actor: str | None = None) -> None:
    shown = show_id(PERSON, person.id)
    event = Event(
        type=MFA_RENAMED, actor=actor or shown, subject=shown, person=person.id, origin=Origin("203.0.113.77"),
        data={"method": "totp", "credential": "fac_0"}, personal={"label": label},
    )  # fmt: skip
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit(db, event, now=world.clock())


async def test_a_sign_in_is_told_with_browser_address_and_methods(world: World) -> None:
    await world.person()
    async with world.browser(address="203.0.113.9") as browser:
        await sign_in(browser, password="wrong wrong wrong")
        await sign_in(browser)
        page = await browser.get("/account/activity", headers={"accept-language": "en"})
        words = words_of(page)
    signed_in, failed = words.index("You signed in."), words.index("Somebody tried to sign in, and it did not work.")
    made = words.index("Your account was made.")
    assert signed_in < failed < made
    assert "Firefox on Linux · 203.0.113.9" in words
    assert re.search(r"You signed in\. password", words)
    assert "By the operator of this service" in words


async def test_another_persons_events_are_never_shown(world: World) -> None:
    bob = await world.person("bob")
    await _tell(world, bob, "Bob's secret phone")
    async with at_own_pages(world) as own:
        assert "secret phone" not in (await own.get("/activity")).text


async def test_what_an_administrator_did_is_told_as_theirs(world: World) -> None:
    person, admin = await world.person(), await world.person("root", admin=True)
    await _tell(world, person, "Phone", actor=show_id(PERSON, admin.id))
    async with at_own_pages(world, person) as own:
        words = words_of(await own.get("/activity"))
    assert "Phone · authenticator app · By an administrator" in words
    assert show_id(PERSON, admin.id) not in words


async def test_pages_follow_each_other_without_a_gap_or_a_double(world: World) -> None:
    person = await world.person()
    for number in range(2 * A_PAGE + 5):
        await _tell(world, person, f"label-{number:03}")
    found: list[str] = []
    async with at_own_pages(world, person) as own:
        path: str | None = "/activity"
        while path is not None:
            page = await own.get(path)
            found += re.findall(r"label-(\d+)", page.text)
            older = re.search(r'href="/account(/activity\?after=[^"]+)"', page.text)
            path = older[1] if older else None
    assert found == [f"{number:03}" for number in reversed(range(2 * A_PAGE + 5))]


@pytest.mark.parametrize(
    "after",
    [
        "' OR 1=1 --",
        "x" * 5000,
        "%00",
        "////////////////////////////////",
        "f" * 32,
        "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "é",
        "=",
    ],
)
async def test_a_forged_cursor_is_data(world: World, after: str) -> None:
    """S50"""
    bob = await world.person("bob")
    await _tell(world, bob, "Bob's secret phone")
    async with at_own_pages(world) as own:
        page = await own.browser.get("/account/activity", params={"after": after})
    assert page.status_code == 200
    assert "secret phone" not in page.text


@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", '"><img src=x>', "%(x)s %s", "{{ 7 * 7 }}"])
async def test_labels_and_agents_are_text_and_no_more(world: World, payload: str) -> None:
    """S49"""
    person = await world.person()
    await _tell(world, person, payload)
    failed = Event(
        type=LOGIN_FAILED, actor="anonymous", outcome="failure", person=person.id,
        origin=Origin(payload, f"Mozilla/5.0 {payload}"), data={"reason": payload},
    )  # fmt: skip
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit(db, failed, now=world.clock())
    async with at_own_pages(world, person) as own:
        page = await own.get("/activity")
    assert payload in words_of(page)
    assert "<script>alert" not in page.text
    assert "<img src" not in page.text


async def test_every_kind_of_event_has_words_in_both_languages() -> None:
    known: set[object] = set()
    for folder in (Path(str(identity.__file__)).parent / "account", Path(str(audit.__file__)).parent):
        with (folder / "locale" / "tr.po").open("rb") as source:
            known |= {message.id for message in read_po(source) if message.string}
    texts = {sentence_of(name) for name in all_types()} | set(METHODS.values()) | set(FIELDS.values())
    assert {text for text in texts | {FOREIGN} | set(BY.values()) if text not in known} == set()


async def test_words_are_only_for_events_that_exist() -> None:
    assert set(SENTENCES) - set(all_types()) == set()
    assert set(QUIET) - set(all_types()) == set()
