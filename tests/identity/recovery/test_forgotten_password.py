"""A forgotten password: who asks is told nothing, who reads the mailbox gets back in, and everything older ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httpx2
import pytest
from starlette.requests import Request

from audit.record import Origin
from identity.accounts import set_person_state
from identity.recovery.codes import try_code
from identity.signin.attempt import read_flow
from tests.identity.forms import SAME_ORIGIN, hidden_fields, sign_in, words_of
from tests.identity.mail.letters_read import letters, one_letter
from tests.identity.recovery.factors_given import factors_of, give_app
from tests.identity.recovery.steps import NEW_PASSWORD, ask, choose, link_path, newest, path_of, post, send
from tests.world import ISSUER, PASSWORD, World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def test_a_mailed_link_leads_to_a_new_password_and_ends_everything_older(world: World) -> None:
    """S27: all sessions and tokens end, the person is told, and nobody is signed in by the link itself."""
    person, client = await world.person(), await world.client()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    async with world.browser() as elsewhere, world.browser() as browser:
        await world.sign_in(elsewhere, person)
        asked = await ask(browser, "ada")
        assert (asked.status_code, asked.headers["location"]) == (303, "/recover/code")
        letter = await one_letter(world, "recover")
        assert letter.to == "ada@example.com"
        done = await choose(browser, path_of(letter.link()))
        assert (done.status_code, done.headers["location"]) == (303, "/recover/done")
        assert "Your new password is set" in words_of(await browser.get("/recover/done"))
        for other in (elsewhere, browser):
            assert "Welcome" in words_of(await other.get("/"))
        assert (await sign_in(browser, "ada", PASSWORD)).status_code == 403
        signed_in = await sign_in(browser, "ada", NEW_PASSWORD)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 400
    assert await world.introspect(client, tokens["access_token"]) == {"active": False}
    assert (await one_letter(world, "password_changed")).to == "ada@example.com"
    [event] = await world.events("recovery.completed")
    assert event["data"] == {"by": "link"}
    assert [entry["data"] for entry in await world.events("recovery.asked")] == [{"found": True}]
    assert {"why": "recovery"} in [entry["data"] for entry in await world.events("password.set")]


async def test_the_code_of_the_letter_works_in_the_browser_that_asked_and_nowhere_else(world: World) -> None:
    await world.person()
    async with world.browser() as asking, world.browser() as other:
        await ask(asking, "ada@example.com")
        code = (await one_letter(world, "recover")).code
        assert (await send(other, "/recover", username="nobody-here")).status_code == 303
        refused = await send(other, "/recover/code", code=code)
        assert refused.status_code == 403
        typed = " ".join(chr(ord(digit) + 0xFEE0) for digit in code if digit != " ")
        taken = await send(asking, "/recover/code", code=typed)
        assert taken.status_code == 303
        assert taken.headers["location"].startswith("/recover/olk_")
        again = await send(asking, "/recover/code", code=code)
        assert again.status_code == 403
        assert "That did not work" in words_of(again)
        assert (await choose(asking, taken.headers["location"])).headers["location"] == "/recover/done"
    reasons = [event["data"] for event in await world.events("recovery.refused")]
    assert reasons.count({"reason": "wrong_code"}) == 2


async def test_wrong_codes_close_their_own_door_for_known_and_unknown_names_alike(world: World) -> None:
    """S22, S23: five tries a person whichever browser asks, counted apart from passwords."""
    await world.person()
    answers: dict[str, list[tuple[int, int, str]]] = {}
    for name in ("ada", "nobody-at-all"):
        seen = answers.setdefault(name, [])
        for _ in range(2):
            async with world.browser() as browser:
                await ask(browser, name)
                hidden = hidden_fields(await browser.get("/recover/code"))
                for _ in range(4):
                    page = await post(browser, "/recover/code", hidden, code="00000000")
                    seen.append((page.status_code, len(page.text), words_of(page)))
    assert answers["ada"] == answers["nobody-at-all"]
    async with world.browser() as browser:
        await ask(browser, "ada")
        right = await send(browser, "/recover/code", code=(await newest(world, "recover")).code)
        assert right.status_code == 403, "the door is closed, also for the right code"
        assert (await choose(browser, await link_path(world, "recover"))).status_code == 303, "the link is not counted"
    refused = [event["data"] for event in await world.events("recovery.refused")]
    assert {"reason": "locked"} in refused
    assert await world.events("lockout.started") == []


async def test_refusals_are_slowed_by_the_name_that_was_typed_and_not_by_the_person(world: World) -> None:
    """S22: else a second name that is slow at once would be known to be the same person's."""
    await world.person()
    seen = {}
    for name in ("ada", "ada@example.com", "nobody-here"):
        async with world.browser() as browser:
            await ask(browser, name)
            digest = read_flow(Request({"type": "http", "headers": _cookies(browser)}), world.services)
            assert digest is not None
            tries = [
                await try_code(world.services, digest, "00000000", now=world.clock(), origin=Origin()) for _ in range(6)
            ]
            seen[name] = [tried.failures for tried in tries]
    assert list(seen.values()) == [[1, 2, 3, 4, 5, 5]] * 3
    reasons = [event["data"] for event in await world.events("recovery.refused")]
    assert reasons.count({"reason": "locked"}) == 1 + 6 + 1, "the person's two names share one counter"


