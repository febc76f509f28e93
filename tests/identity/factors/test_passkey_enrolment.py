"""Adding a passkey through the real pages: who may, what is kept, and what is refused (S17, S29, S30)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import update

from identity.tables import people
from tests.forms_browser import FormsBrowser
from tests.identity.factors.passkey_authenticator import BE, BS, UP, UV, Authenticator, Maker, b64, unb64
from tests.identity.factors.passkey_ceremonies import (
    ENROL,
    ask_options,
    begin,
    give_passkey,
    make_passkey,
    passkey_form,
    send_answer,
    stored_passkeys,
    use_passkey,
    words_of,
)
from tests.identity.factors.steps import codes_in, count_sessions, give_app
from tests.world import ISSUER, PASSWORD, World, open_world

pytestmark = pytest.mark.anyio

APPLE = "fbfc3007-154e-4ecc-8c0b-6e020557d7bd"


async def test_the_first_passkey_is_kept_as_it_is_and_brings_backup_codes(world: World) -> None:
    person = await world.person()
    key = Authenticator(flags=UP | UV | BE | BS, count=4)
    async with world.browser() as http:
        await world.sign_in(http, person)
        page = await make_passkey(http, key, label="  My   laptop ")
        assert page.status == 200
        assert len(codes_in(page)) == 10
    [row] = await stored_passkeys(world)
    assert (row["kind"], row["label"], row["external_id"]) == ("passkey", "My laptop", key.credential_id)
    assert (row["backup_eligible"], row["backup_state"], row["sign_count"]) == (True, True, 4)
    attributes = row["attributes"]
    assert isinstance(attributes, dict)
    assert set(attributes) == {"public_key", "handle", "aaguid", "transports"}
    assert attributes["transports"] == ["internal"]
    [enrolled] = await world.events("mfa.enrolled")
    assert isinstance(row["id"], bytes)
    assert enrolled["data"] == {"method": "passkey", "credential": f"fac_{row['id'].hex()}"}
    assert enrolled["subject"] == f"usr_{person.id.hex()}"


async def test_a_second_passkey_leads_back_to_the_account(world: World) -> None:
    person = await world.person()
    first = await give_passkey(world, person)
    async with world.browser() as http:
        begun = await begin(http)
        await send_answer(http, begun.page, first.get(begun.options))
        page = await FormsBrowser(http, ISSUER).open(ENROL)
        options = await ask_options(http, page)
        assert options["excludeCredentials"] == [
            {"type": "public-key", "id": b64(first.credential_id), "transports": ["internal"]}
        ]
        second = Authenticator(aaguid=bytes.fromhex(APPLE.replace("-", "")))
        form = {**passkey_form(page).fields, "credential": second.create(options)}
        done = await http.post(ENROL, data=form, headers={"origin": ISSUER})
    assert (done.status_code, done.headers["location"]) == (303, "/account/security")
    assert [row["label"] for row in await stored_passkeys(world)] == ["Passkey", "Apple Passwords"]


async def test_the_handle_says_nothing_and_is_the_same_for_all_passkeys_of_a_person(world: World) -> None:
    """§14.6.1: neither account id nor mail address; and another person has another one."""
    ada, grace = await world.person(), await world.person("grace")
    first, second = await give_passkey(world, ada), Authenticator()
    async with world.browser() as http:
        begun = await begin(http)
        await send_answer(http, begun.page, first.get(begun.options))
        await make_passkey(http, second)
    other = await give_passkey(world, grace)
    assert first.handle == second.handle != other.handle
    assert first.handle is not None
    assert len(first.handle) == 32
    for known in (ada.id, ada.id.hex().encode(), ada.sub.encode(), b"ada", b"ada@example.com"):
        assert known not in first.handle


async def test_the_options_name_the_person_as_they_know_themselves(world: World) -> None:
    person = await world.person()
    async with world.browser() as http:
        await world.sign_in(http, person)
        options = await ask_options(http, await FormsBrowser(http, ISSUER).open(ENROL))
    user = options["user"]
    assert isinstance(user, dict)
    assert (user["name"], user["displayName"]) == ("ada", "Ada Byron")
    assert len(unb64(str(options["challenge"]))) == 32


async def test_a_passkey_is_added_within_a_sign_in_that_demands_one(world: World) -> None:
    """It counts as proven there: the person was verified, on our page, a moment ago."""
    await world.person()
    client = await world.client()
    async with world.browser() as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open(world.authorize_url(client, acr_values="phr", claims=_ESSENTIAL_PHR))
        page = await browser.sign_in(page, "ada", PASSWORD)
        assert page.url == f"{ISSUER}/enrol"
        before = await count_sessions(world)
        page = await make_passkey(http, Authenticator())
        assert len(codes_in(page)) == 10
        page = await browser.submit(page, page.form("action", "code"), action="done")
        assert "code" in page.params, page.text
        assert await count_sessions(world) == before + 1


_ESSENTIAL_PHR = json.dumps({"id_token": {"acr": {"essential": True, "values": ["phr"]}}})


async def test_only_who_proved_themselves_just_now_may_add_one(world: World) -> None:
    """S29: also for the options and for the answer, where the page was opened in time."""
    person = await world.person()
    key = Authenticator()
    async with world.browser() as http:
        assert (await http.get(ENROL)).headers["location"] == "/signin"
        assert (await http.post(f"{ENROL}/options", headers={"origin": ISSUER})).status_code == 403
        await world.sign_in(http, person)
        page = await FormsBrowser(http, ISSUER).open(ENROL)
        answer = key.create(await ask_options(http, page))
        world.clock.move(minutes=11)
        form = passkey_form(page).fields
        assert (await http.post(f"{ENROL}/options", data=form, headers={"origin": ISSUER})).status_code == 403
        late = await http.post(ENROL, data={**form, "credential": answer}, headers={"origin": ISSUER})
        assert (late.status_code, late.headers["location"]) == (303, "/signin")
        assert (await http.get(ENROL)).headers["location"] == "/signin"
    assert await stored_passkeys(world) == []


async def test_who_has_an_app_adds_a_passkey_only_after_a_code_of_it(world: World) -> None:
    """S29: or a stolen password would be enough to add one's own."""
    person = await world.person()
    await give_app(world, person)
    async with world.browser() as http:
        await world.sign_in(http, person)
        assert (await http.get(ENROL)).headers["location"] == "/signin"
        assert (await FormsBrowser(http, ISSUER).open("/signin")).form("password").action == "/signin"


