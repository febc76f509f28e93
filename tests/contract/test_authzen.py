"""OpenID Authorization API 1.0 (AuthZEN), sentence by sentence: evaluations, their errors, the transport (§5–§7, §10).

Searches and metadata: test_authzen_search.py.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from audit.catalogue import TOKEN_REFUSED
from identity import memberships, revocation
from identity.accounts import set_person_state
from identity.tables import credentials
from tests.contract.decision_point import EVALUATION, EVALUATIONS, DecisionPoint, open_decision_point
from tests.databases import Databases
from tests.server.api.service import open_service
from tests.world import open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pdp(databases: Databases, tmp_path: Path) -> AsyncIterator[DecisionPoint]:
    with databases.sqlite(tmp_path) as url:
        async with open_world(url, tmp_path) as world, open_decision_point(world) as opened:
            yield opened


def context_of(answer: dict[str, object]) -> dict[str, object]:
    context = answer["context"]
    assert isinstance(context, dict)
    return context


def error_of(answer: dict[str, object]) -> str:
    assert answer["decision"] is False
    error = context_of(answer)["error"]
    assert isinstance(error, dict)
    return f"{error['status']} {error['message']}"


# §5.5, §6: one evaluation


async def test_a_decision_is_a_boolean_with_a_context_that_says_more(pdp: DecisionPoint) -> None:
    answer = await pdp.ask(**pdp.question())
    assert answer["decision"] is True
    assert context_of(answer) == {
        "policies": ["shop.read"], "reasons": [], "obligations": [], "keep_s": 20,
        "revision": pdp.world.services.policies.revision,
    }  # fmt: skip


async def test_a_denial_is_an_answer_with_status_200_and_words_for_the_person(pdp: DecisionPoint) -> None:
    """§10.1.2: a denial is no error of the transport. S41: nothing permits it, so it is denied."""
    answer = await pdp.ask(**pdp.question("Shop::edit"))
    assert answer["decision"] is False
    assert context_of(answer)["reason_user"] == {"en": "This is not allowed."}
    assert context_of(answer)["policies"] == []
    elsewhere = await pdp.ask(**pdp.question("Shop::edit", context={"address": "198.51.100.9"}))
    assert context_of(elsewhere)["reason_user"] == {"en": "Editing is for people in the office."}
    assert (context_of(elsewhere)["policies"], context_of(elsewhere)["reasons"]) == (["shop.near"], ["elsewhere"])


async def test_properties_of_subject_action_and_resource_are_objects_that_may_be_left_out(pdp: DecisionPoint) -> None:
    """§5.1 to §5.3"""
    question = pdp.question()
    question["resource"] = {"type": "Shop::Document", "id": "1", "properties": {"is_secret": True, "shelf": [1, {}]}}
    assert (await pdp.ask(**question))["decision"] is False
    question["resource"] = {"type": "Shop::Document", "id": "1", "properties": {"is_secret": False}}
    assert (await pdp.ask(**question))["decision"] is True


async def test_the_address_of_a_subject_counts_where_the_context_has_none(pdp: DecisionPoint) -> None:
    """§5.1.1.1"""
    question = pdp.question("Shop::edit")
    question["subject"] = {"type": "user", "id": pdp.sub, "properties": {"ip_address": "198.51.100.9"}}
    assert context_of(await pdp.ask(**question))["policies"] == ["shop.near"]
    question["context"] = {"address": "203.0.113.9"}
    assert context_of(await pdp.ask(**question))["policies"] == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("subject", None, "subject: expected an object"),
        ("subject", "ada", "subject: expected an object"),
        ("subject.type", None, "subject.type: expected a string"),
        ("subject.type", 7, "subject.type: expected a string"),
        ("subject.id", None, "subject.id: expected a string"),
        ("subject.id", "", "subject.id: expected a string"),
        ("subject.properties", [], "subject.properties: expected an object"),
        ("action", None, "action: expected an object"),
        ("action.name", None, "action.name: expected a string"),
        ("action.name", ["call"], "action.name: expected a string"),
        ("action.properties", "GET", "action.properties: expected an object"),
        ("resource", None, "resource: expected an object"),
        ("resource.type", None, "resource.type: expected a string"),
        ("resource.id", None, "resource.id: expected a string"),
        ("resource.properties", 1, "resource.properties: expected an object"),
        ("context", [], "context: expected an object"),
        ("context.risk", "high", "context.risk: expected a score from 0 to 100"),
        ("context.authentication", "aal2", "context.authentication: expected an object"),
        ("context.scopes", 7, "context.scopes: expected an array of strings"),
        ("context.caller", 7, "context.caller: expected the id of a service"),
    ],
)
async def test_a_missing_or_wrong_member_is_a_bad_request_that_names_it_and_a_fault_of_its_item_alone(
    pdp: DecisionPoint, path: str, value: object, words: str
) -> None:
    """§10.1.1, §7.2.1: 400 at /evaluation; at /evaluations a denial with the error, beside the other answers."""
    faulty = json.loads(json.dumps(pdp.question(context={})))
    first, _, second = path.partition(".")
    holder = faulty[first] if second else faulty
    if value is None:
        del holder[second or first]
    else:
        holder[second or first] = value
    alone = await pdp.http.post(EVALUATION, json=faulty)
    assert (alone.status_code, alone.text.startswith(words)) == (400, True), alone.text
    assert alone.headers["content-type"] == "text/plain; charset=utf-8"
    answers = await pdp.evaluations({"evaluations": [pdp.question(), faulty, pdp.question()]})
    assert [answer["decision"] for answer in answers] == [True, False, True]
    assert error_of(answers[1]).startswith(f"400 evaluations[1].{words}")


async def test_members_that_nobody_knows_are_ignored_in_any_order(pdp: DecisionPoint) -> None:
    """§10.1.1"""
    question = pdp.question(context={"weather": {"rain": True}}, tenant="x", options=7, page=[])
    question["action"] = {"verb": 1, "name": "Shop::read"}
    assert (await pdp.ask(**dict(reversed(question.items()))))["decision"] is True


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"null", b"\xff{}", b"[" * 100_000, b'{"subject": NaN}'])
async def test_a_body_that_is_no_json_object_is_a_bad_request(pdp: DecisionPoint, body: bytes) -> None:
    """§10.1.1; S48: however deep it is nested."""
    for path in (EVALUATION, EVALUATIONS):
        answer = await pdp.http.post(path, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.text) == (400, "body: expected a JSON object")


async def test_what_nobody_knows_is_denied_and_the_error_says_what_it_was(pdp: DecisionPoint) -> None:
    """S41: without a subject and a resource that exist there is no allow."""
    nobody = {"type": "person", "id": "nobody"}
    assert error_of(await pdp.ask(**pdp.question(subject=nobody))) == "404 subject: there is no person with this id"
    alien = {"type": "dog", "id": "rex"}
    assert error_of(await pdp.ask(**pdp.question(subject=alien))) == "404 subject: there is no dog with this id"
    gone = {"type": "application", "id": "cli_gone"}
    assert error_of(await pdp.ask(**pdp.question(resource=gone))).startswith("404 resource: there is no application")
    assert error_of(await pdp.ask(**pdp.question("Shop::burn"))).startswith("422 this could not be decided: the schema")
    unasked = await pdp.ask(**pdp.question(context={"caller": "cli_gone"}))
    assert error_of(unasked) == "404 context.caller: there is no service with this id"
    device = await pdp.ask(**pdp.question("call", context={}))
    assert error_of(device).startswith("422 this could not be decided: context: host, method, path")


async def test_what_the_context_says_of_a_sign_in_counts_and_a_denial_names_the_step_up(pdp: DecisionPoint) -> None:
    """Signs of tokens (`acr`, `amr`, `auth_time`) become classes, methods and an age. The time is the server's own."""
    now = int(pdp.world.clock().timestamp())
    fresh = {"acr": "urn:ostiary:aal2", "amr": ["pwd", "otp"], "auth_time": now - 60}
    told = {"authentication": fresh, "risk": 10, "time": {"epoch_s": 0}}
    assert (await pdp.ask(**pdp.question("Shop::print", context=told)))["decision"] is True
    old = {**fresh, "auth_time": now - 3_600}
    assert (await pdp.ask(**pdp.question("Shop::print", context={"authentication": old})))["decision"] is False
    undated = {"acr": "urn:ostiary:aal2", "amr": ["pwd", "otp"]}
    assert (await pdp.ask(**pdp.question("Shop::print", context={"authentication": undated})))["decision"] is False
    risky = {"authentication": fresh, "risk": {"score": 80, "reasons": ["new_country"]}}
    assert (await pdp.ask(**pdp.question("Shop::print", context=risky)))["decision"] is False


