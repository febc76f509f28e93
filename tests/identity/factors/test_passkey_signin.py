"""Signing in by passkey through the real pages, and what must let nobody in (S17, S22, S23, S24, S30)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from identity.accounts import set_person_state
from identity.values import PersonState
from tests.forms_browser import FormsBrowser
from tests.identity.factors.passkey_authenticator import BE, UP, UV, Authenticator, b64
from tests.identity.factors.passkey_ceremonies import (
    SIGN_IN,
    ask_options,
    begin,
    give_passkey,
    passkey_form,
    send_answer,
    stored_passkeys,
    use_passkey,
    words_of,
)
from tests.identity.factors.steps import count_sessions, give_app, to_second_step
from tests.world import ISSUER, PASSWORD, World, open_world

pytestmark = pytest.mark.anyio

NOT_HERE = "That passkey did not work here."


def _claims(id_token: str) -> dict[str, object]:
    body = id_token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return claims


async def test_a_passkey_alone_signs_in_without_a_username(world: World) -> None:
    """One ceremony is two factors; tokens say what really happened (S28)."""
    person = await world.person()
    key = await give_passkey(world, person)
    client = await world.client()
    before = len(await world.events("login.succeeded"))
    async with world.browser() as http:
        begun = await begin(http, world.authorize_url(client, acr_values="phr"))
        assert begun.options["allowCredentials"] == []
        done = await send_answer(http, begun.page, key.get(begun.options))
        assert "code" in done.params, done.text
        redeemed = await world.token(
            client,
            grant_type="authorization_code",
            code=done.params["code"],
            redirect_uri="https://app.example.com/callback",
            code_verifier=world.verifiers[done.params["state"]],
        )
    claims = _claims(redeemed.json()["id_token"])
    assert (claims["sub"], claims["acr"], claims["amr"]) == (person.sub, "phr", ["mfa", "swk", "user"])
    [*_, succeeded] = await world.events("login.succeeded")
    assert len(await world.events("login.succeeded")) == before + 1
    assert succeeded["data"] == {"methods": ["passkey"], "new_device": True}
    [stored] = await stored_passkeys(world)
    assert stored["last_used_at"] is not None


async def test_a_passkey_is_the_second_step_after_a_password(world: World) -> None:
    """The browser is told of this person's passkeys only after the password, and of those alone."""
    key = await give_passkey(world, await world.person())
    await give_passkey(world, await world.person("grace"))
    async with world.browser() as http:
        page = await to_second_step(world, http)
        assert page.url.endswith(SIGN_IN)
        assert "Ada Byron" in words_of(page)
        options = await ask_options(http, page)
        assert options["allowCredentials"] == [
            {"type": "public-key", "id": b64(key.credential_id), "transports": ["internal"]}
        ]
        done = await send_answer(http, page, key.get(options))
        assert done.url == f"{ISSUER}/"


async def test_the_page_names_the_other_ways_of_the_second_step(world: World) -> None:
    person = await world.person()
    await give_passkey(world, person)
    await give_app(world, person)
    async with world.browser() as http:
        page = await to_second_step(world, http)
    assert page.url.endswith(SIGN_IN)
    assert 'href="/signin/totp"' in page.text
    assert 'href="/signin"' not in page.text


async def test_passkeys_have_a_page_of_their_own_before_anybody_is_known(world: World) -> None:
    key = await give_passkey(world, await world.person())
    async with world.browser() as http:
        assert (await http.get(SIGN_IN)).headers["location"] == "/signin"
        await http.get("/signin")
        page = await FormsBrowser(http, ISSUER).open(SIGN_IN)
        assert "Sign in with a passkey" in words_of(page)
        assert 'href="/signin"' in page.text
        assert (await use_passkey(http, page, key)).url == f"{ISSUER}/"


async def test_kept_signed_in_by_a_passkey_as_by_a_password(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url, tmp_path, session__keep_s="86400") as world:
        key = await give_passkey(world, await world.person())
        for keep, age in (("yes", "Max-Age=86400"), ("", None)):
            async with world.browser() as http:
                begun = await begin(http)
                answer = key.get(begun.options)
                form = {**passkey_form(begun.page).fields, "credential": answer, "keep": keep}
                done = await http.post(SIGN_IN, data=form, headers={"origin": ISSUER})
            [cookie] = [one for one in done.headers.get_list("set-cookie") if "_session=" in one]
            assert ("Max-Age" in cookie) is (age is not None)
            assert age is None or age in cookie


