"""Invitations: the holder of a link makes an account, once, and is signed in by the ordinary rules."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from identity.accounts import find_person_by_login
from identity.errors import Refused
from identity.person_values import Person
from identity.recovery.invitations import invite
from policy.values import Decision, SigninFacts, SigninRules
from tests.identity.forms import SAME_ORIGIN, hidden_fields, sign_in, words_of
from tests.identity.mail.letters_read import letters, one_letter
from tests.identity.recovery.steps import link_path, path_of, post, send
from tests.signin_policy import decide
from tests.world import PASSWORD, World, open_world

pytestmark = pytest.mark.anyio

GOOD = {"username": "grace", "name": "Grace Hopper", "password": PASSWORD, "password_repeat": PASSWORD}


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def invited(
    world: World, email: str | None = "grace@example.com", *, mail: bool = True, is_admin: bool = False
) -> str:
    """The path of an invitation."""
    async with world.services.database.transaction() as db:
        url = await invite(
            db,
            world.services,
            email=email,
            name="Grace Hopper",
            is_admin=is_admin,
            now=world.clock(),
            actor="cli",
            via="mail" if mail else "link",
        )
    return path_of(url)


async def found(world: World, login: str) -> Person | None:
    """Who signs in with this, or None."""
    async with world.services.database.reading() as db:
        return await find_person_by_login(db, login)


async def test_a_mailed_invitation_makes_an_account_with_a_verified_address(world: World) -> None:
    path = await invited(world)
    letter = await one_letter(world, "invite")
    assert (letter.to, path_of(letter.link())) == ("grace@example.com", path)
    async with world.browser() as browser:
        page = words_of(await browser.get(path))
        assert "grace@example.com" in page
        joined = await send(browser, path, **GOOD)
        assert (joined.status_code, joined.headers["location"]) == (303, "/")
        assert "You are signed in" in words_of(await browser.get("/"))
        assert (await browser.get(path)).status_code == 404
    person = await found(world, "grace@example.com")
    assert person is not None
    assert (person.username, person.is_admin, person.shown_name) == ("grace", False, "Grace Hopper")
    assert await letters(world, "verify") == []
    [created] = await world.events("admin.person_created")
    assert created["data"] == {"is_admin": False, "via": "invite"}
    [told] = await world.events("admin.invited")
    assert isinstance(told["data"], dict)
    assert (told["actor"], told["data"]["via"]) == ("cli", "mail")
    assert "grace" not in str(told["data"])


async def test_a_proven_address_is_name_enough(world: World) -> None:
    path = await invited(world)
    async with world.browser() as browser:
        assert (await send(browser, path, **{**GOOD, "username": ""})).status_code == 303
    async with world.browser() as browser:
        assert (await sign_in(browser, "grace@example.com")).status_code == 303


async def test_a_link_that_was_handed_over_proves_no_address(world: World) -> None:
    """The account's address must be verified by a letter before it signs anybody in."""
    path = await invited(world, mail=False)
    assert await letters(world, "invite") == []
    async with world.browser() as browser:
        missing = await send(browser, path, **{**GOOD, "username": ""})
        assert "Username: must be filled in" in words_of(missing)
        assert (await send(browser, path, **GOOD)).status_code == 303
        assert await found(world, "grace@example.com") is None
        letter = await one_letter(world, "verify")
        assert letter.to == "grace@example.com"
        assert (await send(browser, path_of(letter.link()))).headers["location"] == "/verify/done"
    person = await found(world, "grace@example.com")
    assert person is not None
    assert person.username == "grace"


async def test_an_invitation_without_an_address_asks_for_one(world: World) -> None:
    path = await invited(world, None, mail=False)
    async with world.browser() as browser:
        wrong = await send(browser, path, **GOOD, email="grace@")
        assert "Mail address: must look like name@example.com" in words_of(wrong)
        assert (await send(browser, path, **GOOD, email="grace@example.org")).status_code == 303
    assert (await one_letter(world, "verify")).to == "grace@example.org"
    async with world.browser() as browser:
        path = await invited(world, None, mail=False)
        assert (await send(browser, path, **{**GOOD, "username": "plain"})).status_code == 303


async def test_the_address_of_an_invitation_cannot_be_exchanged(world: World) -> None:
    path = await invited(world)
    async with world.browser() as browser:
        assert (await send(browser, path, **GOOD, email="mallory@example.net")).status_code == 303
    assert await found(world, "mallory@example.net") is None
    assert await found(world, "grace@example.com") is not None


