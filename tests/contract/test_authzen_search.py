"""OpenID Authorization API 1.0 (AuthZEN), sentence by sentence: searches (§8) and metadata (§9)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from identity import memberships
from identity.accounts import set_person_state
from policy.authzen import searches
from tests.contract.decision_point import DecisionPoint, open_decision_point
from tests.world import ISSUER, open_world

pytestmark = pytest.mark.anyio

SUBJECT, RESOURCE, ACTION = (f"/access/v1/search/{sought}" for sought in ("subject", "resource", "action"))


@pytest.fixture
async def pdp(database_url: str, tmp_path: Path) -> AsyncIterator[DecisionPoint]:
    async with open_world(database_url, tmp_path) as world, open_decision_point(world) as opened:
        yield opened


def page_of(answer: dict[str, object]) -> dict[str, object]:
    page = answer["page"]
    assert isinstance(page, dict)
    return page


def ids_of(answer: dict[str, object]) -> list[str]:
    results = answer["results"]
    assert isinstance(results, list)
    assert page_of(answer)["count"] == len(results)
    return [each.get("id") or each["name"] for each in results]


def who_may(action: str, **more: object) -> dict[str, object]:
    return {
        "subject": {"type": "person"},
        "action": {"name": action},
        "resource": {"type": "Shop::Document", "id": "1"},
        **more,
    }


async def pages(pdp: DecisionPoint, path: str, message: dict[str, object]) -> list[list[str]]:
    """The ids of all pages; the last one alone has an empty token (§8.2)."""
    found, page = [], message.get("page", {})
    assert isinstance(page, dict)
    while True:
        answer = await pdp.post(path, {**message, "page": page})
        found.append(ids_of(answer))
        token = page_of(answer)["next_token"]
        if token == "":
            return found
        page = {**page, "token": token}


async def test_the_subjects_that_are_found_are_those_that_may_through_their_roles_too(pdp: DecisionPoint) -> None:
    """§8.1: transitively; a result is allowed when it is asked about. §8.4.1: an id is ignored."""
    services, world = pdp.world.services, pdp.world
    bob, eve = await world.person("bob"), await world.person("eve")
    told: dict[str, object] = {"now": world.clock(), "actor": "cli"}
    async with services.database.transaction() as db:
        await memberships.create_membership(db, services, "role", "editor", **told)  # type: ignore[arg-type]
        for person in (bob, eve):
            await memberships.add_member(db, services, "role", "editor", person.id, **told)  # type: ignore[arg-type]
        await set_person_state(db, services, eve.id, "suspended", **told)  # type: ignore[arg-type]
    editors = await pdp.post(SUBJECT, who_may("Shop::edit", subject={"type": "person", "id": pdp.sub}))
    assert editors == {"page": {"next_token": "", "count": 1}, "results": [{"type": "person", "id": bob.sub}]}
    assert list(editors) == ["page", "results"]
    readers = await pdp.post(SUBJECT, who_may("Shop::read"))
    assert sorted(ids_of(readers)) == sorted([pdp.sub, bob.sub])
    for result in ids_of(readers):
        question = pdp.question(subject={"type": "person", "id": result})
        assert (await pdp.ask(**question))["decision"] is True
    everywhere = {"type": "person", "properties": {"ip_address": "198.51.100.9"}}
    assert ids_of(await pdp.post(SUBJECT, who_may("Shop::edit", subject=everywhere))) == []


async def test_services_are_found_by_their_ids(pdp: DecisionPoint) -> None:
    found = await pdp.post(SUBJECT, who_may("Shop::read", subject={"type": "service"}))
    assert found["results"] == [{"type": "service", "id": pdp.service.client_id}]


async def test_pages_go_on_behind_their_tokens_until_an_empty_one(
    pdp: DecisionPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§8.2, §8.2.1"""
    people = {(await pdp.world.person(f"person{number}")).sub for number in range(6)} | {pdp.sub}
    found = await pages(pdp, SUBJECT, who_may("Shop::read", page={"limit": 3}))
    assert [len(page) for page in found] == [3, 3, 1]
    assert {sub for page in found for sub in page} == people
    # A page ends, too, after so many decisions, whatever they were.
    monkeypatch.setattr(searches, "MAX_DECISIONS", 2)
    assert [len(page) for page in await pages(pdp, SUBJECT, who_may("Shop::edit"))] == [0, 0, 0, 0]


async def test_a_limit_of_nothing_gives_no_results_and_a_token_for_the_rest(pdp: DecisionPoint) -> None:
    """§8.2.1: a non-negative integer."""
    nothing = await pdp.post(SUBJECT, who_may("Shop::read", page={"limit": 0}))
    assert (nothing["results"], page_of(nothing)["count"]) == ([], 0)
    assert page_of(nothing)["next_token"] != ""