def _cookies(browser: httpx2.AsyncClient) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", f"{name}={value}".encode()) for name, value in browser.cookies.items()]


async def _asked_pages(world: World, name: str) -> list[tuple[int, str, list[str], int]]:
    """What asking and trying a code answers, without what is random in every page."""
    seen = []
    async with world.browser() as browser:
        for path, fields in (("/recover", {"username": name}), ("/recover/code", {"code": "12345678"})):
            answer = await send(browser, path, **fields)
            names = sorted(header for header in answer.headers if header != "x-request-id")
            seen.append((answer.status_code, answer.headers.get("location", words_of(answer)), names, len(answer.text)))
    return seen


async def test_nothing_tells_who_has_an_account(world: World) -> None:
    """S22: unknown, disabled, locked, without a verified address, without a password: one answer."""
    disabled = await world.person("disabled-eve")
    await world.person("locked-bob")
    await world.person("no-password", password=None)
    await world.person("ada")
    async with world.services.database.transaction() as db:
        await set_person_state(db, world.services, disabled.id, "disabled", now=world.clock(), actor="cli")
    async with world.browser() as browser:
        for number in range(5):
            await sign_in(browser, "locked-bob", f"wrong {number} by far")
    expected = await _asked_pages(world, "ada")
    for name in ("nobody-has-it", "disabled-eve", "locked-bob", "no-password", "ada@example.com", "not a name @ all"):
        assert await _asked_pages(world, name) == expected, name
    told = {letter.to for letter in await letters(world, "recover")}
    assert told == {"ada@example.com", "locked-bob@example.com", "no-password@example.com"}
    asked = [sorted(cast(dict[str, object], event["data"])) for event in await world.events("recovery.asked")]
    assert asked.count(["found", "typed_digest"]) == 2
    assert asked.count(["found"]) == 5
    assert "nobody-has-it" not in str(await world.events())


async def test_refusals_and_letters_are_answered_at_one_deadline(
    world: World, prompt_refusals: Callable[[float], None]
) -> None:
    """S22: a name that nobody has is answered no sooner than one that a letter goes to."""
    await world.person()
    prompt_refusals(0.3)
    clock = asyncio.get_running_loop()
    for name in ("ada", "nobody-here"):
        async with world.browser() as browser:
            hidden = hidden_fields(await browser.get("/recover"))
            began = clock.time()
            await post(browser, "/recover", hidden, username=name)
            assert 0.29 <= clock.time() - began < 1.5, name


