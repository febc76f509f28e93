"""What the thief of a session's cookie tries: coming later, saying less, one application for another's sake."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from identity.signin import flow
from identity.tables import session_proofs, sessions
from policy.assurance import AAL1
from policy.values import RiskThresholds
from server.housekeeping import remove_expired
from tests.forms_browser import FormsBrowser
from tests.identity.factors.steps import give_app, send_code
from tests.identity.forms import sign_in
from tests.identity.mail.letters_read import letters
from tests.identity.test_rescoring import LOW, LOWEST, Signed, risk_events, signed_in
from tests.identity.test_risk_signin import DEVICE, FAR_AWAY, SESSION, WINDOWS, claims_of
from tests.world import ISSUER, PASSWORD, World, open_world

pytestmark = pytest.mark.anyio

# Above whatever a report on a quiet session comes to.
MILD = RiskThresholds(notice=96, step_up=97, strong=98)


async def methods_of(signed: Signed) -> list[str]:
    """What is still proven in the session."""
    async with signed.world.services.database.reading() as db:
        theirs = select(session_proofs.c.method).where(session_proofs.c.session_id == signed.session_id)
        return sorted((await db.execute(theirs)).scalars())


async def reasons_of(signed: Signed) -> set[str]:
    """Why the session's score is what it is."""
    async with signed.world.services.database.reading() as db:
        query = select(sessions.c.assessment).where(sessions.c.id == signed.session_id)
        kept = (await db.execute(query)).scalar_one()
    return {str(each["signal"]) for each in kept["reasons"]}


async def set_risk(world: World, score: int) -> None:
    """The session's score was this until now."""
    async with world.services.database.transaction() as db:
        await db.execute(update(sessions).values(risk=score))


def stolen(signed: Signed, thief: httpx2.AsyncClient, *names: str) -> None:
    """The thief holds these cookies, too."""
    for name in names:
        thief.cookies.set(name, signed.browser.cookies[name], domain="id.example.com")


async def test_who_brings_the_cookie_only_after_the_beginning_is_looked_at_too(world: World) -> None:
    """S31: an authorization is begun by nobody, and the stolen cookie comes with the next page."""
    signed = await signed_in(world)
    async with world.browser(address=FAR_AWAY) as thief:
        thief.headers.update(WINDOWS)
        assert (await world.authorize(thief, signed.client)).location == "/signin"
        stolen(signed, thief, SESSION)
        page = await thief.get("/signin")
    assert page.status_code == 200, page.headers.get("location")
    assert [data["why"] for _, data in await risk_events(world)] == ["sign_in"]


async def test_a_browser_that_hides_what_it_is_is_not_taken_for_the_persons(world: World) -> None:
    """S35: to leave the header out is no better than to name another browser."""
    signed = await signed_in(world)
    world.clock.move(minutes=2)
    async with world.browser() as thief:
        stolen(signed, thief, SESSION, DEVICE)
        del thief.headers["user-agent"]
        await world.authorize(thief, signed.client)
    assert "session_browser_hidden" in await reasons_of(signed)


async def test_a_session_without_its_devices_cookie_is_on_no_known_device(world: World) -> None:
    """S33: who brings the session's cookie alone has not got it from the person's browser."""
    signed = await signed_in(world)
    world.clock.move(minutes=2)
    async with world.browser() as thief:
        stolen(signed, thief, SESSION)
        await world.authorize(thief, signed.client)
        assert {"device_missing", "session_device_lost"} <= await reasons_of(signed)
        world.clock.move(minutes=2)
        # Nor is any cookie the device's.
        thief.cookies.set(DEVICE, "A" * 43, domain="id.example.com")
        await world.authorize(thief, signed.client)
        assert "session_device_lost" in await reasons_of(signed)
    world.clock.move(minutes=2)
    await world.authorize(signed.browser, signed.client)
    assert "device_known" in await reasons_of(signed)


async def test_other_languages_are_seen_where_an_application_is_opened(world: World) -> None:
    signed = await signed_in(world)
    world.clock.move(minutes=2)
    async with world.browser() as thief:
        stolen(signed, thief, SESSION, DEVICE)
        thief.headers["accept-language"] = "xx"
        await world.authorize(thief, signed.client)
    assert "language_new" in await reasons_of(signed)