@pytest.mark.parametrize(
    "changed",
    [{"action": {"name": "Shop::edit"}}, {"context": {"address": "203.0.113.1"}}, {"limit": 2}, {"token": "rubbish!"}],
)
async def test_a_token_is_for_the_very_same_request(pdp: DecisionPoint, changed: dict[str, object]) -> None:
    """§8.2: PDPs should return an error when any entity or parameter has changed."""
    await pdp.world.person("bob")
    first = await pdp.post(SUBJECT, who_may("Shop::read", page={"limit": 1}))
    page: dict[str, object] = {"limit": 1, "token": page_of(first)["next_token"]}
    message = who_may("Shop::read", page=page)
    assert len(ids_of(await pdp.post(SUBJECT, message))) == 1
    page |= {name: value for name, value in changed.items() if name in ("limit", "token")}
    message |= {name: value for name, value in changed.items() if name not in page}
    answer = await pdp.http.post(SUBJECT, json=message)
    assert (answer.status_code, answer.text) == (
        400, "page.token: expected a next_token of an answer to this very request",
    )  # fmt: skip


async def test_the_resources_that_are_found_are_those_that_the_subject_may_use(pdp: DecisionPoint) -> None:
    """§8.5; an id is ignored."""
    message = {
        "subject": {"type": "person", "id": pdp.sub},
        "action": {"name": "Shop::read"},
        "resource": {"type": "application", "id": "ignored"},
    }
    found = await pdp.post(RESOURCE, message)
    assert found["results"] == [{"type": "application", "id": pdp.service.client_id}]
    apis = await pdp.post(RESOURCE, {**message, "resource": {"type": "api"}})
    assert apis["results"] == [{"type": "api", "id": ISSUER}]
    assert (await pdp.post(RESOURCE, {**message, "action": {"name": "Shop::edit"}}))["results"] == []
    # Documents are the shop's own: nobody here can list them.
    assert (await pdp.post(RESOURCE, {**message, "resource": {"type": "Shop::Document"}}))["results"] == []


async def test_the_actions_that_are_found_are_those_that_the_subject_may_do(pdp: DecisionPoint) -> None:
    """§8.6: the request has no action."""
    message = {
        "subject": {"type": "person", "id": pdp.sub},
        "resource": {"type": "Shop::Document", "id": "1"},
        "context": {"authentication": {"amr": ["pwd", "otp"], "age_s": 5}},
    }
    assert (await pdp.post(ACTION, message))["results"] == [{"name": "Shop::print"}, {"name": "Shop::read"}]
    del message["context"]
    assert (await pdp.post(ACTION, {**message, "action": 7}))["results"] == [{"name": "Shop::read"}]
    nobody = {"type": "person", "id": "nobody"}
    assert (await pdp.post(ACTION, {**message, "subject": nobody}))["results"] == []


@pytest.mark.parametrize(
    ("path", "message", "words"),
    [
        (SUBJECT, {"subject": {}}, "subject.type: expected a string"),
        (SUBJECT, {"resource": {"type": "Shop::Document"}}, "resource.id: expected a string"),
        (SUBJECT, {"action": {}}, "action.name: expected a string"),
        (RESOURCE, {"subject": {"type": "person"}}, "subject.id: expected a string"),
        (RESOURCE, {"subject": {"type": "person", "id": "1"}, "resource": {}}, "resource.type: expected a string"),
        (ACTION, {"subject": {"type": "person"}}, "subject.id: expected a string"),
        (SUBJECT, {"page": 7}, "page: expected an object"),
        (SUBJECT, {"page": {"limit": -1}}, "page.limit: expected a whole number that is not negative"),
        (SUBJECT, {"page": {"limit": True}}, "page.limit: expected a whole number"),
        (SUBJECT, {"page": {"token": 7}}, "page.token: expected a next_token"),
        (SUBJECT, {"context": 7}, "context: expected an object"),
    ],
)
async def test_a_search_at_fault_is_a_bad_request_that_names_the_member(
    pdp: DecisionPoint, path: str, message: dict[str, object], words: str
) -> None:
    """§8.4.1, §8.5.1, §8.6.1, §10.1.1"""
    answer = await pdp.http.post(path, json={**who_may("Shop::read"), **message})
    assert (answer.status_code, answer.text.startswith(words)) == (400, True), answer.text


async def test_the_metadata_name_the_decision_point_and_where_it_answers(pdp: DecisionPoint) -> None:
    """§9.1, §9.2: by GET, as JSON, for everybody, with directives for caches (§11.6)."""
    async with pdp.world.browser() as anybody:
        answer = await anybody.get("/.well-known/authzen-configuration")
        again = await anybody.get(
            "/.well-known/authzen-configuration", headers={"if-none-match": answer.headers["etag"]}
        )
        posted = await anybody.post("/.well-known/authzen-configuration")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert (again.status_code, posted.status_code) == (304, 405)
    assert answer.json() == {
        "policy_decision_point": ISSUER,
        "access_evaluation_endpoint": f"{ISSUER}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{ISSUER}/access/v1/evaluations",
        "search_subject_endpoint": f"{ISSUER}/access/v1/search/subject",
        "search_resource_endpoint": f"{ISSUER}/access/v1/search/resource",
        "search_action_endpoint": f"{ISSUER}/access/v1/search/action",
    }
