"""What services report: read strictly, stored once, counted at once, and nobody learns from it who there is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlalchemy import select

from base.ids import PERSON, SESSION, show_id
from identity.account.deletion import delete_person
from identity.tables import grants, sessions
from risk.reports import MOST_AT_ONCE
from risk.tables import risk_reports
from tests.identity.forms import sign_in
from tests.server.api.service import Service, check_problem, open_service
from tests.world import World

pytestmark = pytest.mark.anyio

SIGNALS = "/api/v1/risk/signals"
NOBODY = show_id(PERSON, b"\x07" * 16)


@pytest.fixture
async def shop(world: World) -> AsyncIterator[Service]:
    """A service that may report, and no more."""
    async with open_service(world, "risk:write", name="shop") as opened:
        yield opened


async def report(
    service: Service, about: dict[str, str], *, key: str | None = None, **parts: object
) -> httpx2.Response:
    body = {"about": about, "kind": "stolen_card", **parts}
    return await service.http.post(SIGNALS, json=body, headers={} if key is None else {"idempotency-key": key})


async def session_of(world: World) -> tuple[bytes, int]:
    """The one session, and its score."""
    async with world.services.database.reading() as db:
        row = (await db.execute(select(sessions.c.id, sessions.c.risk))).one()
    return bytes(row.id), row.risk


async def stored(world: World) -> list[tuple[str, str, int, bool]]:
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(risk_reports).order_by(risk_reports.c.id))).all()
    return [(row.subject_kind, row.kind, row.weight, row.person_id is not None) for row in rows]


async def test_a_report_counts_at_once_in_every_session_of_its_person(shop: Service) -> None:
    world, person = shop.world, await shop.world.person()
    async with world.browser() as browser:
        await sign_in(browser)
    _, before = await session_of(world)
    answer = await report(shop, {"person": person.sub}, weight=5, note="card 4711 was reported")
    assert answer.status_code == 201
    told = answer.json()
    assert answer.headers["location"] == f"{SIGNALS}/{told['id']}"
    assert (told["id"][:4], told["kind"], told["weight"]) == ("sig_", "stolen_card", 5.0)
    session_id, after = await session_of(world)
    assert after > before
    (event,) = await world.events("risk.reported")
    assert (event["actor"], event["subject"]) == (shop.client_id, show_id(PERSON, person.id))
    data = dict(event["data"])  # type: ignore[call-overload]
    assert (data["about"], data["kind"], data["weight"], data["report"]) == ("person", "stolen_card", 5.0, told["id"])
    assert "note" in dict(event["hidden"])  # type: ignore[call-overload]
    again = await report(shop, {"session": show_id(SESSION, session_id)}, kind="scraping")
    assert again.json()["weight"] == 2.0
    assert (await session_of(world))[1] > after


async def test_a_report_that_is_taken_back_counts_no_more(shop: Service) -> None:
    world, person = shop.world, await shop.world.person()
    async with world.browser() as browser:
        await sign_in(browser)
    told = (await report(shop, {"person": person.sub}, weight=5)).json()
    _, reported = await session_of(world)
    path = f"{SIGNALS}/{told['id']}"
    async with open_service(world, "risk:write", name="other") as other:
        check_problem(await other.http.delete(path), 404, "that you may take back")
    assert (await session_of(world))[1] == reported
    gone = await shop.http.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await session_of(world))[1] < reported
    check_problem(await shop.http.delete(path), 404, "no report with this id")
    assert [dict(each["data"])["kind"] for each in await world.events("risk.reported")] == ["stolen_card", "withdrawn"]  # type: ignore[call-overload]


async def test_who_may_write_people_takes_back_what_others_reported(shop: Service) -> None:
    told = (await report(shop, {"address": "203.0.113.9"})).json()
    async with open_service(shop.world, "risk:write", "users:write", name="desk") as desk:
        assert (await desk.http.delete(f"{SIGNALS}/{told['id']}")).status_code == 204
    assert await stored(shop.world) == []


async def test_a_reported_takeover_ends_everything_and_keeps_them_out(shop: Service) -> None:
    world, person, client = shop.world, await shop.world.person(), await shop.world.client()
    tokens = await world.tokens(client, person, scope="openid offline_access")
    assert (await report(shop, {"person": person.sub}, kind="taken_over")).status_code == 201
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 400
    assert await world.introspect(client, tokens["access_token"]) == {"active": False}
    async with world.services.database.reading() as db:
        assert (await db.execute(select(sessions.c.ended_why))).scalars().all() == ["reported_takeover"]
        assert set((await db.execute(select(grants.c.ended_why))).scalars()) == {"reported_takeover"}
    async with world.browser() as browser:
        await sign_in(browser)
        assert "__Host-ostiary_session" not in browser.cookies


async def test_a_session_that_was_taken_over_ends_alone(shop: Service) -> None:
    world, person = shop.world, await shop.world.person()
    async with world.browser() as one, world.browser() as two:
        mine, theirs = await world.sign_in(one, person), await world.sign_in(two, person)
    answer = await report(shop, {"session": show_id(SESSION, theirs)}, kind="taken_over")
    assert answer.status_code == 201
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(sessions.c.id, sessions.c.ended_why))).all()
    assert {bytes(row.id): row.ended_why for row in rows} == {mine: None, theirs: "reported_takeover"}


async def test_an_address_counts_where_somebody_signs_in_from_it(shop: Service) -> None:
    world, _ = shop.world, await shop.world.person()
    assert (await report(shop, {"address": "198.51.100.7"}, weight=5)).status_code == 201
    (event,) = await world.events("risk.reported")
    assert "198.51.100.7" not in str({**event, "hidden": None})
    async with world.browser() as browser:
        await sign_in(browser)
    (begun,) = await world.events("login.succeeded") or await world.events("login.begun")
    assert begun["risk"]
    async with world.services.database.reading() as db:
        kept = (await db.execute(select(sessions.c.assessment))).scalars().first()
    assert kept is None or "reported" in {reason["signal"] for reason in kept["reasons"]}


@pytest.mark.parametrize("about", [{"person": NOBODY}, {"person": "nobody"}, {"session": "ses_" + "0" * 32}])
async def test_a_report_about_nobody_tells_only_who_may_know(shop: Service, about: dict[str, str]) -> None:
    """S12"""
    assert (await report(shop, about, kind="taken_over")).status_code == 201
    assert [kept[3] for kept in await stored(shop.world)] == [False]
    async with open_service(shop.world, "risk:write", "users:read", name="desk") as desk:
        problem = check_problem(await report(desk, about), 404, "one that there is")
    assert problem["errors"] == [{"field": f"about.{next(iter(about))}", "expected": "one that there is"}]


async def test_what_is_no_id_stands_nowhere_in_the_log(shop: Service) -> None:
    """S46: a service may take a name, or what somebody typed as one, for an id."""
    assert (await report(shop, {"person": "a quiet harbour at dusk"})).status_code == 201
    (event,) = await shop.world.events("risk.reported")
    assert event["subject"] is None
    assert "harbour" not in str(event)


async def test_an_erased_person_is_nobody(shop: Service) -> None:
    """S47"""
    world, person = shop.world, await shop.world.person()
    await report(shop, {"person": person.sub})
    async with world.services.database.transaction() as db:
        await delete_person(db, world.services, person.id, now=world.clock(), actor="cli")
    assert await stored(world) == []
    assert (await report(shop, {"person": person.sub}, kind="taken_over")).status_code == 201
    assert [kept[3] for kept in await stored(world)] == [False]
    async with open_service(world, "risk:write", "users:read", name="desk") as desk:
        check_problem(await report(desk, {"person": show_id(PERSON, person.id)}), 404, "about.person")


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"about": {}}, "about"),
        ({"about": "usr"}, "about"),
        ({"about": {"person": "a", "address": "1.2.3.4"}}, "about"),
        ({"about": {"network": "1.2.3.0/24"}}, "about"),
        ({"about": {"person": ""}}, "about.person"),
        ({"about": {"person": "a" * 65}}, "about.person"),
        ({"about": {"session": "here"}}, "about.session"),
        ({"about": {"address": "here"}}, "about.address"),
        ({"about": {"address": "1.2.3.4"}, "kind": "taken_over"}, "kind"),
        ({"kind": "Stolen Card"}, "kind"),
        ({"kind": "a" * 65}, "kind"),
        ({"kind": None}, "kind"),
        ({"weight": 0}, "weight"),
        ({"weight": -1}, "weight"),
        ({"weight": 5.1}, "weight"),
        ({"weight": True}, "weight"),
        ({"weight": "5"}, "weight"),
        ({"expires_in_s": 59}, "expires_in_s"),
        ({"expires_in_s": 2_592_001}, "expires_in_s"),
        ({"expires_in_s": 60.5}, "expires_in_s"),
        ({"note": "a" * 501}, "note"),
        ({"note": 5}, "note"),
        ({"source": "auth-service"}, "source"),
    ],
)
async def test_a_wrong_member_is_named(shop: Service, parts: dict[str, object], field: str) -> None:
    body = {"about": {"address": "203.0.113.9"}, "kind": "scraping", **parts}
    problem = check_problem(await shop.http.post(SIGNALS, json=body), 422, f"{field}: expected")
    assert problem["errors"][0]["field"] == field  # type: ignore[index]
    assert await stored(shop.world) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"\xff", b"[" * 100_000])
async def test_what_is_no_object_is_refused(shop: Service, body: bytes) -> None:
    answer = await shop.http.post(SIGNALS, content=body, headers={"content-type": "application/json"})
    check_problem(answer, 400, "a JSON object")


async def test_a_report_sent_again_is_stored_once(shop: Service) -> None:
    about = {"address": "203.0.113.9"}
    first, again = await report(shop, about, key="k"), await report(shop, about, key="k")
    assert (again.status_code, again.json()) == (201, first.json())
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert len(await stored(shop.world)) == 1
    assert len(await shop.world.events("risk.reported")) == 1
    check_problem(await report(shop, about, key="k", weight=1), 422, "Idempotency-Key: expected a new key")
    await shop.http.delete(first.headers["location"])
    check_problem(await report(shop, about, key="k"), 409, "taken back")


async def test_nobody_fills_what_every_sign_in_reads(shop: Service) -> None:
    about = {"address": "203.0.113.9"}
    for _ in range(MOST_AT_ONCE):
        assert (await report(shop, about)).status_code == 201
    check_problem(await report(shop, about), 429, "take some back")


async def test_the_scope_is_needed(world: World) -> None:
    async with open_service(world, "audit:write", name="writer") as writer:
        check_problem(await report(writer, {"address": "203.0.113.9"}), 403, "lacks the scope risk:write")
        check_problem(await writer.http.delete(f"{SIGNALS}/sig_" + "0" * 32), 403, "lacks the scope risk:write")
