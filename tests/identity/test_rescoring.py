"""A session that is under way: its score is renewed, and a threshold that it crosses has consequences at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import insert, select

from base.ids import SESSION, new_id, show_id
from feed.entries import Kind
from feed.tables import feed
from identity.assessing.reporting import Reporter, count_report, find_subject, take_report
from identity.assessing.rescoring import find_crossed, lowered, rescore_session
from identity.person_values import Person
from identity.tables import grants, session_proofs, sessions
from policy.assurance import AAL1, AAL2
from policy.values import RiskThresholds
from tests.identity.forms import sign_in
from tests.identity.test_risk_signin import FAR_AWAY, WINDOWS, claims_of
from tests.identity.test_risk_signin import SESSION as SESSION_COOKIE
from tests.oauth.refusals import check_refused
from tests.world import CreatedClient, World

pytestmark = pytest.mark.anyio


@dataclass
class Signed:
    """A person who signed in at home after twelve days of doing so, and what their app was given."""

    world: World
    person: Person
    client: CreatedClient
    tokens: dict[str, str]
    session_id: bytes
    browser: httpx2.AsyncClient

    async def risk(self) -> int | None:
        async with self.world.services.database.reading() as db:
            score: int | None = (
                await db.execute(select(sessions.c.risk).where(sessions.c.id == self.session_id))
            ).scalar_one()
        return score

    async def report(self, weight: float, kind: str = "stolen_card", about: str | None = None) -> None:
        services, now = self.world.services, self.world.clock()
        subject = await find_subject(services, "session", about or show_id(SESSION, self.session_id))
        assert subject is not None
        async with services.database.transaction() as db:
            report = await take_report(
                db, services, subject, Reporter("cli"), kind=kind, weight=weight,
                expires_at=now + timedelta(days=1), note=None, now=now,
            )  # fmt: skip
        await count_report(services, report, origin=Reporter("cli").origin, now=now)

    async def refresh(self, *, address: str = "198.51.100.7", agent: str | None = None) -> httpx2.Response:
        """The app refreshes from the person's device, or from elsewhere."""
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        async with self.world.browser(address=address) as caller:
            caller.headers.update({"user-agent": agent} if agent else {})
            answer = await caller.post("/oauth/token", data={**form, "client_id": self.client.client.client_id})
        if answer.status_code == 200:
            self.tokens |= answer.json()
        return answer

    async def facts(self) -> list[dict[str, object]]:
        async with self.world.services.database.reading() as db:
            query = select(feed.c.subject, feed.c.facts).where(feed.c.kind == Kind.FACTS.value)
            query = query.order_by(feed.c.created_at)
            rows = (await db.execute(query)).all()
        assert all(row.subject == show_id(SESSION, self.session_id) for row in rows)
        return [row.facts for row in rows]


async def signed_in(world: World, *, methods: tuple[str, ...] = (), **asked: object) -> Signed:
    person, client = await world.person(), await world.client(**{"auth_method": "none", **asked})
    browser = world.browser()
    for _ in range(12):
        await sign_in(browser)
        browser.cookies.delete(SESSION_COOKIE)
        world.clock.move(days=1)
    await sign_in(browser)
    now = world.clock()
    async with world.services.database.transaction() as db:
        query = select(sessions.c.id).order_by(sessions.c.created_at.desc()).limit(1)
        session_id = bytes((await db.execute(query)).scalar_one())
        for method in methods:
            row = {"id": new_id(now), "session_id": session_id, "method": method, "at": now}
            await db.execute(insert(session_proofs).values(**row))
    answer = await world.authorize(browser, client, scope="openid orders:read")
    tokens = (await world.redeem(client, answer)).json()
    world.clock.move(seconds=5)
    return Signed(world, person, client, tokens, session_id, browser)


HOME, STRANGE = "198.51.100.7", WINDOWS["user-agent"]
# So that what a single report weighs crosses something.
LOW = RiskThresholds(notice=5, step_up=10, strong=95)
LOWEST = RiskThresholds(notice=3, step_up=4, strong=10)


async def risk_events(world: World) -> list[tuple[str, dict[str, object]]]:
    found = [(str(each["name"]), dict(each["data"])) for each in await world.events()]  # type: ignore[call-overload]
    return [each for each in found if each[0] in ("risk.raised", "risk.critical", "risk.lowered")]


async def test_a_refresh_from_the_usual_place_says_the_score_and_changes_nothing(world: World) -> None:
    signed = await signed_in(world)
    world.clock.move(minutes=2)
    assert (await signed.refresh()).status_code == 200
    assert claims_of(signed.tokens["access_token"])["risk"] == await signed.risk()
    assert await risk_events(world) == []
    assert await signed.facts() == []