async def test_a_mild_application_is_no_way_into_a_strict_one(world: World) -> None:
    """What was proven at a low score does not do at a higher one: it may have been somebody else who proved it."""
    signed = await signed_in(world, methods=("totp",), risk_thresholds=MILD)
    strict = await world.client(name="Payouts", risk_thresholds=LOW)
    await signed.report(5.0)
    score = await signed.risk()
    assert score is not None
    assert LOW.step_up <= score < LOW.strong
    assert await methods_of(signed) == ["pwd", "totp"]
    refused = await world.authorize(signed.browser, strict, prompt="none")
    assert refused.params["error"] == "login_required"
    assert await methods_of(signed) == ["pwd"]
    assert (await signed.facts())[-1] == {"risk": score, "acr": AAL1}
    name, data = (await risk_events(world))[-1]
    assert (name, data["threshold"], data["why"], data["effect"]) == ("risk.raised", 10, "sign_in", "second_factor")
    # Those that ask for less go on.
    assert "code" in (await world.authorize(signed.browser, signed.client, prompt="none")).params


async def test_a_passkey_of_before_is_asked_for_again(world: World) -> None:
    """A passkey was proven by whoever signed in, not by whoever holds the cookie now."""
    signed = await signed_in(world, methods=("passkey",), risk_thresholds=LOW)
    await signed.report(5.0)
    ((name, data),) = await risk_events(world)
    assert (name, data["effect"]) == ("risk.raised", "second_factor")
    assert await methods_of(signed) == ["pwd"]
    assert (await signed.facts())[-1]["acr"] == AAL1
    assert (await world.authorize(signed.browser, signed.client, prompt="none")).params["error"] == "login_required"
    assert (await signed.refresh()).status_code == 200
    claims = claims_of(signed.tokens["access_token"])
    assert claims["acr"] == AAL1
    assert "mfa" not in claims["amr"]  # type: ignore[operator]


async def test_a_session_of_a_passkey_alone_is_signed_in_to_again(world: World) -> None:
    signed = await signed_in(world, methods=("passkey",), risk_thresholds=LOW)
    async with world.services.database.transaction() as db:
        await db.execute(session_proofs.delete().where(session_proofs.c.method == "pwd"))
    await signed.report(5.0)
    assert await methods_of(signed) == []
    assert (await world.authorize(signed.browser, signed.client)).location == "/signin"
    assert (await sign_in(signed.browser)).status_code == 303
    assert await methods_of(signed) == ["pwd"]


async def test_a_passkey_keeps_no_session_that_looks_like_somebody_elses(world: World) -> None:
    signed = await signed_in(world, methods=("passkey",), risk_thresholds=LOWEST)
    await signed.report(5.0)
    ((name, data),) = await risk_events(world)
    assert (name, data["threshold"], data["effect"]) == ("risk.raised", 10, "ended")
    assert (await signed.refresh()).status_code == 400


async def test_a_breached_password_goes_on_weighing(database_url: str, tmp_path: Path) -> None:
    """S35: what was known at the sign-in is not forgotten at the next look."""
    listed = tmp_path / "breached.txt"
    listed.write_text(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper() + "\n")
    async with open_world(database_url, tmp_path, password__breached_file=str(listed)) as world:
        signed = await signed_in(world)
        world.clock.move(minutes=2)
        assert (await signed.refresh()).status_code == 200
        assert "password_breached" in await reasons_of(signed)


async def test_a_look_that_does_not_open_lowers_nothing(world: World) -> None:
    """S35"""
    signed = await signed_in(world)
    async with world.services.database.transaction() as db:
        await db.execute(update(sessions).values(seen=b"\x01garbled", risk=50))
    world.clock.move(minutes=2)
    assert (await signed.refresh()).status_code == 200
    assert await signed.risk() == 50


async def test_a_blocked_address_ends_a_session_however_high_its_score_was(database_url: str, tmp_path: Path) -> None:
    """S34: who is in the operator's list is refused, also where a service saw them."""
    blocked = tmp_path / "blocked.txt"
    blocked.write_text(f"{FAR_AWAY}\n")
    async with open_world(database_url, tmp_path, risk__list_blocked=str(blocked)) as world:
        world.services.geography.look_now()
        signed = await signed_in(world, auth_method="client_secret_post")
        await set_risk(world, 100)
        told = await world.token(
            signed.client, path="/oauth/introspect", token=signed.tokens["access_token"], client_address=FAR_AWAY
        )
        assert told.json() == {"active": False}
        (ended,) = await world.events("session.ended")
        assert ended["data"] == {"why": "blocked_address"}


