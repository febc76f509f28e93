"""Reports by the API: listed, given out in every form, made on demand."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from string import Template

import httpx2
import pytest

from audit.reports.page import page_policy
from base.ids import PERSON, show_id
from server.api.turns import Turns
from tests.audit.reports.small_log import make_small_log
from tests.server.api.service import Service, check_problem, open_service
from tests.server.api.test_document import run
from tests.world import World

pytestmark = pytest.mark.anyio

REPORTS = "/api/v1/reports"
DAY = "2026-11-20"
PERSONAL = ("Ada Byron", "ada@example.com", "203.0.113", "198.51.100", "Firefox")


@pytest.fixture
async def reporter(world: World) -> AsyncIterator[Service]:
    """A service that makes and reads reports, personal fields not among it."""
    async with open_service(world, "reports:read", "reports:write", name="reporter") as opened:
        yield opened


async def make(service: Service, key: str | None = None, **wanted: str) -> httpx2.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return await service.http.post(REPORTS, json=wanted or {"day": DAY}, headers=headers)


async def made(service: Service, **wanted: str) -> str:
    answer = await make(service, **wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_report_is_made_kept_and_told(reporter: Service) -> None:
    await make_small_log(reporter.world)
    answer = await make(reporter, day=DAY, language="tr")
    assert answer.status_code == 201
    report = answer.json()
    assert answer.headers["location"] == f"{REPORTS}/{report['id']}"
    assert (report["kind"], report["from"], report["until"]) == (
        "daily", "2026-11-20T00:00:00+00:00", "2026-11-21T00:00:00+00:00",
    )  # fmt: skip
    (event,) = await reporter.world.events("admin.report_made")
    assert (event["actor"], event["subject"]) == (reporter.client_id, report["id"])
    model = (await reporter.get(f"{REPORTS}/{report['id']}")).json()
    assert (model["language"], model["made_by"]) == ("tr", reporter.client_id)
    assert model["title"] == "Günlük güvenlik raporu"
    (read,) = await reporter.world.events("admin.report_read")
    assert (read["actor"], read["subject"]) == (reporter.client_id, report["id"])
    assert read["data"] == {"format": "json", "fields": "public"}


async def test_a_period_of_ones_own_ends_now_at_the_latest(reporter: Service) -> None:
    now = reporter.world.clock()
    begin, end = now - timedelta(days=3), now + timedelta(days=3)
    answer = await make(reporter, **{"from": begin.isoformat(), "until": end.isoformat()})
    assert answer.json()["kind"] == "period"
    assert now.isoformat() <= answer.json()["until"] <= reporter.world.clock().isoformat()
    model = (await reporter.get(answer.headers["location"])).json()
    assert model["title"] == "Security report"


async def test_every_form_is_given_out_as_what_it_is(reporter: Service) -> None:
    await make_small_log(reporter.world)
    path = f"{REPORTS}/{await made(reporter)}"
    begins = {"pdf": b"%PDF", "html": b"<!doctype html>", "csv": b"PK", "xlsx": b"PK", "json": b"{"}
    for form, first in begins.items():
        answer = await reporter.get(path, format=form)
        assert answer.status_code == 200, (form, answer.text)
        assert answer.content.startswith(first)
        assert answer.headers["cache-control"] == "no-store"
        saved = form in ("pdf", "csv", "xlsx")
        assert ("attachment; filename=" in answer.headers.get("content-disposition", "")) == saved
    page = await reporter.get(path, format="html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == page_policy() + "; frame-ancestors 'none'"
    table = await reporter.get(path, format="csv", table="lockouts-lockouts")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"


async def texts_of(service: Service, path: str) -> str:
    page = (await service.get(path, format="html")).text
    packed = (await service.get(path, format="csv")).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        tables = "".join(archive.read(name).decode() for name in archive.namelist())
    return page + tables + (await service.get(path, format="json")).text


async def test_names_and_addresses_need_their_own_scope(reporter: Service) -> None:
    ada, _ = await make_small_log(reporter.world)
    path = f"{REPORTS}/{await made(reporter)}"
    hidden = await texts_of(reporter, path)
    assert [word for word in PERSONAL if word in hidden] == []
    assert show_id(PERSON, ada.id) in hidden
    assert "people stand as their ids" in hidden
    async with open_service(reporter.world, "reports:read", "audit:read_personal", name="officer") as officer:
        shown = await texts_of(officer, path)
    assert [word for word in PERSONAL if word not in shown] == []
    assert "people stand as their ids" not in shown
    told = [each["data"] for each in await reporter.world.events("admin.report_read")]
    assert {each["fields"] for each in told if isinstance(each, dict)} == {"public", "personal"}


async def test_the_list_is_paged_and_filtered(reporter: Service) -> None:
    days = ["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"]
    ids = [await made(reporter, day=day) for day in days]
    both = {"from": "2026-11-19T12:00:00Z", "until": "2026-11-20T12:00:00Z"}
    ids.append(await made(reporter, **both))
    seen: list[str] = []
    page = (await reporter.get(REPORTS, limit=2)).json()
    while True:
        seen += [each["id"] for each in page["reports"]]
        if page["next"] is None:
            break
        page = (await reporter.get(REPORTS, limit=2, after=page["next"])).json()
    assert sorted(seen) == sorted(ids)
    assert len(seen) == len(set(seen))

    async def found(**filters: str) -> set[str]:
        return {each["id"] for each in (await reporter.get(REPORTS, **filters)).json()["reports"]}

    assert await found(kind="period") == {ids[4]}
    assert await found(day="2026-11-20") == {ids[3], ids[4]}
    assert await found(kind="daily", day="2026-11-19") == {ids[2]}
    assert await found(day="2026-11-25") == set()


async def test_the_same_key_makes_one_report(reporter: Service) -> None:
    """S48"""
    first, second = await asyncio.gather(*(make(reporter, "once", day=DAY) for _ in range(2)))
    assert first.json() == second.json()
    assert {each.headers.get("idempotency-replayed") for each in (first, second)} == {None, "true"}
    assert len((await reporter.get(REPORTS)).json()["reports"]) == 1
    check_problem(await make(reporter, "once", day="2026-11-19"), 422, "used with another request")
    async with open_service(reporter.world, "reports:read", "reports:write", name="other") as other:
        assert (await make(other, "once", day=DAY)).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "day"),
        ({"day": DAY, "from": "2026-11-19T00:00:00Z"}, "day"),
        ({"from": "2026-11-19T00:00:00Z"}, "day"),
        ({"day": "20 November"}, "day"),
        ({"day": "20261120"}, "day"),
        ({"day": "2999-01-01"}, "day"),
        ({"day": 20}, "day"),
        ({"from": "2026-11-19", "until": "2026-11-20"}, "from"),
        ({"from": "2026-11-20T00:00:00Z", "until": "2026-11-19T00:00:00Z"}, "from"),
        ({"from": "2024-11-19T00:00:00Z", "until": "2026-11-19T00:00:00Z"}, "from"),
        ({"day": DAY, "language": "de"}, "language"),
        ({"day": DAY, "colour": "red"}, "colour"),
        ([], "body"),
    ],
)
async def test_what_cannot_be_made_is_named(reporter: Service, wanted: object, field: str) -> None:
    problem = check_problem(await reporter.http.post(REPORTS, json=wanted), 400, "")
    (error,) = problem["errors"] if isinstance(problem["errors"], list) else []
    assert error["field"] == field
    assert await reporter.world.events("admin.report_made") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("day=today", "day"), ("day=2026-11-31", "day"), ("kind=Daily", "kind"), ("after=x", "after"),
        ("after=AAAA", "after"), ("limit=0", "limit"), ("colour=red", "colour"),
        ("day=2026-11-20&day=2026-11-21", "day"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_of_the_list_is_named(reporter: Service, query: str, field: str) -> None:
    problem = check_problem(await reporter.http.get(f"{REPORTS}?{query}"), 400, "")
    (error,) = problem["errors"] if isinstance(problem["errors"], list) else []
    assert error["field"] == field


async def test_a_report_that_is_not_there_or_not_in_that_form_is_a_problem(reporter: Service) -> None:
    for name in ("rpt_" + "0" * 32, "rpt_1", "evt_" + "0" * 32, "x"):
        check_problem(await reporter.get(f"{REPORTS}/{name}"), 404, "no report with this id")
    path = f"{REPORTS}/{await made(reporter)}"
    check_problem(await reporter.get(path, format="docx"), 400, "format")
    check_problem(await reporter.get(path, format="csv", table="none"), 400, "table: expected one of figures")
    check_problem(await reporter.get(path, format="pdf", table="figures"), 400, "table: expected format=csv")
    check_problem(await reporter.get(path, language="tr"), 409, "made in the language en")
    assert (await reporter.get(path, language="en")).status_code == 200


async def test_each_scope_opens_its_own_endpoints(world: World) -> None:
    async with open_service(world, "reports:read", name="r") as reader, open_service(world, "audit:read") as auditor:
        check_problem(await make(reader), 403, "lacks the scope reports:write")
        check_problem(await auditor.get(REPORTS), 403, "lacks the scope reports:read")


async def test_the_examples_of_the_documentation_work(reporter: Service) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reports.md").read_text()
    examples = [code for code in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if code.startswith("curl")]
    assert len(examples) == 4
    known = {"ISSUER": "https://id.example.com", "TOKEN": reporter.token, "REPORT": await made(reporter)}
    async with reporter.world.browser() as http:
        for example in examples:
            answer = await run(http, Template(example).substitute(known))
            assert answer.is_success, (example, answer.text)


async def test_one_report_at_a_time_and_who_comes_when_enough_wait_is_sent_away() -> None:
    """F8"""
    turns, order, may_end = Turns(most_waiting=1, patience_s=30), [], asyncio.Event()

    async def work(name: str) -> None:
        async with turns.taken():
            order.append(name)
            await may_end.wait()

    first, second = asyncio.create_task(work("first")), asyncio.create_task(work("second"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["first"]
    with pytest.raises(Exception, match="another report is being written") as refused:
        await work("third")
    assert (getattr(refused.value, "status", 0), getattr(refused.value, "headers", {})) == (503, {"Retry-After": "15"})
    may_end.set()
    await asyncio.gather(first, second)
    assert order == ["first", "second"]


async def test_nobody_waits_for_a_report_without_end() -> None:
    turns, may_end = Turns(most_waiting=4, patience_s=0.01), asyncio.Event()

    async def work() -> None:
        async with turns.taken():
            await may_end.wait()

    first = asyncio.create_task(work())
    await asyncio.sleep(0)
    with pytest.raises(Exception, match="another report is being written"):
        await work()
    may_end.set()
    await first
    async with turns.taken():
        pass
