"""Searching the log by every filter, page by page, and what a search leaves behind."""

from __future__ import annotations

import msgspec
import pytest

from audit.search import events as searching
from base.ids import PERSON, show_id
from tests.server.api.service import EVENTS, Service, check_problem, open_service

pytestmark = pytest.mark.anyio


async def three_events(service: Service) -> str:
    """Three events of two people; returns the first one's `sub`."""
    ada, bob = await service.world.person(), await service.world.person("bob")
    first = {"severity": "HIGH", "outcome": "failure", "client_id": "shop", "data": {"order": "A-1"}}
    await service.send(
        service.event(sub=ada.sub, address="203.0.113.7", **first),
        service.event(sub=ada.sub, address="2001:db8:7::9", name="parcel.sent", message='Gone with 100% "care"'),
        service.event(sub=bob.sub, address="203.0.113.200", name="parcel.lost", severity="MEDIUM", outcome="denied"),
    )
    return ada.sub


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"name": "order.refunded"}, {"order.refunded"}),
        ({"family": "parcel"}, {"parcel.sent", "parcel.lost"}),
        ({"address": "203.0.113.7"}, {"order.refunded"}),
        ({"address": "2001:DB8:7:0::9"}, {"parcel.sent"}),
        ({"network": "203.0.113.0/24"}, {"order.refunded", "parcel.lost"}),
        ({"network": "2001:db8:7::/48"}, {"parcel.sent"}),
        ({"network": "198.51.100.0/24", "family": "parcel"}, set()),
        ({"client": "shop"}, {"order.refunded"}),
        ({"severity": "MEDIUM", "family": "parcel"}, {"parcel.lost"}),
        ({"severity": "LOW", "family": "parcel"}, {"parcel.sent"}),
        ({"outcome": "denied", "network": "203.0.113.0/24"}, {"parcel.lost"}),
        ({"outcome": "success", "family": "parcel"}, {"parcel.sent"}),
        ({"severity": "HIGH", "outcome": "failure"}, {"order.refunded"}),
        ({"text": "a-1"}, {"order.refunded"}),
        ({"text": '100% "CARE"'}, {"parcel.sent"}),
        ({"text": "100_ "}, set()),
        ({"text": "' OR 1=1 --"}, set()),
        ({"name": "parcel.sent' OR '1'='1"}, None),
        ({"source": "nobody", "family": "parcel"}, set()),
        ({"risk_min": 1, "family": "parcel"}, set()),
        ({"until": "2026-01-01T00:00:00Z"}, set()),
        ({"from": "2100-01-01T00:00:00+02:00"}, set()),
    ],
)
async def test_each_filter_lets_through_what_it_says(
    auditor: Service, filters: dict[str, object], names: set[str] | None
) -> None:
    """S50: a filter is data, never SQL"""
    await three_events(auditor)
    answer = await auditor.get(EVENTS, **filters)
    if names is None:
        check_problem(answer, 400, "name")
        return
    assert {each["name"] for each in answer.json()["events"]} == names
    assert answer.json()["next"] is None


async def test_a_person_is_found_by_public_id_and_by_sub(service: Service) -> None:
    sub = await three_events(service)
    found = await service.found(person=sub, text="sender_id")
    assert [each["name"] for each in found] == ["parcel.sent", "order.refunded"] or len(found) == 2
    assert await service.found(person=found[0]["subject"], text="sender_id") == found
    assert await service.found(person=show_id(PERSON, bytes(16))) == []
    check_problem(await service.get(EVENTS, person="no-such-sub"), 400, "person")


async def test_the_source_of_a_service_is_its_id(service: Service) -> None:
    await three_events(service)
    assert len(await service.found(source=service.client_id)) == 3
    assert {each["source"] for each in await service.found(source="auth-service")} == {"auth-service"}
    assert await service.found(source=service.client_id[:-1]) == []


async def test_pages_are_stable_while_events_arrive(service: Service) -> None:
    sent = [service.event(data={"number": number}) for number in range(7)]
    await service.send(*sent)
    page = await service.search(family="order", limit=3)
    seen = [each["data"]["number"] for each in page["events"]]  # type: ignore[attr-defined]
    while page["next"]:
        await service.send(service.event(data={"number": 99}))
        page = await service.search(family="order", limit=3, after=page["next"])
        assert page["scanned_until"] is None
        seen += [each["data"]["number"] for each in page["events"]]  # type: ignore[attr-defined]
    assert seen == [6, 5, 4, 3, 2, 1, 0]