@pytest.mark.parametrize("owner", ["ada", "grace"])
async def test_a_passkey_belongs_to_one_account_once(world: World, owner: str) -> None:
    """§7.1: a credential id that is known is refused, also where it is somebody else's."""
    people = {name: await world.person(name) for name in ("ada", "grace")}
    key = await give_passkey(world, people[owner])
    twin = Authenticator(credential_id=key.credential_id)
    async with world.browser() as http:
        if owner == "ada":
            begun = await begin(http)
            await send_answer(http, begun.page, key.get(begun.options))
        else:
            await world.sign_in(http, people["ada"])
        page = await make_passkey(http, twin)
    assert page.status == 400
    assert "This passkey is registered already." in words_of(page)
    [row] = await stored_passkeys(world)
    assert row["person_id"] == people[owner].id


async def test_an_answer_that_does_not_hold_adds_nothing(world: World) -> None:
    """S30: what is refused is told by the event, in the same words to everybody."""
    person = await world.person()
    async with world.browser() as http:
        await world.sign_in(http, person)
        page = await FormsBrowser(http, ISSUER).open(ENROL)
        for flags, client, reason in (
            (UP, {}, "user_not_verified"),
            (UV, {}, "user_not_present"),
            (UP | UV, {"origin": "https://evil.example"}, "wrong_origin"),
            (UP | UV, {"challenge": b64(bytes(32))}, "unknown_challenge"),
        ):
            answer = Authenticator(flags=flags).create(await ask_options(http, page), **client)
            page = await send_answer(http, page, answer, label="kept")
            assert page.status == 400
            assert "The passkey was not added." in words_of(page)
            assert passkey_form(page).fields["label"] == "kept"
            assert (await world.events("mfa.failed"))[-1]["data"] == {"method": "passkey", "reason": reason}
        assert (await send_answer(http, page, "")).status == 400
        assert (await send_answer(http, page, "[]")).status == 400
    assert await stored_passkeys(world) == []