async def test_a_person_is_sent_five_letters_an_hour(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        for _ in range(7):
            assert (await ask(browser, "ada")).status_code == 303
        assert len(await letters(world, "recover")) == 5
        assert (await send(browser, "/recover/code", code=(await newest(world, "recover")).code)).status_code == 303
    refused = [event["data"] for event in await world.events("recovery.refused")]
    assert refused == [{"reason": "too_many_letters"}] * 2
    world.clock.move(hours=2)
    async with world.browser() as browser:
        await ask(browser, "ada")
    assert len(await letters(world, "recover")) == 6


async def test_an_address_that_asks_too_often_has_to_wait(database_url: str, tmp_path: object) -> None:
    async with open_world(database_url, tmp_path, rate__per_address="2") as world:  # type: ignore[arg-type]
        async with world.browser() as browser:
            hidden = hidden_fields(await browser.get("/recover"))
            answers = [await post(browser, "/recover", hidden, username=f"nobody{number}") for number in range(3)]
        assert [answer.status_code for answer in answers] == [303, 303, 429]
        assert int(answers[2].headers["retry-after"]) > 0
        assert {"reason": "address_limit"} in [event["data"] for event in await world.events("recovery.refused")]


async def test_a_newer_link_an_hour_and_another_new_password_each_end_a_link(world: World) -> None:
    """S27"""
    await world.person()
    async with world.browser() as browser:
        await ask(browser, "ada")
        old = await link_path(world, "recover")
        await ask(browser, "ada")
        new = await link_path(world, "recover")
        assert (await browser.get(old)).status_code == 404
        assert (await choose(browser, new)).status_code == 303
        for dead in (old, new):
            page = await browser.get(dead)
            assert page.status_code == 404
            assert "This link does not work any more" in words_of(page)
        await ask(browser, "ada")
        late = await link_path(world, "recover")
        world.clock.move(minutes=31)
        assert (await browser.get(late)).status_code == 404
    refused = [event["data"] for event in await world.events("admin.link_refused")]
    assert {"kind": "recover", "reason": "unknown_or_spent"} in refused


async def test_a_code_ends_when_the_password_changed_by_the_link(world: World) -> None:
    await world.person()
    async with world.browser() as asking, world.browser() as reading:
        await ask(asking, "ada")
        letter = await one_letter(world, "recover")
        await choose(reading, path_of(letter.link()))
        assert (await send(asking, "/recover/code", code=letter.code)).status_code == 403


@pytest.mark.parametrize("state", ["suspended", "disabled", "deleted"])
async def test_an_account_that_is_not_active_takes_no_new_password(world: World, state: str) -> None:
    """S18: not by a link that was mailed before."""
    person = await world.person()
    async with world.browser() as browser:
        await ask(browser, "ada")
        path = await link_path(world, "recover")
        hidden = hidden_fields(await browser.get(path))
        code = (await one_letter(world, "recover")).code
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, person.id, state, now=world.clock(), actor="cli")  # type: ignore[arg-type]
        assert (await browser.get(path)).status_code == 404
        fields = {"password": NEW_PASSWORD, "password_repeat": NEW_PASSWORD}
        assert (await post(browser, path, hidden, **fields)).status_code == 404
        assert (await send(browser, "/recover/code", code=code)).status_code == 403
    assert await world.events("recovery.completed") == []
    assert [event["data"] for event in await world.events("password.set")] == [{"why": "created"}]


async def test_the_new_password_is_held_to_the_rules_and_faults_spend_nothing(world: World) -> None:
    """S20: also the person's own name and address are refused."""
    await world.person()
    cases = {
        "short": "at least 12 characters",
        "passwordpassword": "easy to guess",
        "ada byron was first": "contains your name",
    }
    async with world.browser() as browser:
        await ask(browser, "ada")
        path = await link_path(world, "recover")
        for password, words in cases.items():
            page = await choose(browser, path, password)
            assert page.status_code == 400
            assert words in words_of(page)
            assert password not in page.text
        page = await send(browser, path, password=NEW_PASSWORD, password_repeat=NEW_PASSWORD + "x")
        assert "The two passwords are not the same." in words_of(page)
        assert (await choose(browser, path)).status_code == 303


async def test_a_reset_opens_the_door_that_wrong_passwords_closed(world: World) -> None:
    """S24"""
    await world.person()
    async with world.browser() as browser:
        for number in range(5):
            await sign_in(browser, "ada", f"wrong {number} by far")
        assert (await sign_in(browser, "ada")).status_code == 403
        await ask(browser, "ada")
        await choose(browser, await link_path(world, "recover"))
        assert (await sign_in(browser, "ada", NEW_PASSWORD)).status_code == 303


