"""An administrator's reset: the person completes it, and the administrator never sees a password."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest
from sqlalchemy import select

from base.tables import outbox
from identity.accounts import set_person_state
from identity.errors import Refused
from identity.factors.backup_codes import find_set
from identity.passwords import find_hash
from identity.person_values import Person
from identity.recovery.resets import is_mailed, start_reset
from tests.identity.forms import SAME_ORIGIN, hidden_fields, sign_in, words_of
from tests.identity.mail.letters_read import letters, one_letter
from tests.identity.recovery.factors_given import factors_of, give_app, give_codes
from tests.identity.recovery.steps import NEW_PASSWORD, ask, choose, link_path, path_of, post, send
from tests.world import PASSWORD, World

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def begin(world: World, person: Person, *, password: bool = False, factors: bool = False) -> str:
    """The path of a reset's link."""
    async with world.services.database.transaction() as db:
        url = await start_reset(
            db, world.services, person.id, password=password, factors=factors, now=world.clock(), actor="cli"
        )
    return path_of(url)


async def stored_hash(world: World, person: Person) -> str | None:
    """The person's password hash."""
    async with world.services.database.reading() as db:
        return await find_hash(db, person.id)


async def test_starting_a_reset_changes_nothing_and_tells_the_person(world: World) -> None:
    person = await world.person()
    before = await stored_hash(world, person)
    await give_app(world, person)
    path = await begin(world, person, password=True, factors=True)
    letter = await one_letter(world, "reset")
    assert (letter.to, path_of(letter.link())) == ("ada@example.com", path)
    assert await stored_hash(world, person) == before
    assert len(await factors_of(world, person)) == 1
    [event] = await world.events("recovery.reset_started")
    assert event["severity"] == "HIGH"
    data = event["data"]
    assert isinstance(data, dict)
    assert (event["actor"], data["password"], data["factors"]) == ("cli", True, True)
    async with world.services.database.reading() as db:
        assert await is_mailed(db, world.services, person.id)


async def test_a_password_reset_lets_the_person_choose_and_keeps_the_second_factor(world: World) -> None:
    """S27: it leads to the sign-in, which asks for the factor."""
    person = await world.person()
    await give_app(world, person)
    path = await begin(world, person, password=True)
    async with world.browser() as browser, world.browser() as elsewhere:
        await world.sign_in(elsewhere, person)
        assert "authenticator apps" not in words_of(await browser.get(path))
        assert (await choose(browser, path)).headers["location"] == "/reset/done"
        assert "The reset is done" in words_of(await browser.get("/reset/done"))
        assert "Welcome" in words_of(await elsewhere.get("/"))
        assert (await sign_in(browser, "ada", NEW_PASSWORD)).headers["location"] == "/signin/totp"
        assert "Welcome" in words_of(await browser.get("/"))
        assert (await choose_dead(browser, path)) == 404
    assert len(await factors_of(world, person)) == 1
    [done] = await world.events("recovery.completed")
    assert done["data"] == {"by": "reset"}
    assert (await one_letter(world, "reset_done")).to == "ada@example.com"


async def choose_dead(browser: httpx2.AsyncClient, path: str) -> int:
    """What opening a spent link answers."""
    return (await browser.get(path)).status_code


async def test_a_factor_reset_wants_the_password_and_removes_every_factor(world: World) -> None:
    """A link that somebody found takes no factor away."""
    person = await world.person()
    await give_app(world, person)
    await give_app(world, person, "My tablet")
    await give_codes(world, person)
    before = await stored_hash(world, person)
    path = await begin(world, person, factors=True)
    async with world.browser() as browser:
        page = await browser.get(path)
        assert "Your authenticator apps, passkeys and backup codes are removed" in words_of(page)
        wrong = await send(browser, path, password="not my password at all")
        assert wrong.status_code == 403
        assert "That did not work" in words_of(wrong)
        assert len(await factors_of(world, person)) == 2
        done = await send(browser, path, password=PASSWORD)
        assert done.headers["location"] == "/reset/done"
        assert await factors_of(world, person) == []
        async with world.services.database.reading() as db:
            assert await find_set(db, person.id) is None
        assert await stored_hash(world, person) == before
        signed_in = await sign_in(browser, "ada")
        assert signed_in.headers["location"] == "/"
    removed = [event["data"] for event in await world.events("mfa.removed")]
    assert [data["why"] for data in removed if isinstance(data, dict)] == ["reset", "reset"]
    assert [event["data"] for event in await world.events("login.failed")] == [{"reason": "wrong_password"}]