async def test_a_denial_names_the_step_up_that_would_turn_it_where_the_person_can_reach_it(pdp: DecisionPoint) -> None:
    """§5.5: instructions for step-up authentication (RFC 9470)."""
    now = int(pdp.world.clock().timestamp())
    signed_in = {"authentication": {"acr": "urn:ostiary:aal1", "amr": ["pwd"], "auth_time": now - 7_200}}
    without = await pdp.ask(**pdp.question("Shop::print", context=signed_in))
    assert context_of(without)["obligations"] == []
    async with pdp.world.services.database.transaction() as db:
        person = (await db.exec_driver_sql("SELECT id FROM people")).scalar_one()
        row = {"id": b"t" * 16, "person_id": person, "kind": "totp", "attributes": {},
               "created_at": pdp.world.clock(), "version": 1}  # fmt: skip
        await db.execute(insert(credentials).values(row))
    answer = await pdp.ask(**pdp.question("Shop::print", context=signed_in))
    assert answer["decision"] is False
    step_up = {"kind": "step_up", "acr": "urn:ostiary:aal2", "max_age_s": 300}
    assert context_of(answer)["obligations"] == [step_up]
    risky = await pdp.ask(**pdp.question("Shop::print", context={**signed_in, "risk": 80}))
    assert context_of(risky)["obligations"] == []


