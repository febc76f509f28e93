"""What all pages of a person's own share: who gets in, which forms count, which language and time they speak."""

from __future__ import annotations

import pytest

from tests.identity.account.own_pages import COOKIE, Own, at_own_pages, give_factor, said
from tests.identity.forms import SAME_ORIGIN, hidden_fields, send_signin, words_of
from tests.world import World

pytestmark = pytest.mark.anyio

PATHS = ("", "/profile", "/security", "/sessions", "/activity", "/apps", "/data", "/delete")
FORMS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("", "", {}),
    ("/profile", "/profile", {"name": "Mallory"}),
    ("/profile", "/profile/emails", {"action": "add", "email": "mallory@example.com"}),
    ("/security", "/security", {"action": "forget_all"}),
    ("/security", "/security/password", {"current": "x", "password": "y", "password_repeat": "y"}),
    ("/sessions", "/sessions", {"action": "end_others"}),
    ("/apps", "/apps", {"client": "cli_" + 32 * "0"}),
    ("/data", "/data", {}),
    ("/delete", "/delete", {"sure": "yes"}),
)


@pytest.mark.parametrize("path", PATHS)
async def test_whoever_is_not_signed_in_signs_in_and_comes_back(world: World, path: str) -> None:
    await world.person()
    async with world.browser() as browser:
        assert said(await browser.get(f"/account{path}")) == "/signin"
        page = await browser.get("/signin")
        assert said(await send_signin(browser, hidden_fields(page), "ada")) == f"/account{path}"
        assert (await browser.get(f"/account{path}")).status_code == 200


async def test_using_the_pages_keeps_the_session_from_idling_out(world: World) -> None:
    """S32"""
    async with at_own_pages(world) as own:
        for _ in range(3):
            world.clock.move(minutes=29)
            assert await own.is_in()
        world.clock.move(minutes=31)
        assert not await own.is_in()


@pytest.mark.parametrize(("page", "to", "fields"), FORMS, ids=[to or "/" for _, to, _ in FORMS])
async def test_a_form_that_is_not_from_its_own_page_changes_nothing(
    world: World, page: str, to: str, fields: dict[str, str]
) -> None:
    """S17: another purpose's token, none, another person's, one from another site, or one of before."""
    async with at_own_pages(world) as own, at_own_pages(world, await world.person("bob")) as bob:
        right = await own.token(page)
        other = await own.token("/profile" if page != "/profile" else "/security")
        before = await world.events()
        cross = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        for token, headers in (
            (other, SAME_ORIGIN),
            ("", SAME_ORIGIN),
            (await bob.token(page), SAME_ORIGIN),
            (right, cross),
        ):
            answer = await own.browser.post(f"/account{to}", data={**fields, "form_token": token}, headers=headers)
            assert answer.status_code == 400
            assert "This form is out of date" in words_of(answer)
        new = (await world.events())[len(before) :]
        assert [(each["name"], each["outcome"]) for each in new] == [("admin.form_refused", "denied")] * 4


async def test_a_form_of_before_a_new_proof_does_not_count(world: World) -> None:
    """S17: the form's secret changes at sign-in."""
    async with at_own_pages(world) as own:
        old = await own.token("/sessions")
        own.browser.cookies.delete(COOKIE)
        await world.sign_in(own.browser, own.person)
        fields = {"form_token": old, "action": "end_others"}
        answer = await own.browser.post("/account/sessions", data=fields, headers=SAME_ORIGIN)
        assert answer.status_code == 400


@pytest.mark.parametrize(("page", "to", "fields"), FORMS, ids=[to or "/" for _, to, _ in FORMS])
async def test_a_form_without_a_session_leads_to_the_sign_in(
    world: World, page: str, to: str, fields: dict[str, str]
) -> None:
    async with world.browser() as browser:
        assert said(await browser.post(f"/account{to}", data=fields, headers=SAME_ORIGIN)) == "/signin"


STALE = {
    "/profile/emails": ("/profile", {"action": "add", "email": "new@example.com"}),
    "/data": ("/data", {}),
    "/security": ("/security", {"action": "remove", "factor": "fac_" + 32 * "0"}),
}


@pytest.mark.parametrize("to", STALE)
async def test_what_guards_the_account_wants_a_fresh_proof(world: World, to: str) -> None:
    """S29"""
    page, fields = STALE[to]
    async with at_own_pages(world) as own:
        world.clock.move(minutes=11)
        before = await world.events()
        assert said(await own.send(page, to=to, **fields)) == "/signin"
        assert await world.events() == before


async def test_deleting_wants_a_fresh_proof_to_look_and_to_ask(world: World) -> None:
    """S29"""
    async with at_own_pages(world) as own:
        token = await own.token("/delete")
        world.clock.move(minutes=11)
        assert said(await own.get("/delete")) == "/signin"
        fields = {"form_token": token, "sure": "yes"}
        assert said(await own.browser.post("/account/delete", data=fields, headers=SAME_ORIGIN)) == "/signin"
    assert await world.events("admin.deletion_asked") == []


async def test_a_password_alone_is_not_fresh_where_there_is_a_second_factor(world: World) -> None:
    """S29"""
    person = await world.person()
    await give_factor(world, person)
    async with at_own_pages(world, person) as own:
        assert said(await own.get("/delete")) == "/signin"
    async with at_own_pages(world, person, methods=("pwd", "totp")) as own:
        assert (await own.get("/delete")).status_code == 200


async def _heading(own: Own, **headers: str) -> str:
    page = await own.browser.get("/account/sessions", headers=headers)
    return words_of(page)


async def test_the_persons_language_comes_before_the_browsers(world: World) -> None:
    async with at_own_pages(world) as own:
        assert "Where you are signed in" in await _heading(own, **{"accept-language": "tr"})
        await own.send("/profile", locale="tr", name="Ada")
        page = await own.browser.get("/account/sessions", headers={"accept-language": "en"})
        assert '<html lang="tr">' in page.text
        assert "Oturumunuzun açık olduğu yerler" in words_of(page)
        await own.send("/profile", locale="")
        assert "Oturumunuzun" in await _heading(own, **{"accept-language": "tr"})


async def test_times_are_in_the_persons_zone_and_it_is_said_which(world: World) -> None:
    async with at_own_pages(world) as own:
        assert "Times are those of Europe/London." in words_of(await own.get())
        await own.send("/profile", zoneinfo="America/New_York")
        assert "Times are those of America/New York." in words_of(await own.get())
        await own.send("/profile", zoneinfo="")
        assert "Times are in UTC" in words_of(await own.get())


async def test_only_known_words_confirm_what_was_done(world: World) -> None:
    async with at_own_pages(world) as own:
        page = await own.get("/sessions?done=others")
        assert "All other sessions are ended." in words_of(page)
        for hostile in ("<script>alert(1)</script>", "password", "%00"):
            page = await own.browser.get("/account/sessions", params={"done": hostile})
            assert 'role="status"' not in page.text
            assert "alert(1)" not in page.text


async def test_pages_carry_the_security_headers_and_no_secret(world: World) -> None:
    """S9, S46"""
    person = await world.person()
    await give_factor(world, person)
    async with at_own_pages(world, person, methods=("pwd", "totp")) as own:
        cookie = own.browser.cookies[COOKIE]
        for path in PATHS:
            page = await own.get(path)
            assert "form-action 'self'" in page.headers["content-security-policy"]
            assert "unsafe" not in page.headers["content-security-policy"]
            assert page.headers["cache-control"] == "no-store"
            for secret in ("<script", "style=", cookie, "sealed-canary", "$argon2"):
                assert secret not in page.text, path
