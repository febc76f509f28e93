"""What a sign-in's score leads to, through real pages: from history and surroundings to the token."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from datetime import timedelta
from pathlib import Path

import httpx2
import msgspec
import pytest
from sqlalchemy import select, update

from base.ids import new_id
from identity.person_values import Person
from identity.tables import attempts, sessions
from risk.reports import Report, store_report
from risk.tables import risk_activity, risk_profiles
from risk.values import Assessment
from tests.identity.factors.steps import send_code
from tests.identity.factors.test_mail_code import ask, newest_code
from tests.identity.forms import sign_in, words_of
from tests.world import PASSWORD, World, open_world

pytestmark = pytest.mark.anyio

SESSION, DEVICE = "__Host-ostiary_session", "__Host-ostiary_device"
WINDOWS = {
    "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/148.0.0.0 Safari/537.36"
}
FAR_AWAY = "203.0.113.200"


async def settled(world: World, browser: httpx2.AsyncClient, *, days: int = 12) -> None:
    """A person who has signed in here once a day."""
    for _ in range(days):
        await sign_in(browser)
        browser.cookies.delete(SESSION)
        world.clock.move(days=1)


def claims_of(token: str) -> dict[str, object]:
    """What a token says."""
    payload = token.split(".")[1]
    return msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=dict[str, object])


async def assessment(world: World) -> Assessment:
    """What was assessed last."""
    async with world.services.database.reading() as db:
        query = select(attempts.c.assessment).order_by(attempts.c.created_at.desc(), attempts.c.id.desc()).limit(1)
        return msgspec.convert((await db.execute(query)).scalar_one(), Assessment)


async def test_a_first_sign_in_is_not_unusual_and_is_learned_from(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
    (succeeded,) = await world.events("login.succeeded")
    risk = msgspec.convert(succeeded["risk"], dict[str, object])
    assert 0 <= int(str(risk["score"])) < 30
    assert (risk["level"], succeeded["v"]) == ("low", 3)
    async with world.services.database.reading() as db:
        assert (await db.execute(select(risk_profiles.c.person_id))).scalars().all() == [person.id]
        assert (await db.execute(select(sessions.c.risk))).scalar_one() == risk["score"]


async def test_usual_sign_ins_score_lower_than_the_first(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
        first = (await assessment(world)).score
        browser.cookies.delete(SESSION)
        await settled(world, browser)
        assert (await assessment(world)).score < min(first, 10)


async def test_a_strange_browser_far_from_home_needs_more_than_the_password(world: World) -> None:
    """A stolen password alone opens nothing: the person is asked for a code from their mailbox (S17, S33)."""
    await world.person()
    async with world.browser() as browser:
        await settled(world, browser)
    known = await profile_bytes(world)
    async with world.browser(address=FAR_AWAY) as thief:
        thief.headers.update(WINDOWS)
        answer = await sign_in(thief)
        assert (answer.status_code, answer.headers["location"]) == (303, "/signin/mail-code")
        assert SESSION not in thief.cookies
        assert "This sign-in looks unlike your others" in words_of(await thief.get("/signin/mail-code"))
    found = await assessment(world)
    assert found.score >= 60
    signals = [each.signal for each in found.reasons if each.points]
    assert {"device_missing", "network_new"} <= set(signals)
    assert sum(each.points for each in found.reasons) == found.score
    # Nothing was learned of whoever could not prove to be the person.
    assert await profile_bytes(world) == known


async def profile_bytes(world: World) -> bytes:
    """The one history there is, as it is stored."""
    async with world.services.database.reading() as db:
        return bytes((await db.execute(select(risk_profiles.c.sealed))).scalar_one())


async def test_the_tokens_say_the_score_of_the_session(world: World) -> None:
    person = await world.person()
    client = await world.client()
    async with world.browser() as browser:
        await sign_in(browser)
        answer = await world.authorize(browser, client)
    tokens = (await world.redeem(client, answer)).json()
    claims = claims_of(tokens["access_token"])
    async with world.services.database.reading() as db:
        assert claims["risk"] == (await db.execute(select(sessions.c.risk))).scalar_one()
    assert claims["sub"] == person.sub


async def test_a_session_that_was_never_assessed_has_no_risk_in_its_tokens(world: World) -> None:
    """Absent, never a made-up zero (interface.md, Tokens)."""
    person, client = await world.person(), await world.client()
    tokens = await world.tokens(client, person)
    claims = claims_of(tokens["access_token"])
    assert "risk" not in claims


async def test_wrong_passwords_count_at_account_address_and_network(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        for _ in range(3):
            await sign_in(browser, password="not the right one at all")
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(risk_activity))).all()
    assert sorted(row.failures for row in rows) == [3000, 3000, 3000]
    assert all(row.people.bit_count() == 1 for row in rows)


async def test_failures_at_the_account_raise_the_score(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await settled(world, browser)
        calm = (await assessment(world)).log_odds
        key = world.services.risk.key.digest("account", person.id)
        values = {"key": key, "failures": 40_000, "successes": 0, "people": 1, "people_before": 0}
        async with world.services.database.transaction() as db:
            await db.execute(risk_activity.insert().values(**values, began_at=world.clock()))
        await sign_in(browser)
        assert (await assessment(world)).log_odds > calm


async def test_a_history_that_does_not_open_vouches_for_nobody(world: World) -> None:
    """S35: broken bytes never lower a score, and never keep the person out."""
    await world.person()
    async with world.browser() as browser:
        await settled(world, browser)
        usual = (await assessment(world)).log_odds
        async with world.services.database.transaction() as db:
            await db.execute(update(risk_profiles).values(sealed=b"\x01garbled"))
        answer = await sign_in(browser)
        assert answer.status_code == 303
        found = await assessment(world)
    assert found.log_odds > usual
    assert found.score >= 60
    assert "history" in found.missing


async def test_a_place_is_told_in_the_log_and_only_sealed(world: World) -> None:
    await world.person()
    async with world.browser() as browser:
        await sign_in(browser)
    (succeeded,) = await world.events("login.succeeded")
    assert "risk_reasons" in msgspec.convert(succeeded["hidden"], dict[str, str])
    assert "reasons" not in msgspec.convert(succeeded["risk"], dict[str, object])


async def test_a_stolen_session_cookie_opens_no_further_application(world: World) -> None:
    """S31: the session goes on at the person's browser and network; elsewhere it is looked at again before a code."""
    await world.person()
    client = await world.client()
    async with world.browser() as browser:
        await settled(world, browser)
        await sign_in(browser)
        assert "code" in (await world.authorize(browser, client)).params
        cookie = browser.cookies[SESSION]
        async with world.browser(address=FAR_AWAY) as thief:
            thief.headers.update(WINDOWS)
            thief.cookies.set(SESSION, cookie, domain="id.example.com")
            answer = await world.authorize(thief, client)
        assert "code" not in answer.params, answer.location
    (raised,) = [each for name in ("risk.raised", "risk.critical") for each in await world.events(name)]
    assert raised["data"]["why"] == "sign_in"  # type: ignore[index]