async def test_a_refresh_from_a_strange_browser_far_away_ends_the_session(world: World) -> None:
    """S33: a stolen refresh token opens nothing, and nothing that the session had goes on."""
    signed = await signed_in(world, grants=("authorization_code", "refresh_token"))
    refused = await signed.refresh(address=FAR_AWAY, agent=STRANGE)
    check_refused(refused, "invalid_grant", "the refresh token is not valid")
    assert (await signed.refresh()).status_code == 400
    ((name, data),) = await risk_events(world)
    assert (name, data["threshold"], data["why"], data["effect"]) == ("risk.critical", 90, "refresh", "ended")
    (ended,) = await world.events("session.ended")
    assert (ended["session"], ended["data"]) == (signed.session_id.hex(), {"why": "risk"})
    (critical,) = await world.events("risk.critical")
    assert critical["client"] == signed.client.client.client_id
    assert "risk_reasons" in dict(critical["hidden"])  # type: ignore[call-overload]


async def test_an_offline_grant_ends_with_the_session_that_it_came_from(world: World) -> None:
    signed = await signed_in(world)
    answer = await world.authorize(signed.browser, signed.client, scope="openid offline_access")
    offline = (await world.redeem(signed.client, answer)).json()
    signed.tokens = offline
    assert (await signed.refresh(address=FAR_AWAY, agent=STRANGE)).status_code == 400
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(grants.c.offline, grants.c.ended_why))).all()
    assert sorted((row.offline, row.ended_why) for row in rows) == [(False, "risk"), (True, "risk")]


async def test_a_crossing_takes_the_second_factor_back_everywhere_at_once(world: World) -> None:
    signed = await signed_in(world, methods=("totp",), risk_thresholds=LOW)
    assert claims_of(signed.tokens["access_token"])["acr"] == AAL2
    await signed.report(5.0)
    score = await signed.risk()
    assert await signed.facts() == [{"risk": score, "acr": AAL1}]
    ((name, data),) = await risk_events(world)
    assert (name, data["to"], data["why"], data["effect"]) == ("risk.raised", score, "signal", "second_factor")
    async with world.services.database.reading() as db:
        theirs = select(session_proofs.c.method).where(session_proofs.c.session_id == signed.session_id)
        assert (await db.execute(theirs)).scalars().all() == ["pwd"]
    assert (await signed.refresh()).status_code == 200
    claims = claims_of(signed.tokens["access_token"])
    assert (claims["acr"], claims["amr"], claims["risk"]) == (AAL1, ["pwd"], score)
    answer = await world.authorize(signed.browser, signed.client, prompt="none")
    assert answer.params["error"] == "login_required"


async def test_a_server_that_refreshes_is_not_taken_for_the_person(world: World) -> None:
    """S35: its address says nothing, and the last look stays."""
    signed = await signed_in(world, auth_method="client_secret_post")
    before = await signed.risk()
    for _ in range(2):
        world.clock.move(minutes=2)
        answer = await world.refresh(signed.client, signed.tokens["refresh_token"])
        assert answer.status_code == 200
        signed.tokens |= answer.json()
    assert await signed.risk() == before


async def test_an_apps_own_library_says_nothing_of_the_browser(world: World) -> None:
    signed = await signed_in(world)
    before = await signed.risk()
    world.clock.move(minutes=2)
    assert (await signed.refresh(agent="okhttp/4.12.0")).status_code == 200
    assert await signed.risk() == before


async def test_what_is_not_said_any_more_keeps_the_last_look(world: World) -> None:
    """S35: a score that another network raised is not lowered by saying nothing."""
    signed = await signed_in(world)
    assert (await signed.refresh(address=FAR_AWAY)).status_code == 200
    raised = await signed.risk()
    assert raised is not None
    assert raised > 1
    world.clock.move(minutes=2)
    found = await rescore_session(world.services, signed.session_id, None, "signal", world.clock())
    assert found is not None
    assert found.risk == raised


async def test_within_a_minute_only_what_looks_different_is_assessed(world: World) -> None:
    signed = await signed_in(world)

    async def seen() -> bytes:
        async with world.services.database.reading() as db:
            query = select(sessions.c.seen).where(sessions.c.id == signed.session_id)
            return bytes((await db.execute(query)).scalar_one())

    at_first = await seen()
    await signed.refresh()
    assert await seen() == at_first
    await signed.refresh(address="198.51.100.8")
    elsewhere = await seen()
    assert elsewhere != at_first
    world.clock.move(seconds=61)
    await signed.refresh(address="198.51.100.8")
    assert await seen() not in (at_first, elsewhere)