async def test_proofs_behind_a_factor_reset_are_counted_as_at_sign_in(world: World) -> None:
    """S23: five failures close the door there, too, for the right password in sixth place."""
    person = await world.person()
    await give_app(world, person)
    path = await begin(world, person, factors=True)
    hashes = world.services.hashes.hashes_made
    async with world.browser() as browser:
        for number in range(3):
            assert (await send(browser, path, password=f"wrong {number} by far")).status_code == 403
        for number in range(2):
            assert (await sign_in(browser, "ada", f"wrong {number} by far")).status_code == 403
        assert (await send(browser, path, password=PASSWORD)).status_code == 403
        assert world.services.hashes.hashes_made - hashes == 5
        assert len(await factors_of(world, person)) == 1
        await send(browser, await link_path(world, "locked", "unlock"))
        assert (await send(browser, path, password=PASSWORD)).status_code == 303


async def test_both_at_once(world: World) -> None:
    person = await world.person()
    await give_app(world, person)
    path = await begin(world, person, password=True, factors=True)
    async with world.browser() as browser:
        short = await choose(browser, path, "short")
        assert short.status_code == 400
        assert len(await factors_of(world, person)) == 1
        assert (await choose(browser, path)).status_code == 303
        assert (await sign_in(browser, "ada", NEW_PASSWORD)).headers["location"] == "/"
    assert await factors_of(world, person) == []


async def test_a_newer_reset_and_a_changed_password_end_the_link(world: World) -> None:
    """S27"""
    person = await world.person()
    old = await begin(world, person, password=True)
    new = await begin(world, person, password=True)
    factors_only = path_of((await letters(world, "reset"))[-1].link())
    assert factors_only == new
    async with world.browser() as browser:
        assert (await browser.get(old)).status_code == 404
        hidden = hidden_fields(await browser.get(new))
        await ask(browser, "ada")
        await choose(browser, await link_path(world, "recover"), "seven grey herons on ice 3")
        assert (await browser.get(new)).status_code == 404
        fields = {"password": NEW_PASSWORD, "password_repeat": NEW_PASSWORD}
        assert (await post(browser, new, hidden, **fields)).status_code == 404
    refused = [event["data"] for event in await world.events("admin.link_refused")]
    assert {"kind": "reset", "reason": "password_changed_since"} in refused


async def test_a_factor_reset_stays_when_a_forgotten_password_is_replaced(world: World) -> None:
    """Who lost both asks for both: one way must not close the other."""
    person = await world.person()
    await give_app(world, person)
    path = await begin(world, person, factors=True)
    async with world.browser() as browser:
        await ask(browser, "ada")
        await choose(browser, await link_path(world, "recover"))
        assert (await send(browser, path, password=NEW_PASSWORD)).status_code == 303
        assert (await sign_in(browser, "ada", NEW_PASSWORD)).headers["location"] == "/"


@pytest.mark.parametrize("state", ["suspended", "disabled", "deleted"])
async def test_an_account_that_is_not_active_is_not_reset(world: World, state: str) -> None:
    """S18"""
    person = await world.person()
    path = await begin(world, person, password=True)
    async with world.browser() as browser:
        hidden = hidden_fields(await browser.get(path))
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, person.id, state, now=world.clock(), actor="cli")  # type: ignore[arg-type]
        fields = {"password": NEW_PASSWORD, "password_repeat": NEW_PASSWORD}
        assert (await post(browser, path, hidden, **fields)).status_code == 404
    with pytest.raises(Refused, match="enable it first"):
        await begin(world, person, password=True)


async def test_what_cannot_be_reset_is_refused_in_words(world: World) -> None:
    person = await world.person("keyless", password=None)
    with pytest.raises(Refused, match="choose what is reset"):
        await begin(world, person)
    with pytest.raises(Refused, match="reset the password, too"):
        await begin(world, person, factors=True)
    assert await world.events("recovery.reset_started") == []


async def test_a_form_from_elsewhere_resets_nothing(world: World) -> None:
    person = await world.person()
    path = await begin(world, person, password=True)
    fields = {"password": NEW_PASSWORD, "password_repeat": NEW_PASSWORD}
    async with world.browser() as browser:
        hidden = hidden_fields(await browser.get(path))
        for form, headers in (({}, SAME_ORIGIN), (hidden, {"origin": "https://evil.example"})):
            assert (await browser.post(path, data={**form, **fields}, headers=headers)).status_code == 404
    assert await world.events("recovery.completed") == []
    refused = [event["data"] for event in await world.events("admin.link_refused")]
    assert refused == [{"kind": "reset", "reason": "foreign_form"}] * 2


async def test_without_mail_the_link_is_handed_over(world: World) -> None:
    object.__setattr__(world.services.settings, "has_mail", False)
    person = await world.person()
    path = await begin(world, person, password=True)
    async with world.services.database.reading() as db:
        assert not await is_mailed(db, world.services, person.id)
        assert (await db.execute(select(outbox.c.id))).first() is None
    async with world.browser() as browser:
        assert (await choose(browser, path)).status_code == 303
        assert (await sign_in(browser, "ada", NEW_PASSWORD)).status_code == 303