async def test_an_invited_administrator_is_told_so(world: World) -> None:
    path = await invited(world, is_admin=True)
    async with world.browser() as browser:
        assert "invited to manage this service" in words_of(await browser.get(path))
        await send(browser, path, **GOOD)
    person = await found(world, "grace")
    assert person is not None
    assert person.is_admin


async def test_the_policy_is_asked_as_at_every_sign_in(database_url: str, tmp_path: object) -> None:
    """Where everybody needs a second factor, joining leads to adding one, and to no session before."""

    def strict(facts: SigninFacts) -> Decision:
        return decide(SigninFacts(**{**{name: getattr(facts, name) for name in facts.__slots__}, "is_overdue": True}),
                      SigninRules(mfa_required=True))  # fmt: skip

    async with open_world(database_url, tmp_path, policy=strict) as world:  # type: ignore[arg-type]
        path = await invited(world)
        async with world.browser() as browser:
            assert (await send(browser, path, **GOOD)).headers["location"] == "/enrol"
            assert "Welcome" in words_of(await browser.get("/"))
        assert await world.events("session.started") == []


async def test_a_newer_invitation_to_the_same_address_ends_the_older(world: World) -> None:
    old, other, new = (
        await invited(world),
        await invited(world, "grace_@example.com"),
        await invited(world, "GRACE@example.com"),
    )
    async with world.browser() as browser:
        assert [(await browser.get(path)).status_code for path in (old, other, new)] == [404, 200, 200]
        world.clock.move(days=8)
        assert (await browser.get(new)).status_code == 404


async def test_a_taken_address_and_a_taken_name_are_refused(world: World) -> None:
    await world.person()
    with pytest.raises(Refused, match="belongs to an account already"):
        await invited(world, "Ada@example.com")
    path = await invited(world)
    async with world.browser() as browser:
        page = await send(browser, path, **{**GOOD, "username": "ADA"})
        assert page.status_code == 400
        assert "Username: belongs to another account" in words_of(page)
        assert (await send(browser, path, **GOOD)).status_code == 303


async def test_an_address_that_was_registered_meanwhile_is_refused(world: World) -> None:
    path = await invited(world, "ada@example.com")
    await world.person()
    async with world.browser() as browser:
        page = await send(browser, path, **GOOD)
    assert page.status_code == 400
    assert "Mail address: belongs to another account" in words_of(page)
    assert await found(world, "grace") is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "short", "password_repeat": "short"}, "at least 12 characters"),
        ({"password": "grace hopper sails", "password_repeat": "grace hopper sails"}, "contains your name"),
        ({"password_repeat": "something else"}, "The two passwords are not the same."),
        ({"username": "\u0430dmin"}, "must keep to one alphabet"),
    ],
)
async def test_a_form_with_faults_spends_nothing(world: World, fields: dict[str, str], words: str) -> None:
    """S20"""
    path = await invited(world)
    async with world.browser() as browser:
        page = await send(browser, path, **{**GOOD, **fields})
        assert page.status_code == 400
        assert words in words_of(page)
        assert fields.get("password", PASSWORD) not in page.text
        assert (await send(browser, path, **GOOD)).status_code == 303


async def test_a_form_from_elsewhere_makes_no_account(world: World) -> None:
    path = await invited(world)
    async with world.browser() as browser:
        hidden = hidden_fields(await browser.get(path))
        for form, headers in (({}, SAME_ORIGIN), (hidden, {"origin": "https://evil.example"})):
            assert (await browser.post(path, data={**form, **GOOD}, headers=headers)).status_code == 404
    assert await world.events("admin.person_created") == []


async def test_what_cannot_be_invited_is_refused_in_words(world: World) -> None:
    with pytest.raises(Refused, match="is needed to send"):
        await invited(world, None)
    with pytest.raises(Refused, match="must look like"):
        await invited(world, "grace@")
    assert await world.events("admin.invited") == []


# ---- registering by oneself


async def register(browser: httpx2.AsyncClient, email: str) -> httpx2.Response:
    """Asks for an account."""
    return await send(browser, "/register", email=email)


async def test_registration_is_closed_unless_it_is_opened(world: World) -> None:
    async with world.browser() as browser:
        for path in ("/register", "/register/sent"):
            assert (await browser.get(path)).status_code == 404
        assert (await browser.post("/register", data={"email": "x@example.com"})).status_code == 404