async def test_the_way_back_goes_on_to_the_application_that_the_sign_in_was_begun_for(world: World) -> None:
    await world.person()
    client = await world.client()
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client))
        await browser.get("/signin")
        await ask(browser, "ada")
        await choose(browser, await link_path(world, "recover"))
        answer = await sign_in(browser, "ada", NEW_PASSWORD)
        assert answer.headers["location"].startswith("https://app.example.com/callback?code=")


async def test_links_are_built_from_the_issuer_alone(world: World) -> None:
    """S27: Host, Forwarded and X-Forwarded-* change nothing."""
    await world.person()
    hostile = {
        "host": "evil.example",
        "forwarded": "host=evil.example;proto=http",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
    }
    async with world.browser() as browser:
        page = await browser.get("/recover", headers=hostile)
        form = {**hidden_fields(page), "username": "ada"}
        sent = await browser.post("/recover", data=form, headers={**SAME_ORIGIN, **hostile})
        assert sent.headers["location"] == "/recover/code"
    letter = await one_letter(world, "recover")
    assert letter.link().startswith(f"{ISSUER}/recover/olk_")
    assert "evil.example" not in letter.text + letter.html


async def test_forms_from_elsewhere_and_from_another_browser_are_refused(world: World) -> None:
    """S17"""
    await world.person()
    async with world.browser() as browser, world.browser() as other:
        hidden = hidden_fields(await browser.get("/recover"))
        await other.get("/recover")
        evil = {"origin": "https://evil.example"}
        tries: list[tuple[httpx2.AsyncClient, dict[str, str], dict[str, str]]] = [
            (browser, hidden, evil), (other, hidden, SAME_ORIGIN), (browser, {}, SAME_ORIGIN)
        ]  # fmt: skip
        for sender, form, headers in tries:
            answer = await sender.post("/recover", data={**form, "username": "ada"}, headers=headers)
            assert answer.headers["location"] == "/recover"
        assert await letters(world, "recover") == []
        empty = await post(browser, "/recover", hidden)
        assert empty.status_code == 400
        await ask(browser, "ada")
        path = await link_path(world, "recover")
        hidden = hidden_fields(await browser.get(path))
        fields = {"password": NEW_PASSWORD, "password_repeat": NEW_PASSWORD}
        for form, headers in (({}, SAME_ORIGIN), (hidden, evil)):
            assert (await browser.post(path, data={**form, **fields}, headers=headers)).status_code == 404
    assert await world.events("recovery.completed") == []
    assert {"reason": "foreign_form"} in [event["data"] for event in await world.events("recovery.refused")]


async def test_where_no_mail_leaves_the_page_says_whom_to_ask(world: World) -> None:
    object.__setattr__(world.services.settings, "has_mail", False)
    await world.person()
    async with world.browser() as browser:
        page = await browser.get("/recover")
        assert "This service sends no mail." in words_of(page)
        assert "<form" not in page.text
        assert (await browser.post("/recover", data={"username": "ada"})).headers["location"] == "/recover"
    assert await letters(world) == []


async def test_asking_shows_no_secret_in_events(world: World) -> None:
    """S46: neither the link, nor the code, nor the passwords; people type passwords into the name's field."""
    await world.person()
    async with world.browser() as browser:
        await ask(browser, "Canary-passw0rd typed as a name")
        await ask(browser, "ada")
        letter = await one_letter(world, "recover")
        await choose(browser, path_of(letter.link()))
    told = str(await world.events())
    for secret in (letter.link().rpartition("/")[2], letter.code, letter.code.replace(" ", ""), NEW_PASSWORD, "Canary"):
        assert secret not in told


async def test_a_forgotten_password_skips_no_second_factor(world: World) -> None:
    """S27: the link's holder has the mailbox, and that is one factor."""
    person = await world.person()
    await give_app(world, person)
    async with world.browser() as browser:
        await ask(browser, "ada")
        await choose(browser, await link_path(world, "recover"))
        assert (await sign_in(browser, "ada", NEW_PASSWORD)).headers["location"] == "/signin/totp"
        assert "Welcome" in words_of(await browser.get("/"))
    assert await world.events("session.started") == []
    assert len(await factors_of(world, person)) == 1
