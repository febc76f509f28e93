"""`/api/v1/policies`: programs read sets, check them, write drafts, and put sets in force, seeing what they replace."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from policy.starter import PolicySetText, starter_set
from server.policy_documents import shown_text
from tests.policy.set_texts import NO_ADMINISTRATION, NOTE, only, starter_with
from tests.server.api.service import Service, check_problem, open_service
from tests.world import World

pytestmark = pytest.mark.anyio

SETS = "/api/v1/policies"
ACTIVE, DRAFTS = f"{SETS}/active", f"{SETS}/drafts"


@pytest.fixture
async def editor(world: World) -> AsyncIterator[Service]:
    """A service that may read and write policies."""
    async with open_service(world, "policies:read", "policies:write", name="editor") as opened:
        yield opened


async def put(
    editor: Service, text: PolicySetText | None, *, known: str | None = '"1"', path: str = ACTIVE, **more: object
) -> httpx2.Response:
    """The answer to a PUT of a set, or of what is named in its place."""
    body: dict[str, object] = {} if text is None else shown_text(text)
    headers = {} if known is None else {"if-match": known}
    return await editor.http.put(path, json={**body, **more}, headers=headers)


async def test_a_set_is_put_in_force_and_read_back_with_its_number_as_etag(editor: Service) -> None:
    first = await editor.get(ACTIVE)
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    assert first.json()["policies"] == starter_set().policies
    done = await put(editor, starter_with(NOTE), reason="the night is ours")
    assert (done.status_code, done.headers["etag"]) == (200, '"2"')
    assert done.json()["added"] == ["night.closed"]
    assert editor.world.services.policies.revision == 2
    second = (await editor.get(ACTIVE)).json()
    assert (second["revision"], second["activated_by"]) == (2, editor.client_id)
    assert (await editor.get(f"{SETS}/1")).json()["revision"] == 1
    [event] = await editor.world.events("policy.activated")
    assert (event["actor"], event["client"]) == (editor.client_id, editor.client_id)


async def test_sent_again_it_changes_nothing_a_second_time(editor: Service) -> None:
    """I5"""
    answers = [(await put(editor, starter_with(NOTE), reason="again")).json() for _ in range(2)]
    assert [(each["revision"], each["is_new"]) for each in answers] == [(2, True), (2, False)]
    assert len(await editor.world.events("policy.activated")) == 1


async def test_who_does_not_know_what_is_in_force_is_refused(editor: Service) -> None:
    check_problem(await put(editor, starter_with(), known=None, reason="x"), 428, "expected If-Match")
    check_problem(await put(editor, starter_with(), known="2", reason="x"), 400, "one ETag")
    assert (await put(editor, starter_with(NOTE), reason="x")).status_code == 200
    late = await put(editor, starter_with(), reason="mine")
    check_problem(late, 412, "it was written over revision 1, and revision 2 is in force")
    over = await put(editor, starter_with(), known="*", reason="whatever is there")
    assert over.json()["revision"] == 3
    [refused] = await editor.world.events("policy.activation_refused")
    assert refused["actor"] == editor.client_id


async def test_faults_are_answered_one_by_one(editor: Service) -> None:
    answer = await put(editor, only("\npermit (principal, action);"), reason="x")
    check_problem(answer, 422, "there are faults in it: 1")
    [fault] = answer.json()["errors"]
    assert (fault["field"], fault["line"], fault["severity"]) == ("policies", 2, "error")
    assert "policies:" in fault["expected"]


async def test_what_would_lock_out_every_administrator_is_refused(editor: Service) -> None:
    """S43"""
    await editor.world.person(admin=True)
    answer = await put(editor, starter_with(NO_ADMINISTRATION), reason="closed")
    check_problem(answer, 409, "no.administration")
    await editor.world.services.policies.refresh()
    assert editor.world.services.policies.revision == 1


async def test_a_draft_is_written_changed_activated_and_gone(editor: Service) -> None:
    path = f"{DRAFTS}/night"
    made = await put(editor, only("permit"), known=None, path=path)
    assert (made.status_code, made.headers["etag"], made.json()["based_on"]) == (200, '"1"', 1)
    check_problem(await put(editor, only("mine"), known=None, path=path), 412, "not as you know it")
    check_problem(await put(editor, only("mine"), known='"7"', path=path), 412, "not as you know it")
    written = await put(editor, starter_with(NOTE), path=path, is_shadow=True)
    assert (written.headers["etag"], written.json()["is_shadow"]) == ('"2"', True)
    [listed] = (await editor.get(DRAFTS)).json()["drafts"]
    assert (listed["name"], listed["version"], "policies" in listed) == ("night", 2, False)
    assert (await editor.get(path)).json()["policies"] == starter_with(NOTE).policies
    done = await put(editor, None, draft="night", reason="written long enough")
    assert done.json()["revision"] == 2
    check_problem(await editor.get(path), 404, "there is no such draft")


async def test_a_draft_is_removed_as_its_writer_knows_it(editor: Service) -> None:
    path = f"{DRAFTS}/night"
    await put(editor, only(""), known=None, path=path)
    check_problem(await editor.http.delete(path, headers={"if-match": '"4"'}), 412, "not as you know it")
    assert (await editor.http.delete(path, headers={"if-match": '"1"'})).status_code == 204
    check_problem(await editor.http.delete(path), 404, "there is no such draft")
    assert len(await editor.world.events("policy.draft_removed")) == 1


async def test_an_earlier_revision_comes_back(editor: Service) -> None:
    await put(editor, starter_with(NOTE), reason="x")
    back = await put(editor, None, known='"2"', revision=1, reason="nobody slept")
    assert (back.json()["revision"], back.json()["removed"]) == (3, ["night.closed"])
    page = (await editor.get(SETS, limit=2)).json()
    assert [(each["revision"], each["same_as"]) for each in page["sets"]] == [(3, 1), (2, None)]
    rest = (await editor.get(SETS, limit=2, after=page["next"])).json()
    assert ([each["revision"] for each in rest["sets"]], rest["next"]) == ([1], None)
    check_problem(await put(editor, None, known='"3"', revision=9, reason="x"), 404, "no such revision")


async def test_a_set_is_checked_without_changing_anything(editor: Service) -> None:
    good = await editor.http.post(f"{SETS}/check", json=shown_text(starter_set()))
    assert good.json() == {"is_usable": True, "policies": len(starter_policies()), "findings": []}
    bad = await editor.http.post(f"{SETS}/check", json={"policies": "permit;"})
    assert bad.json()["is_usable"] is False
    assert await editor.world.events("policy.activation_refused") == []


def starter_policies() -> list[str]:
    return [line for line in starter_set().policies.splitlines() if line.startswith("@id(")]


async def test_who_may_read_may_not_write(world: World) -> None:
    async with open_service(world, "policies:read") as reader:
        assert (await reader.get(ACTIVE)).status_code == 200
        for answer in (
            await put(reader, starter_with(NOTE), reason="x"),
            await put(reader, only(""), known=None, path=f"{DRAFTS}/a"),
            await reader.http.delete(f"{DRAFTS}/a"),
        ):
            check_problem(answer, 403, "lacks the scope policies:write")


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ("[]", 400, "body: expected a JSON object"),
        ('{"policies": "", "reason": "x", "colour": 1}', 422, "colour: expected none of that name"),
        ('{"policies": 1, "reason": "x"}', 422, "policies: expected text"),
        ('{"policies": "a\\u0000", "reason": "x"}', 422, "policies: expected text without NUL"),
        ('{"policies": "", "own_schema": [], "reason": "x"}', 422, "own_schema: expected text"),
        ('{"policies": "", "tests": [1], "reason": "x"}', 422, "tests: expected a list of objects"),
        ('{"policies": ""}', 422, "reason: expected 1 to 256"),
        ('{"policies": "", "reason": "a\\nb"}', 422, "reason: expected 1 to 256"),
        ('{"reason": "x"}', 422, "policies: expected exactly one"),
        ('{"policies": "", "draft": "a", "reason": "x"}', 422, "policies: expected exactly one"),
        ('{"draft": "a", "own_schema": "", "reason": "x"}', 422, "policies: expected exactly one"),
        ('{"draft": "No", "reason": "x"}', 422, "draft: expected up to 64"),
        ('{"draft": "none", "reason": "x"}', 404, "there is no such draft"),
        ('{"revision": true, "reason": "x"}', 422, "revision: expected the number"),
    ],
)
async def test_a_body_that_is_not_right_names_the_member(
    editor: Service, body: str, status: int, expected: str
) -> None:
    headers = {"content-type": "application/json", "if-match": '"1"'}
    check_problem(await editor.http.put(ACTIVE, content=body, headers=headers), status, expected)


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        (f"{SETS}/77", 404, "there is no such revision"),
        (f"{SETS}?after=0", 400, "after: expected"),
        (f"{SETS}?after=1;drop", 400, "after: expected"),
        (f"{SETS}?colour=red", 400, "colour"),
        (f"{DRAFTS}/none", 404, "there is no such draft"),
    ],
)
async def test_what_is_not_there_or_forged_is_named(editor: Service, path: str, status: int, expected: str) -> None:
    """S50"""
    check_problem(await editor.http.get(path), status, expected)