async def test_whoever_was_suspended_or_given_a_role_is_decided_by_the_database_at_once(pdp: DecisionPoint) -> None:
    """S18"""
    services = pdp.world.services
    told: dict[str, object] = {"now": pdp.world.clock(), "actor": "cli"}
    async with services.database.transaction() as db:
        person = (await db.exec_driver_sql("SELECT id FROM people")).scalar_one()
        await memberships.create_membership(db, services, "role", "editor", **told)  # type: ignore[arg-type]
        await memberships.add_member(db, services, "role", "editor", person, **told)  # type: ignore[arg-type]
    assert (await pdp.ask(**pdp.question("Shop::edit")))["decision"] is True
    async with services.database.transaction() as db:
        await set_person_state(db, services, person, "suspended", **told)  # type: ignore[arg-type]
    answer = await pdp.ask(**pdp.question())
    assert (answer["decision"], context_of(answer)["reasons"]) == (False, ["account_not_active"])
    assert context_of(answer)["keep_s"] == 0


async def test_a_service_asks_with_the_service_that_calls_for_it(pdp: DecisionPoint) -> None:
    async with open_service(pdp.world, "feed:read", name="orders") as orders:
        robot = {"type": "service", "id": orders.client_id}
        question = pdp.question("Shop::edit", subject=robot)
        assert (await pdp.ask(**question))["decision"] is False
        for caller in (orders.client_id, {"type": "service", "id": orders.client_id}):
            assert (await pdp.ask(**{**question, "context": {"caller": caller}}))["decision"] is True


# §7: several evaluations


@pytest.mark.parametrize("more", [{}, {"evaluations": []}, {"evaluations": None}])
async def test_without_items_several_evaluations_are_one(pdp: DecisionPoint, more: dict[str, object]) -> None:
    """§7.1"""
    assert (await pdp.post(EVALUATIONS, {**pdp.question(), **more}))["decision"] is True
    faulty = await pdp.http.post(EVALUATIONS, json={**pdp.question(), "subject": {"type": "person"}, **more})
    assert (faulty.status_code, faulty.text) == (400, "subject.id: expected a string of 1 to 1024 characters")


async def test_top_level_members_are_defaults_that_an_item_overrides_whole(pdp: DecisionPoint) -> None:
    """§7.1.1"""
    question = pdp.question(context={"address": "198.51.100.9"})
    message = {
        **question,
        "evaluations": [
            {},
            {"action": {"name": "Shop::edit"}},
            {"action": {"name": "Shop::edit"}, "context": {}},
            {"resource": {"type": "Shop::Document", "id": "2", "properties": {"is_secret": True}}},
        ],
    }
    answers = await pdp.evaluations(message)
    assert [answer["decision"] for answer in answers] == [True, False, False, False]
    assert [context_of(answer)["policies"] for answer in answers] == [["shop.read"], ["shop.near"], [], []]


