"""What is proven when: second factors, steps up inside a session, remembered browsers, and what tokens say of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, update

from base.cookies import cookie_name
from identity.accounts import set_person_state
from identity.catalogue import touch
from identity.passwords import set_password
from identity.tables import apis, attempts, clients, sessions
from identity.unlocking import unlock_person
from identity.values import PersonState
from policy.assurance import AAL1, AAL2, PHR
from server.housekeeping import remove_expired
from tests.forms_browser import FormsBrowser, Page
from tests.identity.factors.steps import count_sessions, give_app, send_code, to_second_step
from tests.oauth.tokens_read import claims_of
from tests.world import ISSUER, PASSWORD, Answer, CreatedClient, World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment that answers refusals at once."""
    async with open_world(database_url, tmp_path, refusal_deadline=timedelta()) as opened:
        yield opened


async def said_in(world: World, client: CreatedClient, page: Page) -> dict[str, object]:
    """What the access token says that comes of an authorization."""
    assert "code" in page.params, (page.status, page.url, page.text[:1500])
    response = await world.redeem(client, Answer(page.response, page.url, page.params))
    assert response.status_code == 200, response.text
    return claims_of(response.json()["access_token"])


async def test_a_password_and_a_code_are_two_factors_and_the_token_says_so(world: World) -> None:
    """S28"""
    client, app = await world.client(), await give_app(world, await world.person())
    async with world.browser() as http:
        page = await to_second_step(world, http, world.authorize_url(client))
        assert page.url == f"{ISSUER}/signin/totp"
        assert await count_sessions(world) == 0
        said = await said_in(world, client, await send_code(http, page, app.code()))
    assert (said["acr"], said["amr"]) == (AAL2, ["mfa", "otp", "pwd"])
    assert [event["data"] for event in await world.events("login.succeeded")] == [
        {"methods": ["pwd", "totp"], "new_device": True}
    ]
    assert len(await world.events("login.begun")) == 1


async def test_a_step_up_adds_to_the_session_and_moves_no_limit(world: World) -> None:
    """S17, S28, S31, S32: a new cookie and new form tokens, the same session, `auth_time` as it was."""
    client, person = await world.client(), await world.person()
    async with world.browser() as http:
        session_id = await world.sign_in(http, person)
        cookie = http.cookies[cookie_name(world.services.settings, "session")]
        before = await _session(world, session_id)
        app = await give_app(world, person)
        forms = {path: await FormsBrowser(http, ISSUER).open(path) for path in ("/", "/account", "/account/security")}
        before_it = {path: form.form("form_token").fields for path, form in forms.items()}
        world.clock.move(minutes=20)
        page = await FormsBrowser(http, ISSUER).open(world.authorize_url(client, acr_values=AAL2))
        assert page.url == f"{ISSUER}/signin/totp"
        said = await said_in(world, client, await send_code(http, page, app.code()))
        after = await _session(world, session_id)
        for path, form in before_it.items():
            assert (await FormsBrowser(http, ISSUER).open(path)).form("form_token").fields != form, path
        assert http.cookies[cookie_name(world.services.settings, "session")] != cookie
    assert said["acr"] == AAL2
    assert said["sid"] == f"ses_{session_id.hex()}"
    assert (after["auth_time"], after["expires_at"]) == (before["auth_time"], before["expires_at"])
    assert await count_sessions(world) == 1
    async with world.browser() as stale:
        stale.cookies.set(cookie_name(world.services.settings, "session"), cookie, domain="id.example.com")
        answer = await world.authorize(stale, client, prompt="none")
    assert answer.params["error"] == "login_required"


async def _session(world: World, session_id: bytes) -> dict[str, object]:
    async with world.services.database.reading() as db:
        return dict((await db.execute(select(sessions).where(sessions.c.id == session_id))).one()._mapping)


async def test_too_old_a_session_asks_for_everything_again(world: World) -> None:
    """S28: which method and how long ago, never only how long ago."""
    client, person = await world.client(), await world.person()
    app = await give_app(world, person)
    async with world.browser() as http:
        await world.sign_in(http, person, methods=("pwd", "totp"))
        world.clock.move(minutes=10)
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open(world.authorize_url(client, acr_values=AAL2, max_age="300"))
        assert page.url == f"{ISSUER}/signin"
        page = await browser.sign_in(page, "ada", PASSWORD)
        assert page.url == f"{ISSUER}/signin/totp"
        said = await said_in(world, client, await send_code(http, page, app.code()))
    assert said["acr"] == AAL2
    assert int(str(said["auth_time"])) >= int(world.clock().timestamp()) - 5