async def test_a_look_that_does_not_open_speaks_for_nobody_and_breaks_nothing(world: World) -> None:
    """S35"""
    signed = await signed_in(world)
    async with world.services.database.transaction() as db:
        await db.execute(sessions.update().values(seen=b"\x01garbled"))
    world.clock.move(minutes=2)
    before = await signed.risk()
    assert (await signed.refresh()).status_code == 200
    after = await signed.risk()
    assert before is not None
    assert after is not None
    assert after >= before


async def test_a_threshold_is_crossed_once_however_many_look_at_once(world: World) -> None:
    signed = await signed_in(world, risk_thresholds=LOW)
    services, now = world.services, world.clock()
    subject = await find_subject(services, "person", signed.person.sub)
    assert subject is not None
    async with services.database.transaction() as db:
        await take_report(
            db, services, subject, Reporter("cli"), kind="fraud", weight=5.0, expires_at=now + timedelta(hours=1),
            note=None, now=now,
        )  # fmt: skip
    found = await asyncio.gather(*(rescore_session(services, signed.session_id, None, "signal", now) for _ in range(6)))
    assert len({each.risk for each in found if each}) == 1
    assert len(await risk_events(world)) == 1
    assert len(await signed.facts()) == 1


async def test_a_report_that_has_expired_lowers_the_score_again(world: World) -> None:
    signed = await signed_in(world, risk_thresholds=LOW)
    before = await signed.risk()
    await signed.report(5.0)
    world.clock.move(minutes=2)
    assert (await signed.refresh()).status_code == 200
    assert await signed.risk() != before
    async with world.services.database.transaction() as db:
        await db.execute(sessions.update().values(idle_expires_at=world.clock() + timedelta(days=9)))
        await db.execute(sessions.update().values(expires_at=world.clock() + timedelta(days=9)))
    world.clock.move(days=1, minutes=1)
    assert (await signed.refresh()).status_code == 200
    assert await signed.risk() == before
    assert [name for name, _ in await risk_events(world)] == ["risk.raised", "risk.lowered"]
    assert (await signed.facts())[-1] == {"risk": before}


async def test_a_session_that_was_never_assessed_stays_without_a_score(world: World) -> None:
    client = await world.client(auth_method="none")
    tokens = await world.tokens(client, await world.person())
    answer = await world.refresh(client, tokens["refresh_token"])
    assert "risk" not in claims_of(answer.json()["access_token"])


async def test_a_service_that_says_where_the_person_is_gets_the_new_score(world: World) -> None:
    signed = await signed_in(world, auth_method="client_secret_post")
    token, ask = signed.tokens["access_token"], {"path": "/oauth/introspect", "token": signed.tokens["access_token"]}
    plain = await world.introspect(signed.client, token)
    assert plain["risk"] == await signed.risk()
    told = (await world.token(signed.client, **ask, client_address=FAR_AWAY)).json()
    assert told["risk"] == await signed.risk()
    assert told["risk"] > plain["risk"]
    ended = await world.token(signed.client, **ask, client_address=FAR_AWAY, client_user_agent=STRANGE)
    assert ended.json() == {"active": False}
    assert [data["why"] for _, data in await risk_events(world)][-1] == "introspection"
    assert await world.introspect(signed.client, token) == {"active": False}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_address", "nowhere"),
        ("client_address", "1.2.3.4/24"),
        ("client_address", "9" * 65),
        ("client_user_agent", "Mozilla/5.0"),
        ("client_user_agent", "a" * 1025),
        ("client_user_agent", "a\nb"),
    ],
)
async def test_a_wrong_value_is_named(world: World, field: str, value: str) -> None:
    client = await world.client()
    refused = await world.token(client, path="/oauth/introspect", token="x", **{field: value})
    check_refused(refused, "invalid_request", f"{field}: expected")


def test_the_last_threshold_on_the_way_counts() -> None:
    usual = RiskThresholds()
    ways = {(None, 29): None, (None, 30): 30, (10, 95): 90, (60, 89): None, (95, 20): 30, (95, 70): 90, (30, 29): 30}
    assert {way: find_crossed(*way, usual) for way in ways} == ways


def test_what_is_lowered_keeps_all_else() -> None:
    claims = {"acr": [AAL2], "amr": ["mfa", "otp", "pwd"], "userinfo": ["email"]}
    expected = {"acr": [AAL1], "amr": ["pwd"], "userinfo": ["email"]}
    assert lowered(claims, frozenset({"pwd", "totp"})) == expected