async def test_a_browser_may_be_remembered_after_a_second_step(world: World) -> None:
    """Where it was asked for; a passkey that begins a sign-in needs no second step, so there is nothing to remember."""
    key = await give_passkey(world, await world.person())
    async with world.browser() as http:
        begun = await begin(http)
        assert "remember" not in passkey_form(begun.page).fields
        await send_answer(http, begun.page, key.get(begun.options), remember="yes")
        assert await world.events("device.remembered") == []
    async with world.browser() as http:
        page = await to_second_step(world, http)
        assert (await use_passkey(http, page, key, remember="yes")).url == f"{ISSUER}/"
        assert len(await world.events("device.remembered")) == 1
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open(world.authorize_url(await world.client(), prompt="login"))
        assert "code" in (await browser.sign_in(page, "ada", PASSWORD)).params


# ---------------------------------------------------------------- what must not let anybody in

Lie = Callable[[Authenticator], str]


def _lies(key: Authenticator, options: dict[str, object]) -> dict[str, Lie]:
    def with_flags(flags: int) -> Lie:
        def answer(liar: Authenticator) -> str:
            liar.flags = flags
            return liar.get(options)

        return answer

    def with_handle(liar: Authenticator) -> str:
        liar.handle = b"somebody else"
        return liar.get(options)

    return {
        "bad_signature": lambda liar: liar.get(options, signed_by=Authenticator()),
        "user_not_verified": with_flags(UP | BE),
        "user_not_present": with_flags(UV | BE),
        "backup_flags": with_flags(UP | UV),
        "wrong_origin": lambda liar: liar.get(options, origin="https://evil.example"),
        "cross_origin": lambda liar: liar.get(options, crossOrigin=True),
        "wrong_type": lambda liar: liar.get(options, type="webauthn.create"),
        "unknown_challenge": lambda liar: liar.get(options, challenge=b64(bytes(32))),
        "foreign_handle": with_handle,
        "unknown_credential": lambda _: Authenticator(handle=key.handle).get(options),
        "malformed": lambda _: "{}",
    }


LIES = tuple(_lies(Authenticator(), {"challenge": ""}))


async def test_every_answer_that_does_not_hold_is_refused_in_the_same_words(world: World) -> None:
    """S22, S30: bogus signature, missing UV, missing UP and the rest; what differs is told by the event alone."""
    key = await give_passkey(world, await world.person())
    pages = set()
    for reason in LIES:
        async with world.browser(address=f"198.51.100.{LIES.index(reason) + 10}") as http:
            begun = await begin(http)
            liar = Authenticator(key=key.key, credential_id=key.credential_id, handle=key.handle)
            answer = _lies(key, dict(begun.options))[reason](liar)
            refused = await send_answer(http, begun.page, answer)
            assert refused.status == 403, reason
            token = passkey_form(refused).fields["form_token"]
            pages.add(refused.text.replace(token, ""))
            headers = {name: value for name, value in refused.response.headers.items() if name != "x-request-id"}
            pages.add(json.dumps(sorted(headers.items())))
            again = await use_passkey(http, refused, key)
            assert again.url == f"{ISSUER}/", f"after {reason} a good answer works"
    assert len(pages) == 2, "one text and one set of headers"
    failed = await world.events("login.failed")
    assert [event["data"] for event in failed] == [{"reason": f"passkey_{reason}"} for reason in LIES]


@pytest.mark.parametrize("state", ["suspended", "disabled"])
async def test_who_may_not_sign_in_is_refused_as_anybody_else(world: World, state: PersonState) -> None:
    """S18, S22"""
    person = await world.person()
    key = await give_passkey(world, person)
    async with world.services.database.transaction() as db:
        await set_person_state(db, world.services, person.id, state, now=world.clock(), actor="cli")
    before = await count_sessions(world)
    async with world.browser() as http:
        begun = await begin(http)
        refused = await send_answer(http, begun.page, key.get(begun.options))
    assert refused.status == 403
    assert NOT_HERE in words_of(refused)
    assert await count_sessions(world) == before
    [failed] = await world.events("login.failed")
    assert failed["data"] == {"reason": "passkey_account_not_active"}
    assert failed["subject"] == f"usr_{person.id.hex()}"


async def test_a_challenge_is_answered_once(world: World) -> None:
    """S17: the same answer again, and another answer to the same challenge, in the same browser."""
    key = await give_passkey(world, await world.person())
    async with world.browser() as http:
        begun = await begin(http)
        refused = await send_answer(http, begun.page, key.get(begun.options, signed_by=Authenticator()))
        assert (await send_answer(http, refused, key.get(begun.options))).status == 403
    reasons = [event["data"] for event in await world.events("login.failed")]
    assert reasons == [{"reason": "passkey_bad_signature"}, {"reason": "passkey_unknown_challenge"}]