async def test_known_and_unknown_addresses_are_answered_alike(database_url: str, tmp_path: object) -> None:
    """S22: only the mailbox is told which it was."""
    async with open_world(database_url, tmp_path, registration__open="true") as world:  # type: ignore[arg-type]
        await world.person()
        async with world.browser() as browser:
            answers = [await register(browser, email) for email in ("Ada@example.com", "grace@example.com")]
            assert [(answer.status_code, answer.headers["location"]) for answer in answers] == [
                (303, "/register/sent")
            ] * 2
            headers = [sorted(name for name in answer.headers if name != "x-request-id") for answer in answers]
            assert headers[0] == headers[1]
            assert "A letter is on its way to you." in words_of(await browser.get("/register/sent"))
            known, unknown = await one_letter(world, "already_registered"), await one_letter(world, "register")
            assert (known.to, unknown.to) == ("ada@example.com", "grace@example.com")
            joined = await send(browser, path_of(unknown.link()), **GOOD)
            assert (joined.status_code, joined.headers["location"]) == (303, "/")
        person = await found(world, "grace@example.com")
        assert person is not None
        assert not person.is_admin
        created = [event["data"] for event in await world.events("admin.person_created")]
        assert {"is_admin": False, "via": "registration"} in created
        asked = [event["data"] for event in await world.events("admin.registration_asked")]
        assert [sorted(data) for data in asked if isinstance(data, dict)] == [["found"], ["found", "typed_digest"]]


async def test_registering_is_limited_by_mailbox_and_by_address(database_url: str, tmp_path: object) -> None:
    settings = {"registration__open": "true", "rate__per_address": "7"}
    async with open_world(database_url, tmp_path, **settings) as world:  # type: ignore[arg-type]
        object.__setattr__(world.services.settings, "refusal_deadline", world.services.settings.recovery_ttl * 0)
        async with world.browser() as browser:
            hidden = hidden_fields(await browser.get("/register"))
            codes = [(await post(browser, "/register", hidden, email="x@example.com")).status_code for _ in range(8)]
            assert codes == [303] * 7 + [429]
            assert len(await letters(world, "register")) == 5
            faulty = await post(browser, "/register", hidden, email="x@")
            assert faulty.status_code == 400
            assert "must look like name@example.com" in words_of(faulty)
            assert (await post(browser, "/register", {}, email="x@example.com")).headers["location"] == "/register"
        refused = [event["data"] for event in await world.events("admin.link_refused")]
        reasons = [data["reason"] for data in refused if isinstance(data, dict) and data["kind"] == "register"]
        assert reasons == ["address_limit", "faulty_address", "foreign_form"]
        assert (await browser_get_status(world, await link_path(world, "register"))) == 200


async def test_a_stranger_who_registers_the_address_ends_no_invitation(database_url: str, tmp_path: object) -> None:
    """S22: anybody may register any address; an administrator's invitation is worth more."""
    async with open_world(database_url, tmp_path, registration__open="true") as world:  # type: ignore[arg-type]
        paths = [await invited(world, is_admin=True), await invited(world, "other@example.com", mail=False)]
        async with world.browser() as stranger:
            for email in ("grace@example.com", "other@example.com"):
                await register(stranger, email)
        first = await link_path(world, "register")
        async with world.browser() as stranger:
            await register(stranger, "other@example.com")
        assert [await browser_get_status(world, path) for path in paths] == [200, 200]
        assert await browser_get_status(world, first) == 404, "a newer registration ends the older one"


async def test_a_link_is_no_way_to_try_names_or_to_cost_hashes(
    database_url: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S23: addresses have their share here, too, and a taken name is refused before anything is hashed."""
    async with open_world(database_url, tmp_path, rate__per_address="3") as world:  # type: ignore[arg-type]
        await world.person()
        path, hashed = await invited(world), []

        async def count(password: str) -> str:
            hashed.append(password)
            return await make(password)

        make = world.services.hashes.hash
        monkeypatch.setattr(world.services.hashes, "hash", count)
        async with world.browser() as browser:
            hidden = hidden_fields(await browser.get(path))
            taken = [await post(browser, path, hidden, **{**GOOD, "username": "ada"}) for _ in range(4)]
            assert [page.status_code for page in taken] == [400, 400, 400, 429]
            assert "Username: belongs to another account" in words_of(taken[0])
            assert hashed == []
            assert int(taken[3].headers["retry-after"]) > 0
        async with world.browser(address="203.0.113.9") as elsewhere:
            assert (await send(elsewhere, path, **GOOD)).status_code == 303
        refused = [event["data"] for event in await world.events("admin.link_refused")]
        assert {"kind": "invite", "reason": "address_limit"} in refused


async def browser_get_status(world: World, path: str) -> int:
    """What a fresh browser is answered."""
    async with world.browser() as browser:
        return (await browser.get(path)).status_code