async def test_older_tokens_learn_the_score_of_a_sign_in_within_their_session(world: World) -> None:
    signed = await signed_in(world, risk_thresholds=LOW)
    await set_risk(world, 50)
    answer = await world.authorize(signed.browser, signed.client, prompt="login")
    assert answer.location == "/signin"
    await sign_in(signed.browser)
    score = await signed.risk()
    assert score is not None
    assert score < LOW.notice
    assert (await signed.facts())[-1] == {"risk": score}


async def test_a_step_up_in_a_session_that_was_told_of_is_not_told_again(database_url: str, tmp_path: Path) -> None:
    async with (
        open_world(database_url, tmp_path, risk__notice="1", risk__step_up="98", risk__strong="99") as world,
        world.browser() as browser,
    ):
        person, client = await world.person(), await world.client()
        await sign_in(browser)
        assert len(await letters(world, "unusual_signin")) == 1
        app = await give_app(world, person)
        world.clock.move(minutes=2)
        page = await FormsBrowser(browser, ISSUER).open(world.authorize_url(client, acr_values="urn:ostiary:aal2"))
        done = await send_code(browser, page, app.code())
        assert "code" in done.params, done.url
        assert len(await letters(world, "unusual_signin")) == 1


async def test_a_long_offline_grant_goes_on_being_assessed(world: World) -> None:
    """Its session ended and is cleared away after a month; the grant lives for three."""
    signed = await signed_in(world)
    answer = await world.authorize(signed.browser, signed.client, scope="openid offline_access")
    signed.tokens = (await world.redeem(signed.client, answer)).json()
    for _ in range(5):
        world.clock.move(days=10)
        assert (await signed.refresh()).status_code == 200
        await remove_expired(world.services.database, now=world.clock())
    assert "risk" in claims_of(signed.tokens["access_token"])
    assert (await signed.refresh(address=FAR_AWAY, agent=WINDOWS["user-agent"])).status_code == 400


async def test_the_account_pages_look_again_too(world: World) -> None:
    """S31: whoever holds the cookie would read where the person signs in from, and send them away."""
    signed = await signed_in(world)
    async with world.browser(address=FAR_AWAY) as thief:
        thief.headers.update(WINDOWS)
        stolen(signed, thief, SESSION)
        page = await thief.get("/account/sessions")
        assert (page.status_code, page.headers["location"]) == (303, "/signin")
    (ended,) = await world.events("session.ended")
    assert ended["data"] == {"why": "risk"}


async def test_nobody_adds_a_factor_in_a_session_that_looks_unusual(world: World) -> None:
    """S29: right after the person signed in, too; the score asks for more than the password of just now."""
    signed = await signed_in(world)
    assert (await signed.browser.get("/enrol/totp")).status_code == 200
    await set_risk(world, 75)
    page = await signed.browser.get("/enrol/totp")
    assert (page.status_code, page.headers["location"]) == (303, "/signin")
    await sign_in(signed.browser)
    assert (await signed.browser.get("/enrol/totp")).status_code == 200


async def test_the_enrolment_pages_look_again(world: World) -> None:
    signed = await signed_in(world)
    async with world.browser(address=FAR_AWAY) as thief:
        thief.headers.update(WINDOWS)
        stolen(signed, thief, SESSION)
        page = await thief.get("/enrol/totp")
        assert (page.status_code, page.headers["location"]) == (303, "/signin")


async def test_a_code_is_not_given_by_what_was_known_before_the_score_rose(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I2: between the decision and the code somebody else found out that the session looks like a thief's."""
    signed = await signed_in(world)

    async def meanwhile(db: AsyncConnection, *_: object, **__: object) -> None:
        await db.execute(update(sessions).values(risk=75))

    monkeypatch.setattr(flow, "touch_session", meanwhile)
    refused = await world.authorize(signed.browser, signed.client, prompt="none")
    assert refused.params["error"] == "login_required"
    assert refused.params["error_description"] == "the session has to be looked at again"