async def test_an_answer_counts_only_in_the_browser_that_asked(world: World) -> None:
    """S17: neither a stolen answer nor somebody else's challenge."""
    key = await give_passkey(world, await world.person())
    async with world.browser() as victim, world.browser() as thief:
        asked, own = await begin(victim), await begin(thief)
        stolen = key.get(asked.options)
        refused = await send_answer(thief, own.page, stolen)
        assert refused.status == 403
        assert (await send_answer(victim, asked.page, stolen)).status == 403, "it was spent by being named"
        assert (await use_passkey(victim, asked.page, key)).url == f"{ISSUER}/"


async def test_a_challenge_dies_after_five_minutes(world: World) -> None:
    key = await give_passkey(world, await world.person())
    async with world.browser() as http:
        begun = await begin(http)
        world.clock.move(seconds=301)
        assert (await send_answer(http, begun.page, key.get(begun.options))).status == 403


async def test_a_challenge_for_adding_a_passkey_signs_nobody_in(world: World) -> None:
    person = await world.person()
    key = await give_passkey(world, person)
    async with world.browser() as http:
        await world.sign_in(http, person)
        asked = await ask_options(http, await FormsBrowser(http, ISSUER).open("/enrol/passkey"))
        begun = await begin(http, world.authorize_url(await world.client(), prompt="login"))
        assert (await send_answer(http, begun.page, key.get(asked))).status == 403


async def test_another_persons_passkey_is_no_second_step(world: World) -> None:
    """S17: a password of one and a passkey of another make nobody."""
    await give_passkey(world, await world.person())
    foreign = await give_passkey(world, await world.person("grace"))
    async with world.browser() as http:
        page = await to_second_step(world, http)
        refused = await use_passkey(http, page, foreign)
        assert refused.status == 403
        assert refused.url.endswith(SIGN_IN)
    [failed] = await world.events("mfa.failed")
    assert failed["data"] == {"method": "passkey", "reason": "other_person"}


async def test_a_passkey_that_was_removed_meanwhile_proves_nothing(world: World) -> None:
    from identity.factors.registry import remove_factor

    person = await world.person()
    key = await give_passkey(world, person)
    [stored] = await stored_passkeys(world)
    async with world.browser() as http:
        begun = await begin(http)
        async with world.services.database.transaction() as db:
            credential = stored["id"]
            assert isinstance(credential, bytes)
            await remove_factor(db, world.services, person.id, credential, why="removed", now=world.clock())
        assert (await send_answer(http, begun.page, key.get(begun.options))).status == 403


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize("path", [SIGN_IN, f"{SIGN_IN}/options"])
async def test_forms_that_are_not_ours_are_refused(world: World, path: str) -> None:
    """S17: without the token, from another site, without a flow."""
    async with world.browser() as http:
        page = (await begin(http)).page
        token = passkey_form(page).fields["form_token"]
        for data, headers in (
            ({}, {"origin": ISSUER}),
            ({"form_token": "x"}, {"origin": ISSUER}),
            ({"form_token": token}, {"origin": "https://evil.example"}),
            ({"form_token": token}, {"origin": ISSUER, "sec-fetch-site": "cross-site"}),
        ):
            assert (await http.post(path, data=data, headers=headers)).status_code == 400
        http.cookies.clear()
        answer = await http.post(path, data={"form_token": token}, headers={"origin": ISSUER})
        assert answer.status_code == 400
    assert {event["data"]["reason"] for event in await world.events("login.refused")} == {"foreign_form"}  # type: ignore[index]


async def test_an_empty_form_is_refused_and_stays(world: World) -> None:
    async with world.browser() as http:
        begun = await begin(http)
        page = await send_answer(http, begun.page, "")
        assert page.status == 400
        assert "No passkey was used" in words_of(page)
    assert (await world.events("login.refused"))[-1]["data"] == {"reason": "empty_form"}


async def test_a_passkey_out_of_order_is_refused(world: World) -> None:
    """S17: where the flow asks for consent, and where it asks for another method."""
    person = await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as http:
        page = await FormsBrowser(http, ISSUER).open(world.authorize_url(client))
        form = passkey_form(page)
        await FormsBrowser(http, ISSUER).sign_in(page, "ada", PASSWORD)
        asked = await http.post(f"{form.action}/options", data=form.fields, headers={"origin": ISSUER})
        assert asked.status_code == 400, "the token belongs to the step before"
        assert (await http.get(SIGN_IN)).headers["location"] == "/consent"
    await give_app(world, person)
    async with world.browser() as http:
        page = await to_second_step(world, http)
        assert page.url.endswith("/signin/totp")
        assert (await http.get(SIGN_IN)).headers["location"] == "/signin/totp"