async def test_a_challenge_adds_one_passkey_in_the_browser_that_asked(world: World) -> None:
    """S17: not twice, not in another browser, not for another person, and none of a sign-in."""
    ada, grace = await world.person(), await world.person("grace")
    async with world.browser() as http, world.browser() as other:
        await world.sign_in(http, ada)
        await world.sign_in(other, grace)
        page = await FormsBrowser(http, ISSUER).open(ENROL)
        foreign = await FormsBrowser(other, ISSUER).open(ENROL)
        key = Authenticator()
        assert (await send_answer(other, foreign, key.create(await ask_options(http, page)))).status == 400
        form = {**passkey_form(page).fields}
        answers = [Authenticator().create(await ask_options(http, page))] * 4
        sent = [http.post(ENROL, data={**form, "credential": one}, headers={"origin": ISSUER}) for one in answers]
        answered = await asyncio.gather(*sent)
        assert [one.status_code for one in answered].count(200) == 1
    assert len(await stored_passkeys(world)) == len(await world.events("mfa.enrolled")) == 1


async def test_there_can_be_ten(world: World) -> None:
    person = await world.person()
    key = await give_passkey(world, person)
    async with world.browser() as http:
        begun = await begin(http)
        await send_answer(http, begun.page, key.get(begun.options))
        for _ in range(9):
            assert (await make_passkey(http, Authenticator())).status in (200, 404)
        page = await make_passkey(http, Authenticator())
    assert page.status == 400
    assert "There can be ten of these at most; remove one first." in words_of(page)
    assert len(await stored_passkeys(world)) == 10


async def test_a_name_that_is_none_is_refused(world: World) -> None:
    person = await world.person()
    async with world.browser() as http:
        await world.sign_in(http, person)
        page = await make_passkey(http, Authenticator(), label="x" * 65)
    assert page.status == 400
    assert "must be printable text of at most 64 characters" in words_of(page)


@pytest.mark.parametrize("path", [ENROL, f"{ENROL}/options"])
async def test_forms_that_are_not_ours_are_refused(world: World, path: str) -> None:
    """S17"""
    person = await world.person()
    async with world.browser() as http:
        await world.sign_in(http, person)
        form = passkey_form(await FormsBrowser(http, ISSUER).open(ENROL)).fields
        for data, headers in (
            ({}, {"origin": ISSUER}),
            ({**form, "form_token": "x"}, {"origin": ISSUER}),
            (form, {"origin": "https://evil.example"}),
        ):
            assert (await http.post(path, data=data, headers=headers)).status_code == 400


async def test_a_key_whose_maker_is_trusted_reaches_the_highest_level(database_url: str, tmp_path: Path) -> None:
    """AAL3 only by a key that cannot be copied and that a configured root vouches for (NIST SP 800-63B-4 §2.3)."""
    maker = Maker.new()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(Maker.new().root + maker.root)
    aal3 = json.dumps({"id_token": {"acr": {"essential": True, "values": ["urn:ostiary:aal3"]}}})
    async with open_world(database_url, tmp_path, passkey__attestation_roots=str(roots)) as world:
        person, client = await world.person(), await world.client()
        key = await give_passkey(world, person, Authenticator(flags=UP | UV, maker=maker))
        assert [row["kind"] for row in await stored_passkeys(world)] == ["passkey_attested"]
        async with world.browser() as http:
            page = await FormsBrowser(http, ISSUER).open(world.authorize_url(client, claims=aal3))
            done = await use_passkey(http, page, key)
            assert "code" in done.params, done.text
            redeemed = await world.token(
                client,
                grant_type="authorization_code",
                code=done.params["code"],
                redirect_uri="https://app.example.com/callback",
                code_verifier=world.verifiers[done.params["state"]],
            )
    [_, body, _] = redeemed.json()["id_token"].split(".")
    claims = json.loads(unb64(body))
    assert (claims["acr"], claims["amr"]) == ("urn:ostiary:aal3", ["hwk", "mfa", "user"])


async def test_the_page_speaks_the_persons_language(world: World) -> None:
    """The one of their profile comes before the browser's; a new passkey is named in it."""
    person = await world.person()
    async with world.services.database.transaction() as db:
        spoken = update(people).where(people.c.id == person.id).values(profile={**person.profile, "locale": "tr"})
        await db.execute(spoken)
    async with world.browser() as http:
        await world.sign_in(http, person)
        page = await FormsBrowser(http, ISSUER).open(ENROL)
        assert "Geçiş anahtarı ekle" in words_of(page)
        await send_answer(http, page, Authenticator().create(await ask_options(http, page)))
    assert [row["label"] for row in await stored_passkeys(world)] == ["Geçiş anahtarı"]
