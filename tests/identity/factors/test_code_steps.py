"""A code as the second step of a sign-in, through the real pages."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from identity.factors.totp import show_secret
from tests.forms_browser import FormsBrowser, Page
from tests.identity.factors.steps import App, count_sessions, give_app, give_codes, send_code, to_second_step
from tests.identity.forms import words_of
from tests.oauth.tokens_read import claims_of
from tests.world import ISSUER, PASSWORD, Answer, World

pytestmark = pytest.mark.anyio

REFUSED = "That code did not work."


async def _data(world: World, name: str) -> list[object]:
    return [event["data"] for event in await world.events(name)]


async def _ada_with_app(world: World) -> App:
    return await give_app(world, await world.person())


async def test_a_password_alone_opens_no_session_where_there_is_an_app(world: World) -> None:
    """S17: not before every proof is there; then flow, session and device cookies are new."""
    app = await _ada_with_app(world)
    async with world.browser() as http:
        page = await to_second_step(world, http)
        assert page.url == f"{ISSUER}/signin/totp"
        assert "Ada Byron" in words_of(page.response)
        assert await count_sessions(world) == 0
        assert (await http.get("/signin")).headers["location"] == "/signin/totp"
        flow = http.cookies["__Host-ostiary_flow"]
        done = await send_code(http, page, app.code())
        assert (done.status, done.url) == (200, f"{ISSUER}/")
        assert http.cookies.get("__Host-ostiary_flow") != flow
    assert await count_sessions(world) == 1
    assert await _data(world, "mfa.succeeded") == [{"method": "totp"}]
    assert await _data(world, "login.succeeded") == [{"methods": ["pwd", "totp"], "new_device": True}]


async def test_an_application_learns_how_the_person_proved_themselves(world: World) -> None:
    """S28"""
    app, client = await _ada_with_app(world), await world.client()
    async with world.browser() as http:
        page = await to_second_step(world, http, world.authorize_url(client))
        assert "Orders" in words_of(page.response)
        done = await send_code(http, page, app.code())
    tokens = (await world.redeem(client, Answer(done.response, done.url, done.params))).json()
    claims = claims_of(tokens["id_token"])
    assert (claims["acr"], claims["amr"]) == ("urn:ostiary:aal2", ["mfa", "otp", "pwd"])


@pytest.mark.parametrize("typed", ["{0} {1}", " {0}-{1} ", "full-width"])
async def test_a_code_is_taken_however_it_is_typed(world: World, typed: str) -> None:
    """S16, S25"""
    app = await _ada_with_app(world)
    code = app.code()
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    sent = wide if typed == "full-width" else typed.format(code[:3], code[3:])
    async with world.browser() as http:
        assert (await send_code(http, await to_second_step(world, http), sent)).url == f"{ISSUER}/"


async def test_a_code_that_signed_somebody_in_signs_nobody_in_again(world: World) -> None:
    """S25"""
    app = await _ada_with_app(world)
    code = app.code()
    async with world.browser() as http, world.browser() as other:
        await send_code(http, await to_second_step(world, http), code)
        again = await send_code(other, await to_second_step(world, other), code)
        assert again.status == 403
        assert REFUSED in words_of(again.response)
    assert await _data(world, "mfa.failed") == [{"method": "totp", "reason": "used_code"}]
    assert await count_sessions(world) == 1


async def test_a_backup_code_signs_in_once(world: World) -> None:
    """S26"""
    person = await world.person()
    await give_app(world, person)
    codes = await give_codes(world, person)
    async with world.browser() as http, world.browser() as other:
        page = await to_second_step(world, http)
        assert 'href="/signin/backup-code"' in page.text
        page = await FormsBrowser(http, ISSUER).open("/signin/backup-code")
        assert "remember" not in page.form("code").fields
        assert (await send_code(http, page, codes[0].lower())).url == f"{ISSUER}/"
        await to_second_step(world, other)
        page = await FormsBrowser(other, ISSUER).open("/signin/backup-code")
        assert (await send_code(other, page, codes[0])).status == 403
    assert await _data(world, "backup_code.used") == [{"left": 9}]
    assert await _data(world, "backup_code.failed") == [{"reason": "wrong_code"}]
    assert await _data(world, "mfa.succeeded") == [{"method": "backup_code"}]


async def _fail(world: World, http: httpx2.AsyncClient, page: Page, code: str, times: int) -> list[str]:
    texts = []
    for _ in range(times):
        page = await send_code(http, page, code)
        assert page.status == 403
        texts.append(words_of(page.response))
    return texts


async def test_five_wrong_codes_close_the_door_for_the_right_one_and_look_like_it(world: World) -> None:
    """S22, S23: a counter of its own, that a new password sign-in does not reset, told by event and letter."""
    app = await _ada_with_app(world)
    async with world.browser() as http:
        page = await to_second_step(world, http)
        texts = await _fail(world, http, page, app.wrong(), 5)
        texts += await _fail(world, http, page, app.code(), 1)
        assert len(set(texts)) == 1
        assert REFUSED in texts[0]
    async with world.browser() as http:
        # The password still opens its own door, and the one behind it stays shut.
        page = await to_second_step(world, http)
        assert page.url == f"{ISSUER}/signin/totp"
        assert (await send_code(http, page, app.code())).status == 403
        world.clock.move(minutes=15)
        assert (await send_code(http, page, app.code())).url == f"{ISSUER}/"
    [locked] = await world.events("lockout.started")
    assert (locked["data"]["failures"], locked["data"]["scope"]) == (5, "totp")  # type: ignore[index]
    assert await _data(world, "mfa.failed") == [{"method": "totp", "reason": "wrong_code"}] * 5
    assert await _data(world, "mfa.refused") == [{"method": "totp", "reason": "locked"}] * 2


async def test_a_right_code_opens_the_counter_again(world: World) -> None:
    app = await _ada_with_app(world)
    for _ in range(3):
        async with world.browser() as http:
            page = await to_second_step(world, http)
            await _fail(world, http, page, app.wrong(), 4)
            assert (await send_code(http, page, app.code())).url == f"{ISSUER}/"
        world.clock.move(seconds=30)
    assert await world.events("lockout.started") == []


async def test_app_and_backup_codes_have_counters_of_their_own(world: World) -> None:
    """S23"""
    person = await world.person()
    app, codes = await give_app(world, person), await give_codes(world, person)
    async with world.browser() as http:
        page = await to_second_step(world, http)
        await _fail(world, http, page, app.wrong(), 5)
        page = await FormsBrowser(http, ISSUER).open("/signin/backup-code")
        assert (await send_code(http, page, codes[0])).url == f"{ISSUER}/"


async def test_a_browser_that_signed_in_before_counts_by_itself(world: World) -> None:
    """S24: whoever has the password and no app cannot shut its owner out."""
    app = await _ada_with_app(world)
    async with world.browser() as home, world.browser() as thief:
        assert (await send_code(home, await to_second_step(world, home), app.code())).url == f"{ISSUER}/"
        world.clock.move(hours=25)
        await _fail(world, thief, await to_second_step(world, thief), app.wrong(), 6)
        assert (await send_code(home, await to_second_step(world, home), app.code())).url == f"{ISSUER}/"


async def test_parallel_wrong_codes_are_looked_at_five_times_at_most(world: World) -> None:
    """S23"""
    app = await _ada_with_app(world)

    async def try_one() -> int:
        async with world.browser() as http:
            return (await send_code(http, await to_second_step(world, http), app.wrong())).status

    assert set(await asyncio.gather(*(try_one() for _ in range(12)))) == {403}
    assert len(await world.events("mfa.failed")) == 5
    assert len(await world.events("mfa.refused")) == 7
    assert len(await world.events("lockout.started")) == 1


async def test_twelve_copies_of_the_right_step_are_one_and_do_not_lock(world: World) -> None:
    """S17, I1: impatient clicks."""
    app, client = await _ada_with_app(world), await world.client()
    async with world.browser() as http:
        page = await to_second_step(world, http, world.authorize_url(client))
        form = {**page.form("code").fields, "code": app.code()}
        answers = await asyncio.gather(*(http.post("/signin/totp", data=form) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [303] + [400] * 11
    assert await count_sessions(world) == 1
    assert len(await world.events("token.code_issued")) == 1
    world.clock.move(seconds=30)
    async with world.browser() as http:
        assert (await send_code(http, await to_second_step(world, http), app.code())).url == f"{ISSUER}/"


async def test_a_pending_step_dies_when_the_account_locks(world: World) -> None:
    """S23: and does not come back to life when the door opens again."""
    app = await _ada_with_app(world)
    async with world.browser() as http, world.browser() as attacker:
        page = await to_second_step(world, http)
        browser = FormsBrowser(attacker, ISSUER)
        signin = await browser.open("/signin")
        for number in range(5):
            await browser.sign_in(signin, "ada", f"wrong {number} by far")
        assert (await send_code(http, page, app.code())).status == 400
        world.clock.move(minutes=15)
        assert (await send_code(http, page, app.code())).status == 400
        assert (await http.get("/signin/totp")).headers["location"] == "/signin"
    assert await count_sessions(world) == 0
    assert await world.events("mfa.succeeded") == []


async def test_a_lock_ends_no_running_session(world: World) -> None:
    """S18"""
    app = await _ada_with_app(world)
    async with world.browser() as http, world.browser() as thief:
        await send_code(http, await to_second_step(world, http), app.code())
        await _fail(world, thief, await to_second_step(world, thief), app.wrong(), 5)
        assert "You are signed in" in (await http.get("/")).text


async def _refused_because(world: World, reason: str) -> None:
    assert (await _data(world, "login.refused"))[-1] == {"reason": reason}


@pytest.mark.parametrize("path", ["/signin/totp", "/signin/backup-code", "/signin/mail-code"])
async def test_the_pages_are_there_only_when_the_flow_asks_for_them(world: World, path: str) -> None:
    """S17: out of order, without a flow, and in a flow that asks for something else."""
    person = await world.person()
    async with world.browser() as http:
        assert (await http.get(path)).headers["location"] == "/signin"
        posted = await http.post(path, data={"code": "123456"})
        assert posted.status_code == 400
        await _refused_because(world, "foreign_form")
        browser = FormsBrowser(http, ISSUER)
        await browser.open("/signin")
        assert (await http.get(path)).headers["location"] == "/signin"
        assert (await http.post(path, data={"code": "123456"})).status_code == 400
        await world.sign_in(http, person)
        await browser.open("/signin")
        assert (await http.get(path)).status_code == 303
    assert await world.events("mfa.succeeded") == []


async def test_a_step_begun_elsewhere_is_refused(world: World) -> None:
    """S17: the flow belongs to the browser that began it."""
    app = await _ada_with_app(world)
    async with world.browser() as victim, world.browser() as attacker:
        mine, theirs = await to_second_step(world, victim), await to_second_step(world, attacker)
        form = {**theirs.form("code").fields, "code": app.code()}
        assert (await victim.post("/signin/totp", data=form)).status_code == 400
        await _refused_because(world, "foreign_form")
        foreign = {"origin": "https://evil.example"}
        own = {**mine.form("code").fields, "code": app.code()}
        assert (await victim.post("/signin/totp", data=own, headers=foreign)).status_code == 400
        assert (await victim.post("/signin/totp", data={"code": app.code()})).status_code == 400
        assert (await victim.post("/signin/totp", data=own)).status_code == 303
    assert await count_sessions(world) == 1


async def test_the_form_of_before_the_step_works_no_more_after_it(world: World) -> None:
    """S17: neither replayed nor under the old flow cookie."""
    app, client = await _ada_with_app(world), await world.client(first_party=False)
    async with world.browser() as http, world.browser() as thief:
        page = await to_second_step(world, http, world.authorize_url(client))
        form, flow = page.form("code").fields, http.cookies["__Host-ostiary_flow"]
        await send_code(http, page, app.code())
        world.clock.move(seconds=30)
        assert (await http.post("/signin/totp", data={**form, "code": app.code()})).status_code == 400
        thief.cookies.set("__Host-ostiary_flow", flow, domain="id.example.com")
        assert (await thief.post("/signin/totp", data={**form, "code": app.code()})).status_code == 400
    assert await count_sessions(world) == 1


async def test_an_empty_code_is_refused_and_counts_nothing(world: World) -> None:
    """S17"""
    app = await _ada_with_app(world)
    async with world.browser() as http:
        page = await to_second_step(world, http)
        for _ in range(6):
            empty = await send_code(http, page, "")
            assert empty.status == 400
            assert "Enter the code." in words_of(empty.response)
            await _refused_because(world, "empty_form")
        assert (await send_code(http, page, app.code())).url == f"{ISSUER}/"


async def test_an_address_has_a_limit_for_codes_too(world: World) -> None:
    """S23"""
    app = await _ada_with_app(world)
    object.__setattr__(world.services.settings, "address_attempts", 3)
    async with world.browser() as http:
        page = await to_second_step(world, http)
        await _fail(world, http, page, app.wrong(), 2)
        limited = await send_code(http, page, app.code())
        assert limited.status == 429
        assert int(limited.response.headers["retry-after"]) > 0
        await _refused_because(world, "address_limit")


async def test_refusals_come_at_a_common_deadline_and_later_the_more_there_were(world: World) -> None:
    """S22, S23: slowed before closed."""
    from datetime import timedelta

    from identity.signin.slowing import slowed

    app = await _ada_with_app(world)
    deadline = timedelta(milliseconds=60)
    object.__setattr__(world.services.settings, "refusal_deadline", deadline)
    loop = asyncio.get_running_loop()
    async with world.browser() as http:
        page = await to_second_step(world, http)
        for failures in range(1, 7):
            began = loop.time()
            await send_code(http, page, app.wrong())
            # The sixth is not looked at any more, and is answered like the fifth.
            assert loop.time() - began >= slowed(deadline, min(failures, 5)).total_seconds()


async def test_a_remembered_browser_is_not_asked_again_until_it_is_forgotten(world: World) -> None:
    """S28: the browser stands in for the second factor, and `acr` says that it is none."""
    app, client = await _ada_with_app(world), await world.client()
    async with world.browser() as http:
        page = await to_second_step(world, http)
        assert "Remember this browser for 30 days" in words_of(page.response)
        assert "remember" in page.form("code").fields
        await send_code(http, page, app.code(), remember="yes")
        world.clock.move(hours=25)
        done = await to_second_step(world, http, world.authorize_url(client))
        tokens = (await world.redeem(client, Answer(done.response, done.url, done.params))).json()
        assert claims_of(tokens["id_token"])["acr"] == "urn:ostiary:aal1"
        world.clock.move(days=30)
        assert (await to_second_step(world, http)).url == f"{ISSUER}/signin/totp"
    assert len(await world.events("device.remembered")) == 1


async def test_nothing_secret_is_in_pages_or_events(world: World) -> None:
    """S25, S26, S46: canaries."""
    person = await world.person()
    app, codes = await give_app(world, person), await give_codes(world, person)
    wrong = "7531598520"
    async with world.browser() as http:
        page = await to_second_step(world, http)
        pages = [page, await send_code(http, page, wrong)]
        used = app.code()
        pages.append(await send_code(http, page, used))
    async with world.browser() as http:
        await to_second_step(world, http)
        page = await FormsBrowser(http, ISSUER).open("/signin/backup-code")
        pages += [page, await send_code(http, page, "0000-0000-0000-0000"), await send_code(http, page, codes[0])]
    told = repr(await world.events()) + "".join(page.text for page in pages)
    for canary in (show_secret(app.secret), app.secret.hex(), wrong, codes[0], codes[0].replace("-", ""), PASSWORD):
        assert canary not in told
    events = repr([(event["data"], event.get("personal")) for event in await world.events()])
    assert used not in events