async def test_a_required_member_that_neither_the_item_nor_the_defaults_have_is_that_items_fault(
    pdp: DecisionPoint,
) -> None:
    """§7.1.1"""
    message = {"evaluations": [{"action": {"name": "Shop::read"}}, 7, pdp.question()]}
    answers = await pdp.evaluations(message)
    assert error_of(answers[0]) == "400 evaluations[0].subject: expected an object"
    assert error_of(answers[1]) == "400 evaluations[1]: expected an object"
    assert answers[2]["decision"] is True


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        (None, [True, False, False, True]),
        ("execute_all", [True, False, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
async def test_the_three_semantics_end_the_message_where_they_say(
    pdp: DecisionPoint, semantic: str | None, decisions: list[bool]
) -> None:
    """§7.1.2.1"""
    items: list[object] = [pdp.question(), pdp.question("Shop::edit"), 7, pdp.question()]
    message: dict[str, object] = {"evaluations": items}
    if semantic is not None:
        message["options"] = {"evaluations_semantic": semantic, "another_option": "value"}
    assert [answer["decision"] for answer in await pdp.evaluations(message)] == decisions


async def test_a_fault_is_a_denial_for_the_semantics(pdp: DecisionPoint) -> None:
    """§7.1.2.1: "any denial (error, or decision false)"."""
    message: dict[str, object] = {"evaluations": [7, pdp.question(), pdp.question("Shop::edit")]}
    first = await pdp.evaluations({**message, "options": {"evaluations_semantic": "deny_on_first_deny"}})
    assert [answer["decision"] for answer in first] == [False]
    permit = await pdp.evaluations({**message, "options": {"evaluations_semantic": "permit_on_first_permit"}})
    assert [answer["decision"] for answer in permit] == [False, True]


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ({"evaluations": {}}, "evaluations: expected an array of at most 1000 objects"),
        ({"evaluations": [{}] * 1001}, "evaluations: expected an array of at most 1000 objects"),
        ({"options": 7}, "options: expected an object"),
        ({"options": {"evaluations_semantic": "EXECUTE_ALL"}}, "options.evaluations_semantic: expected one of"),
    ],
)
async def test_what_is_wrong_with_the_whole_message_is_a_bad_request(
    pdp: DecisionPoint, member: dict[str, object], words: str
) -> None:
    """§7.2.1"""
    answer = await pdp.http.post(EVALUATIONS, json={"evaluations": [pdp.question()], **member})
    assert (answer.status_code, answer.text.startswith(words)) == (400, True), answer.text


# §10: transport


@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS, "/access/v1/search/action"])
async def test_whoever_does_not_authenticate_is_unauthorized(pdp: DecisionPoint, path: str) -> None:
    """§10.1.2"""
    async with pdp.world.browser() as stranger:
        without = await stranger.post(path, json=pdp.question())
        wrong = await stranger.post(path, json=pdp.question(), headers={"authorization": "Bearer no-such-token"})
    assert (without.status_code, wrong.status_code) == (401, 401)
    assert without.headers["www-authenticate"] == 'Bearer realm="Ostiary"'
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    assert without.text.startswith("no access token: expected one header Authorization: Bearer")
    assert (await pdp.world.events(TOKEN_REFUSED.name))[-1]["outcome"] == "failure"


async def test_a_token_without_the_scope_is_forbidden_and_a_revoked_one_unauthorized_at_once(
    pdp: DecisionPoint,
) -> None:
    """S18"""
    async with open_service(pdp.world, "feed:read", name="follower") as follower:
        answer = await follower.http.post(EVALUATION, json=pdp.question())
    assert (answer.status_code, answer.text) == (403, "the access token lacks the scope authzen:evaluate")
    services = pdp.world.services
    assert (await pdp.ask(**pdp.question()))["decision"] is True
    async with services.database.transaction() as db:
        told = {"why": "revoked", "now": pdp.world.clock(), "actor": "cli"}
        await revocation.revoke_client(db, services, pdp.service.client_id, **told)  # type: ignore[arg-type]
    await services.catalogue.poll()
    assert (await pdp.http.post(EVALUATION, json=pdp.question())).status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_requests_are_posts(pdp: DecisionPoint, method: str) -> None:
    """§10.1"""
    answer = await pdp.http.request(method, EVALUATION)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_requests_are_json(pdp: DecisionPoint, kind: str) -> None:
    """§10.1"""
    body = json.dumps(pdp.question()).encode()
    assert (await pdp.http.post(EVALUATION, content=body, headers={"content-type": kind})).status_code == 200
    for other in ({"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}, {}):
        answer = await pdp.http.post(EVALUATION, content=body, headers=other)
        assert (answer.status_code, answer.text) == (400, "content-type: expected application/json")


@pytest.mark.parametrize("told", ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any text; at all", "x" * 1024])
async def test_the_requests_id_comes_back_with_every_answer(pdp: DecisionPoint, told: str) -> None:
    """§10.1.3, §10.1.4"""
    for path, body, status in ((EVALUATION, pdp.question(), 200), (EVALUATION, {}, 400), ("/access/v1/no", {}, 404)):
        answer = await pdp.http.post(path, json=body, headers={"x-request-id": told})
        assert (answer.status_code, answer.headers.get_list("x-request-id")) == (status, [told])
    own = await pdp.http.post(EVALUATION, json=pdp.question(), headers={"x-request-id": "x" * 1025})
    assert len(own.headers["x-request-id"]) == 16


async def test_a_body_of_more_than_a_mebibyte_is_refused_unread(pdp: DecisionPoint) -> None:
    """S48"""
    answer = await pdp.http.post(EVALUATION, json=pdp.question(context={"x": "x" * 1024 * 1024}))
    assert answer.status_code == 413