async def test_without_a_page_a_missing_factor_is_told_as_an_error(world: World) -> None:
    client, person = await world.client(), await world.person()
    async with world.browser() as http:
        await world.sign_in(http, person)
        missing = await world.authorize(http, client, prompt="none", acr_values=PHR)
        await give_app(world, person)
        unproven = await world.authorize(http, client, prompt="none")
    assert missing.params["error"] == "interaction_required"
    assert unproven.params["error"] == "login_required"


async def test_a_remembered_browser_needs_no_code_but_is_none(world: World) -> None:
    """S28: the token says what happened; an application that asks for more still gets it."""
    client, person = await world.client(), await world.person()
    app = await give_app(world, person)
    async with world.browser() as http:
        page = await to_second_step(world, http, world.authorize_url(client))
        await said_in(world, client, await send_code(http, page, app.code(), remember="yes"))
        http.cookies.delete(cookie_name(world.services.settings, "session"))
        said = await said_in(world, client, await to_second_step(world, http, world.authorize_url(client)))
        assert (said["acr"], said["amr"]) == (AAL1, ["pwd"])
        page = await FormsBrowser(http, ISSUER).open(world.authorize_url(client, acr_values=AAL2))
        assert page.url == f"{ISSUER}/signin/totp"
        http.cookies.delete(cookie_name(world.services.settings, "session"))
        world.clock.move(days=30)
        assert (await to_second_step(world, http, world.authorize_url(client))).url == f"{ISSUER}/signin/totp"
    async with world.browser() as elsewhere:
        page = await to_second_step(world, elsewhere, world.authorize_url(client))
        assert page.url == f"{ISSUER}/signin/totp"


async def test_a_forged_wish_to_be_remembered_does_nothing_before_the_code(world: World) -> None:
    await give_app(world, await world.person())
    async with world.browser() as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open("/signin")
        form = page.form("username", "password")
        await browser.submit(page, form, username="ada", password=PASSWORD, remember="yes")
        assert (await to_second_step(world, http, "/signin?again=1")).url == f"{ISSUER}/signin/totp"
    assert await world.events("device.remembered") == []


@pytest.mark.parametrize("what", ["password", "disabled"])
async def test_a_pending_second_step_dies_with_what_it_began_with(world: World, what: str) -> None:
    """S17, S18, S27: a right code does not finish what an old password, or a closed account, began."""
    person = await world.person()
    app = await give_app(world, person)
    hashed = await world.services.hashes.hash("another quiet harbour 8")
    async with world.browser() as http:
        page = await to_second_step(world, http)
        async with world.services.database.transaction() as db:
            now = world.clock()
            if what == "password":
                await set_password(db, world.services, person.id, hashed, why="reset", now=now, actor="cli")
            else:
                await set_person_state(db, world.services, person.id, "disabled", now=now, actor="cli")
        done = await send_code(http, page, app.code())
        assert done.status in (400, 403)
        again = await http.get("/", follow_redirects=True)
        assert "You are signed in" not in again.text
    assert await count_sessions(world) == 0


async def test_another_person_takes_over_nothing(world: World) -> None:
    """S17: a password of one person and a code of another open nothing."""
    await world.person()
    eve = await give_app(world, await world.person("eve"))
    async with world.browser() as http:
        page = await to_second_step(world, http, username="eve")
        assert page.url == f"{ISSUER}/signin/totp"
        assert 'href="/signin?again=1"' in page.text
        # The same browser begins again as somebody without a second factor; the old page's form is worth nothing.
        inside = await to_second_step(world, http, "/signin?again=1")
        assert "You are signed in" in inside.text
        refused = await send_code(http, page, eve.code())
        assert refused.status == 400
    assert await count_sessions(world) == 1


@pytest.mark.parametrize("where", ["client", "scope"])
async def test_an_application_or_a_scope_may_demand_a_class(world: World, where: str) -> None:
    client, person = await world.client(), await world.person()
    await give_app(world, person)
    plain = await world.client(name="Plain")
    await _demand(world, client, where)
    async with world.browser() as http:
        await world.sign_in(http, person, methods=("pwd", "device"))
        browser = FormsBrowser(http, ISSUER)
        demanding = await browser.open(world.authorize_url(client, scope="openid orders:write"))
        assert demanding.url == f"{ISSUER}/signin/totp"
        easy = await browser.open(world.authorize_url(plain if where == "client" else client, scope="openid"))
        assert "code" in easy.params