async def test_a_look_at_the_same_browser_changes_nothing(world: World) -> None:
    await world.person()
    client = await world.client()
    async with world.browser() as browser:
        await settled(world, browser)
        await sign_in(browser)
        for _ in range(2):
            world.clock.move(minutes=5)
            assert "code" in (await world.authorize(browser, client)).params
    assert [await world.events(name) for name in ("risk.raised", "risk.critical", "risk.lowered")] == [[], [], []]


async def test_a_password_that_was_breached_meanwhile_is_told(database_url: str, tmp_path: Path) -> None:
    """The list grows: what was good when it was set may stand in it by the next sign-in."""
    stolen = tmp_path / "breached.txt"
    stolen.write_text(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper() + "\n")
    async with (
        open_world(database_url, tmp_path, password__breached_file=str(stolen)) as world,
        world.browser() as browser,
    ):
        await world.person()
        await sign_in(browser)
        assert "password_breached" in [each.signal for each in (await assessment(world)).reasons]


async def test_a_sign_in_that_becomes_critical_at_a_later_step_is_told_once(database_url: str, tmp_path: Path) -> None:
    """What is reported between the password and the code counts, and alerts."""
    async with open_world(database_url, tmp_path, risk__notice="10", risk__step_up="20") as world:
        person = await world.person()
        async with world.browser() as browser:
            await settled(world, browser)
        async with world.browser(address=FAR_AWAY) as traveller:
            await sign_in(traveller)
            assert 20 <= (await assessment(world)).score < 90
            await report_fraud(world, person)
            page = await ask(traveller)
            await send_code(traveller, page, await newest_code(world))
            assert SESSION in traveller.cookies
        (critical,) = await world.events("risk.critical")
        assert critical["data"]["effect"] == "notice"  # type: ignore[index]


async def report_fraud(world: World, person: Person) -> None:
    """What a service says of the person."""
    now, subject = world.clock(), world.services.risk.key.digest("person", person.id)
    async with world.services.database.transaction() as db:
        for weight in (5.0, 2.0):
            report = Report(
                new_id(now), "person", subject, person.id, "fraud", weight, "shop", now + timedelta(hours=1)
            )
            await store_report(db, report, now=now)