async def test_a_search_for_what_is_rare_goes_on_page_by_page_and_says_how_far_it_came(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "STEPS", (4, 6))
    await service.send(service.event(message="the needle"))
    await service.send(*(service.event() for _ in range(25)))
    pages = [await service.search(text="the needle", family="order")]
    while pages[-1]["next"]:
        pages.append(await service.search(text="the needle", family="order", after=pages[-1]["next"]))
    assert [len(page["events"]) for page in pages] == [0, 0, 1]  # type: ignore[arg-type]
    reached = [page["scanned_until"] for page in pages]
    assert reached[2] is None
    assert str(reached[0]) >= str(reached[1])


async def test_a_cursor_holds_for_its_own_search_alone(service: Service) -> None:
    """S50: and so no series of pages begins without an event that tells of it"""
    await three_events(service)
    cursor = str((await service.search(limit=2))["next"])
    assert (await service.get(EVENTS, after=cursor)).status_code == 200
    flipped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    for after, filters in ((cursor, {"family": "login"}), (flipped, {}), (cursor[:-2], {}), (cursor + "=", {})):
        check_problem(await service.get(EVENTS, after=after, **filters), 400, "after")
    check_problem(await service.get(EVENTS, after="' OR 1=1"), 400, "after")


async def test_a_search_leaves_one_event_however_many_pages_are_read(auditor: Service) -> None:
    await auditor.send(*(auditor.event() for _ in range(5)))
    page = await auditor.search(family="order", address="203.0.113.7", text="secret", limit=1)
    assert page["events"] == []
    page = await auditor.search(family="order", limit=2)
    while page["next"]:
        page = await auditor.search(family="order", limit=2, after=page["next"])
    told = await auditor.world.events("admin.audit_searched")
    assert [each["data"] for each in told] == [
        {"filters": {"family": "order", "address": "…", "text": "…"}}, {"filters": {"family": "order"}},
    ]  # fmt: skip
    assert {(each["actor"], each["client"]) for each in told} == {(auditor.client_id, auditor.client_id)}
    assert "203.0.113.7" not in msgspec.json.encode(told).decode()


@pytest.mark.parametrize("asked", [{"address": "203.0.113.7"}, {"network": "203.0.113.0/24"}])
async def test_who_may_not_read_addresses_cannot_guess_them_one_by_one(
    service: Service, asked: dict[str, object]
) -> None:
    await three_events(service)
    refused = await service.get(EVENTS, **asked)
    check_problem(refused, 403, "lacks the scope audit:read_personal: address and network ask for it")
    challenge = 'Bearer realm="Ostiary", error="insufficient_scope", scope="audit:read_personal"'
    assert refused.headers["www-authenticate"] == challenge
    assert await service.world.events("admin.audit_searched") == []
    (told,) = await service.world.events("token.refused")
    assert told["data"] == {"error": "insufficient_scope", "reason": "without the scope audit:read_personal"}


async def test_personal_fields_need_their_own_scope(service: Service) -> None:
    sub = await three_events(service)
    assert all("personal" not in each for each in await service.found(person=sub))
    async with open_service(service.world, "audit:read", "audit:read_personal", name="auditor") as auditor:
        found = await auditor.found(name="order.refunded")
        assert found[0]["personal"] == {"address": "203.0.113.7"}
        one = await auditor.get(f"{EVENTS}/{found[0]['id']}")
        assert one.json()["personal"] == {"address": "203.0.113.7"}
    assert "personal" not in (await service.get(f"{EVENTS}/{found[0]['id']}")).json()


async def test_one_event_comes_with_the_body_that_the_ledger_commits_to(service: Service) -> None:
    await service.send(service.event(data={"order": "A-1"}))
    (found,) = await service.found(name="order.refunded")
    one = (await service.get(f"{EVENTS}/{found['id']}")).json()
    body = msgspec.json.decode(one.pop("body"), type=dict[str, object])
    assert one == found
    assert (body["id"], body["data"]) == (found["id"], found["data"])
    told = await service.world.events("admin.audit_searched")
    assert told[-1]["data"] == {"filters": {"id": found["id"]}}


@pytest.mark.parametrize("event", ["evt_" + "0" * 32, "evt_0", "usr_" + "0" * 32, "%00"])
async def test_an_event_that_is_none_is_not_found(service: Service, event: str) -> None:
    check_problem(await service.get(f"{EVENTS}/{event}"), 404, "no event with this id")
