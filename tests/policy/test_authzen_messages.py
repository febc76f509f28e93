"""Requests of the Authorization API: whatever is sent is read, or refused in words; every question has an answer."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Entity, EntityRef
from policy.authzen.messages import Batch, Evaluation, Malformed, parse_body, parse_evaluation, parse_evaluations
from policy.authzen.questions import question_of
from policy.authzen.replies import reply_of
from policy.authzen.searches import parse_search
from tests.signin_policy import starter_engine

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
PERSON = Entity(EntityRef("Ostiary::Person", "ada"), {"state": "active", "is_admin": False, "factors": ["pwd"]})
ROUTE = Entity(EntityRef("Ostiary::Route", "orders"), {"scope": "orders:read"})

NAMES = st.sampled_from(
    "subject action resource context evaluations options page type id name properties token limit risk score reasons"
    " authentication acr amr auth_time age_s methods classes scopes caller device place address time".split()
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | NAMES
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5))
PARTY = st.fixed_dictionaries({"type": st.just("person"), "id": st.text(min_size=1, max_size=4)})
CALLS = {"method": "GET", "host": "api.example", "path": "/"}
CONTEXTS = st.dictionaries(NAMES, VALUES, max_size=6)


Read = TypeVar("Read")


def read_or_refused(read: Callable[[], Read]) -> Read | Malformed:
    """What is read, or what is wrong with it; any other failure is one of the test."""
    try:
        return read()
    except Malformed as fault:
        return fault


@cache
def engine() -> PolicyEngine:
    return starter_engine()


@given(VALUES)
def test_any_json_at_all_is_read_or_refused_with_the_member_at_fault(value: object) -> None:
    """S48: nothing that can be sent fails in any other way."""
    found = read_or_refused(lambda: parse_evaluations(parse_body(json.dumps(value).encode())))
    assert isinstance(found, Evaluation | Batch | Malformed)
    if isinstance(found, Malformed):
        assert str(found) == f"{found.field}: expected {found.expected}"


@given(st.fixed_dictionaries({"subject": PARTY, "resource": PARTY}, optional={"context": CONTEXTS, "page": VALUES}))
def test_any_search_at_all_is_read_or_refused(members: dict[str, object]) -> None:
    message = {**members, "action": {"name": "call"}}
    for sought in ("subject", "resource", "action"):
        body = json.dumps(message).encode()
        search = read_or_refused(partial(parse_search, sought, parse_body(body)))
        assert isinstance(search, Malformed) or 0 <= search.limit <= 100


@given(CONTEXTS)
def test_any_context_at_all_is_refused_or_answered(context: dict[str, object]) -> None:
    """S41: what cannot be understood is never an allow by mistake, and never a failure."""
    told = json.dumps({"subject": {"type": "person", "id": "ada"}, "action": {"name": "call"},
                       "resource": {"type": "route", "id": "orders"}, "context": {**context, **CALLS}})  # fmt: skip
    evaluation = parse_evaluation(parse_body(told.encode()))
    question = read_or_refused(lambda: question_of(evaluation, PERSON, ROUTE, now=NOW))
    if isinstance(question, Malformed):
        assert question.field.startswith("context.")
        return
    reply = reply_of(engine().decide(question))
    scopes = context.get("scopes")
    if reply["decision"]:
        assert "orders:read" in (scopes if isinstance(scopes, list | str) else "")


@pytest.mark.parametrize(
    ("given_acr", "classes"),
    [
        ("urn:ostiary:aal1", ["urn:ostiary:aal1"]),
        ("urn:ostiary:aal2", ["urn:ostiary:aal1", "urn:ostiary:aal2"]),
        ("phr", ["phr", "urn:ostiary:aal1", "urn:ostiary:aal2"]),
        ("urn:ostiary:aal3", ["phr", "urn:ostiary:aal1", "urn:ostiary:aal2", "urn:ostiary:aal3"]),
        ("urn:elsewhere:gold", ["urn:elsewhere:gold"]),
    ],
)
def test_a_class_holds_the_classes_below_it(given_acr: str, classes: list[str]) -> None:
    """S28: nobody gets more than was stated."""
    context = {"authentication": {"acr": given_acr, "auth_time": int(NOW.timestamp()) - 7}}
    evaluation = parse_evaluation(
        {"subject": {"type": "person", "id": "ada"}, "action": {"name": "call"},
         "resource": {"type": "route", "id": "orders"}, "context": context}
    )  # fmt: skip
    proven = question_of(evaluation, PERSON, ROUTE, now=NOW).context["authentication"]
    assert proven == {"acr": given_acr, "classes": classes, "methods": [], "age_s": 7}


def test_a_number_beyond_all_sizes_is_refused_or_passed_over() -> None:
    huge = {"subject": {"type": "person", "id": "ada"}, "action": {"name": "call"},
            "resource": {"type": "route", "id": "orders"}, "context": {"x": 2**70, **CALLS}}  # fmt: skip
    search = parse_search("subject", parse_body(json.dumps(huge).encode()))
    assert len(search.digest) == 12