async def _demand(world: World, client: CreatedClient, where: str) -> None:
    async with world.services.database.transaction() as db:
        if where == "client":
            theirs = clients.c.client_id == client.client.client_id
            await db.execute(update(clients).where(theirs).values(required_acr=AAL2))
        else:
            await db.execute(update(apis).values(scope_acr={"orders:write": AAL2}))
        await touch(db, "catalogue")
    await world.services.catalogue.poll()


async def test_more_sessions_than_allowed_end_the_one_used_longest_ago(database_url: str, tmp_path: Path) -> None:
    """S32: a ceiling of concurrent sessions."""
    async with open_world(database_url, tmp_path, session__most="2") as world:
        await world.person()
        for _ in range(4):
            async with world.browser() as http:
                await to_second_step(world, http)
            world.clock.move(minutes=1)
        async with world.services.database.reading() as db:
            alive = select(func.count()).select_from(sessions).where(sessions.c.ended_at.is_(None))
            assert (await db.execute(alive)).scalar_one() == 2
        assert [event["data"] for event in await world.events("session.ended")] == [{"why": "too_many"}] * 2


async def test_keeping_somebody_signed_in_is_a_setting_and_a_wish(database_url: str, tmp_path: Path) -> None:
    """S32: without the setting a forged field changes nothing."""
    for keeps in (False, True):
        async with open_world(database_url, tmp_path, session__keep_s="864000" if keeps else "0") as world:
            name = f"ada{keeps}".lower()
            await world.person(name)
            async with world.browser() as http:
                browser = FormsBrowser(http, ISSUER)
                page = await browser.open("/signin")
                assert ('type="checkbox" name="keep"' in page.text) is keeps
                form = page.form("username", "password")
                response = await http.post(
                    "/signin",
                    data={**form.fields, "username": name, "password": PASSWORD, "keep": "yes"},
                    headers={"origin": ISSUER, "sec-fetch-site": "same-origin"},
                )
                cookie = next(line for line in response.headers.get_list("set-cookie") if "_session" in line)
                assert ("Max-Age" in cookie) is keeps
                world.clock.move(days=9)
                home = await http.get("/")
                assert ("You are signed in" in home.text) is keeps
                world.clock.move(days=11)
                assert "You are signed in" not in (await http.get("/")).text


async def test_required_second_factors_are_put_off_only_for_a_while(database_url: str, tmp_path: Path) -> None:
    """S28: enforced enrolment with a grace; afterwards there is no session without it."""
    async with open_world(database_url, tmp_path, mfa__required="true", mfa__grace_days="7") as world:
        client, _ = await world.client(), await world.person()
        async with world.browser() as http:
            page = await to_second_step(world, http, world.authorize_url(client))
            assert page.url == f"{ISSUER}/enrol"
            done = await FormsBrowser(http, ISSUER).submit(page, page.form("decision"), decision="later")
            assert "code" in done.params
            # Once a sign-in: the next application is not asked about it again.
            assert "code" in (await world.authorize(http, client)).params
        world.clock.move(days=8)
        before = await count_sessions(world)
        async with world.browser() as http:
            page = await to_second_step(world, http, world.authorize_url(client))
            assert page.url == f"{ISSUER}/enrol"
            assert all(button != ("decision", "later") for form in page.forms for button in form.buttons)
            hidden = {"decision": "later", "form_token": "x"}
            assert (await FormsBrowser(http, ISSUER).post("/enrol", hidden)).status == 400
            assert (await http.get("/account")).status_code != 200
        assert await count_sessions(world) == before


async def test_an_attempt_keeps_its_decision_and_reasons(world: World) -> None:
    await give_app(world, await world.person())
    async with world.browser() as http:
        await to_second_step(world, http)
    async with world.services.database.reading() as db:
        (kept,) = (await db.execute(select(attempts.c.decision).where(attempts.c.person_id.is_not(None)))).scalars()
    assert msgspec.to_builtins(kept)["reasons"] == ["has_second_factor"]


async def test_a_pending_second_step_does_not_outlive_a_lockout(world: World) -> None:
    """S23: also where nobody typed a code while the door was closed."""
    app = await give_app(world, await world.person())
    async with world.browser() as http, world.browser(address="203.0.113.9") as other:
        page = await to_second_step(world, http)
        browser = FormsBrowser(other, ISSUER)
        guess = await browser.open("/signin")
        for number in range(world.services.settings.lockout_failures):
            guess = await browser.sign_in(guess, "ada", f"wrong {number} by far")
        world.clock.move(minutes=16)
        done = await send_code(http, page, app.code())
    assert done.status == 400
    assert await count_sessions(world) == 0


