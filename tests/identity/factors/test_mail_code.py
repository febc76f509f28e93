"""A code by mail in place of a second factor: one sign-in, one browser, once, ten minutes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from base.tables import outbox
from identity.factors.mail_code import mask_address, new_code
from identity.mail.letter_values import Letter
from identity.mail.outbox import open_letter
from identity.tables import single_use
from tests.forms_browser import FormsBrowser, Page
from tests.identity.factors.steps import count_sessions, give_app, give_codes, send_code, to_second_step
from tests.identity.forms import words_of
from tests.oauth.tokens_read import claims_of
from tests.world import ISSUER, Answer, World, open_world

PATH = "/signin/mail-code"


def test_a_code_has_eight_digits_even_where_it_begins_with_zeros() -> None:
    assert new_code(lambda _: 7) == "00000007"
    assert len(new_code()) == 8


@pytest.mark.parametrize(
    ("address", "shown"), [("ada@example.com", "a•••@example.com"), ("a@b.example", "a•••@b.example")]
)
def test_an_address_is_shown_by_its_first_letter(address: str, shown: str) -> None:
    assert mask_address(address) == shown


async def letters(world: World) -> list[Letter]:
    """The letters with codes, oldest first."""
    async with world.services.database.reading() as db:
        rows = await db.execute(select(outbox).where(outbox.c.kind == "mail_code").order_by(outbox.c.id))
        return [open_letter(world.services.sealer, row.id, row.sealed) for row in rows]


async def newest_code(world: World) -> str:
    return str((await letters(world))[-1].facts["code"])


async def ask(http: httpx2.AsyncClient) -> Page:
    """Asks for a code on the page that is open; the page that comes then."""
    browser = FormsBrowser(http, ISSUER)
    page = await browser.open(PATH)
    form = next(form for form in page.forms if ("action", "send") in form.buttons)
    return await browser.submit(page, form, action="send")


async def _ada(world: World) -> None:
    await give_app(world, await world.person())


@pytest.mark.anyio
async def test_a_mailed_code_signs_in_and_is_no_second_factor(world: World) -> None:
    """S28: `acr` stays at the first level."""
    await _ada(world)
    client = await world.client()
    async with world.browser() as http:
        page = await to_second_step(world, http, world.authorize_url(client))
        assert f'href="{PATH}"' in page.text
        page = await FormsBrowser(http, ISSUER).open(PATH)
        assert "a•••@example.com" in words_of(page.response)
        assert "ada@example.com" not in page.text
        assert await letters(world) == []
        page = await ask(http)
        assert page.url == ISSUER + PATH
        assert "on its way" in words_of(page.response)
        assert "remember" not in page.form("code").fields
        [letter] = await letters(world)
        assert letter.to == "ada@example.com"
        done = await send_code(http, page, str(letter.facts["code"]))
        assert "code" in done.params
    tokens = (await world.redeem(client, Answer(done.response, done.url, done.params))).json()
    claims = claims_of(tokens["id_token"])
    assert (claims["acr"], claims["amr"]) == ("urn:ostiary:aal1", ["mca", "pwd"])
    assert [event["data"] for event in await world.events("mfa.code_mailed")] == [{"purpose": "signin"}]


@pytest.mark.anyio
async def test_it_works_once_in_the_browser_that_asked(world: World) -> None:
    """S17, I1"""
    await _ada(world)
    async with world.browser() as http, world.browser() as other:
        await to_second_step(world, http)
        page = await ask(http)
        code = await newest_code(world)
        await to_second_step(world, other)
        theirs = await ask(other)
        assert (await send_code(other, theirs, code)).status == 403
        form = {**page.form("code").fields, "code": code}
        answers = await asyncio.gather(*(http.post(PATH, data=form) for _ in range(10)))
        assert sorted(answer.status_code for answer in answers) == [303] + [400] * 9
    assert await count_sessions(world) == 1


@pytest.mark.anyio
async def test_a_newer_code_kills_the_one_before(world: World) -> None:
    await _ada(world)
    async with world.browser() as http:
        await to_second_step(world, http)
        await ask(http)
        first = await newest_code(world)
        page = await ask(http)
        assert (await send_code(http, page, first)).status == 403
        assert (await send_code(http, page, (await newest_code(world)).replace(" ", ""))).url == f"{ISSUER}/"


@pytest.mark.anyio
async def test_it_is_old_after_ten_minutes(world: World) -> None:
    await _ada(world)
    async with world.browser() as http:
        await to_second_step(world, http)
        page = await ask(http)
        world.clock.move(minutes=10)
        assert (await send_code(http, page, await newest_code(world))).status == 403
    [failed] = await world.events("mfa.failed")
    assert failed["data"] == {"method": "mail_code", "reason": "no_code_sent"}


@pytest.mark.anyio
async def test_three_are_sent_a_sign_in_and_five_an_hour(world: World) -> None:
    await _ada(world)
    for sent in (3, 2):
        async with world.browser() as http:
            await to_second_step(world, http)
            for _ in range(sent):
                assert (await ask(http)).status == 200
            refused = await ask(http)
            assert refused.status == 429
            assert "No more codes are sent for now." in words_of(refused.response)
    assert len(await letters(world)) == 5
    assert {str(event["data"]) for event in await world.events("mfa.refused")} == {
        "{'method': 'mail_code', 'reason': 'mail_limit'}"
    }


@pytest.mark.anyio
async def test_its_failures_have_a_counter_of_their_own(world: World) -> None:
    """S23: guessing stops after five, over all codes that are asked for, and the app still works."""
    person = await world.person()
    app = await give_app(world, person)
    async with world.browser() as http:
        await to_second_step(world, http)
        page = await ask(http)
        for guess in range(5):
            assert (await send_code(http, page, f"{guess:08d}")).status == 403
        page = await ask(http)
        assert (await send_code(http, page, await newest_code(world))).status == 403
        page = await FormsBrowser(http, ISSUER).open("/signin/totp")
        assert (await send_code(http, page, app.code())).url == f"{ISSUER}/"
    [locked] = await world.events("lockout.started")
    assert locked["data"]["scope"] == "mail_code"  # type: ignore[index]


@pytest.mark.anyio
async def test_only_a_keyed_hash_of_it_is_stored(world: World) -> None:
    """S46"""
    await _ada(world)
    async with world.browser() as http:
        await to_second_step(world, http)
        page = await ask(http)
        code = (await newest_code(world)).replace(" ", "")
        async with world.services.database.reading() as db:
            rows = (await db.execute(select(single_use).where(single_use.c.kind == "mail_code"))).all()
        assert code not in repr(rows)
        assert code not in page.text
    assert code not in repr(await world.events())


@pytest.mark.anyio
async def test_nothing_is_mailed_on_a_get_nor_where_it_is_not_allowed(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url, tmp_path) as world:
        person = await world.person()
        await give_app(world, person)
        await give_codes(world, person)
        async with world.browser() as http:
            page = await to_second_step(world, http)
            assert PATH not in page.text
            assert (await http.get(PATH)).headers["location"] == "/signin/totp"
            form = {**page.form("code").fields, "action": "send"}
            assert (await http.post(PATH, data=form)).status_code == 400
        assert await letters(world) == []