async def test_the_browsers_of_a_person_who_was_suspended_are_no_longer_remembered(world: World) -> None:
    """S18: whoever comes back proves both factors again."""
    person = await world.person()
    app = await give_app(world, person)
    async with world.browser() as http:
        page = await to_second_step(world, http)
        await send_code(http, page, app.code(), remember="yes")
        states: tuple[PersonState, ...] = ("suspended", "active")
        for state in states:
            async with world.services.database.transaction() as db:
                now = world.clock()
                await set_person_state(db, world.services, person.id, state, now=now, actor="cli")
        assert (await to_second_step(world, http)).url == f"{ISSUER}/signin/totp"


async def test_a_copied_device_cookie_of_a_shared_browser_is_worth_nothing(world: World) -> None:
    """S24, S33: whoever used a browser before does not get what another person is remembered by there."""
    await world.person("eve")
    app = await give_app(world, await world.person())
    name = cookie_name(world.services.settings, "device")
    async with world.browser() as shared, world.browser(address="203.0.113.9") as home:
        await to_second_step(world, shared, username="eve")
        home.cookies.set(name, shared.cookies[name], domain="id.example.com")
        shared.cookies.delete(cookie_name(world.services.settings, "session"))
        page = await to_second_step(world, shared)
        await send_code(shared, page, app.code(), remember="yes")
        assert (await to_second_step(world, home)).url == f"{ISSUER}/signin/totp"
        # The copy showed, so nobody is known by what took its place, in the shared browser either.
        shared.cookies.delete(cookie_name(world.services.settings, "session"))
        await to_second_step(world, shared, username="eve")
    added = [event["subject"] for event in await world.events("device.added")]
    cloned = {event["subject"] for event in await world.events("device.cloned")}
    assert (len(added), cloned) == (3, set(added))


async def test_a_hundred_wrong_codes_in_a_row_close_the_method(world: World) -> None:
    """S23: five every quarter of an hour would find a code one day; a new app begins anew, and so does an unlock."""
    person = await world.person()
    app = await give_app(world, person)
    async with world.browser() as http:
        for _ in range(20):
            page = await to_second_step(world, http, "/signin?again=1")
            for _ in range(world.services.settings.lockout_failures):
                page = await send_code(http, page, app.wrong())
                assert page.status == 403
            world.clock.move(minutes=16)
        await remove_expired(world.services.database, now=world.clock() + timedelta(days=2))
        page = await to_second_step(world, http, "/signin?again=1")
        assert (await send_code(http, page, app.code())).status == 403
        async with world.services.database.transaction() as db:
            await unlock_person(db, world.services, person.id, now=world.clock(), actor="cli")
        page = await to_second_step(world, http, "/signin?again=1")
        assert "You are signed in" in (await send_code(http, page, app.code())).text


async def test_beginning_sign_ins_without_end_is_refused(database_url: str, tmp_path: Path) -> None:
    """Each beginning is a row: one address cannot fill the database with them."""
    async with open_world(database_url, tmp_path, rate__per_address="1") as world:
        client = await world.client()
        statuses = []
        for _ in range(12):
            async with world.browser() as http:
                statuses.append((await http.get(world.authorize_url(client))).status_code)
        assert statuses == [303] * 10 + [429] * 2
        async with world.browser() as http:
            assert (await http.get("/signin")).headers["retry-after"]


async def test_a_second_step_that_waits_for_a_password_change_finds_it_changed(world: World) -> None:
    """S32, I2: the code arrives while the change is being committed."""
    person = await world.person()
    app = await give_app(world, person)
    hashed = await world.services.hashes.hash("another quiet harbour 8")
    async with world.browser() as http:
        page = await to_second_step(world, http)
        async with world.services.database.transaction() as db:
            await set_password(db, world.services, person.id, hashed, why="changed", now=world.clock(), actor="cli")
            waiting = asyncio.create_task(send_code(http, page, app.code(), remember="yes"))
            await asyncio.sleep(0.2)
        assert (await waiting).status == 400
    assert await count_sessions(world) == 0
    assert await world.events("device.remembered") == []


async def test_sign_ins_side_by_side_do_not_pass_the_ceiling(database_url: str, tmp_path: Path) -> None:
    """S32"""
    async with open_world(database_url, tmp_path, session__most="1") as world:
        await world.person()

        async def sign_in() -> None:
            async with world.browser() as http:
                await to_second_step(world, http)

        await asyncio.gather(*(sign_in() for _ in range(5)))
        async with world.services.database.reading() as db:
            alive = select(func.count()).select_from(sessions).where(sessions.c.ended_at.is_(None))
            assert (await db.execute(alive)).scalar_one() == 1
