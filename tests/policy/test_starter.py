"""The shipped set: its texts fit the schema, its golden tests pass, and what it ships switched off works as well."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.policy.engine import PolicyEngine
from policy.assurance import STRONG
from policy.context_parts import risk_of, time_of
from policy.golden_tests import GoldenTest, InvalidTests, parse_question, parse_tests, run_tests
from policy.schema import schema_text
from policy.starter import starter_set
from risk.values import level_of
from tests.signin_policy import starter_engine

GOLDEN = parse_tests(starter_set().tests)


@pytest.mark.parametrize("test", GOLDEN, ids=lambda test: test.name)
def test_the_shipped_set_answers_as_its_golden_tests_say(test: GoldenTest) -> None:
    """S41"""
    assert run_tests(starter_engine().decide, [test]) == []


def test_every_policy_that_decides_is_named_by_a_golden_test() -> None:
    named = {policy for test in GOLDEN for policy in test.policies or ()}
    advising = {"signin.notice", "administration.break-glass-told"}
    assert set(starter_engine().policy_ids) == named | advising


def test_what_is_asked_for_where_there_is_a_second_factor_is_what_counts_as_one() -> None:
    """The list of strong factors stands in the policies as words."""
    lists = re.findall(r"principal\.factors\.containsAny\(\[([^\]]*)\]\)", starter_set().policies)
    assert lists
    assert all({name.strip(' "') for name in each.split(",")} == STRONG for each in lists)


def switched_on() -> PolicyEngine:
    """The shipped set with every policy in it that is only a comment."""
    policies = starter_set().policies
    examples = re.findall(r"^// @id[^;]*;$", policies, re.MULTILINE)
    assert len(examples) == 2
    text = "\n".join(line.removeprefix("// ").removeprefix("//") for each in examples for line in each.splitlines())
    return PolicyEngine(policies + text, schema_text(), revision=1)


FRIDAY, SATURDAY, MONDAY = (datetime(2026, 3, day, tzinfo=UTC) for day in (6, 7, 9))
HOURS = {
    "friday before it begins": (FRIDAY.replace(hour=15, minute=59), True),
    "friday from 16:00 on": (FRIDAY.replace(hour=16), False),
    "saturday": (SATURDAY.replace(hour=12), False),
    "sunday": (SATURDAY.replace(day=8, hour=23), False),
    "monday before 06:00": (MONDAY.replace(hour=5, minute=59), False),
    "monday from 06:00 on": (MONDAY.replace(hour=6), True),
}


def change(at: datetime, *roles: str) -> dict[str, object]:
    return {
        "subject": {
            "type": "Ostiary::Person",
            "id": "ada",
            "attributes": {"state": "active", "is_admin": True},
            "parents": [{"type": "Ostiary::Role", "id": role} for role in roles],
        },
        "action": "change",
        "resource": {"type": "Ostiary::Administration", "id": "clients"},
        "context": {"authentication": {"methods": ["passkey"]}, "risk": 0, "time": time_of(at)},
    }


@pytest.mark.parametrize(("at", "is_allowed"), HOURS.values(), ids=HOURS.keys())
def test_freeze_hours_hold_once_they_are_switched_on(at: datetime, is_allowed: bool) -> None:
    engine = switched_on()
    answer = engine.decide(parse_question(change(at)))
    assert answer.is_allowed is is_allowed
    if not is_allowed:
        assert (answer.policies, answer.reasons) == (("administration.freeze",), ("freeze_hours",))
    assert engine.decide(parse_question(change(at, "break-glass"))).is_allowed
    assert starter_engine().decide(parse_question(change(at))).is_allowed


def test_a_route_can_be_kept_for_one_service_that_calls_in_a_persons_name() -> None:
    engine = switched_on()
    question: dict[str, object] = {
        "subject": {"type": "Ostiary::Person", "id": "ada", "attributes": {"state": "active"}},
        "action": "call",
        "resource": {"type": "Ostiary::Route", "id": "payments", "attributes": {"service": "payment-service"}},
    }
    for name, is_allowed in (("order-processing", True), ("search-service", False)):
        caller = {"type": "Ostiary::Service", "id": "cli_1"}
        context = {"authentication": {"methods": ["pwd"]}, "caller": caller}
        asked = {**question, "context": context, "others": [{**caller, "attributes": {"name": name}}]}
        assert engine.decide(parse_question(asked)).is_allowed is is_allowed
    alone = parse_question({**question, "context": {"authentication": {"methods": ["pwd"]}}})
    assert engine.decide(alone).reasons == ("caller_not_allowed",)


def test_the_levels_of_risk_are_those_of_the_risk_room() -> None:
    assert [risk_of(score)["level"] for score in range(101)] == [str(level_of(score)) for score in range(101)]


FAULTS = {
    "no list": ({}, "Expected `array`"),
    "a member that there is not": ([{"name": "a", "question": {}, "expects": "allow"}], "missing required field"),
    "an effect that there is not": (
        [{"name": "a", "question": change(FRIDAY), "expect": "maybe"}], "Invalid enum value 'maybe'",
    ),
    "a name that stands there twice": (
        [{"name": "a", "question": change(FRIDAY), "expect": "allow"}] * 2, "the name 'a' stands there twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tests", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_golden_tests_that_cannot_be_read_are_named(tests: object, words: str) -> None:
    with pytest.raises(InvalidTests, match=re.escape(words)):
        parse_tests(tests)


def test_a_golden_test_that_fails_says_what_was_answered_instead() -> None:
    wrong = [
        {"name": "effect", "question": change(SATURDAY), "expect": "deny"},
        {"name": "policies", "question": change(SATURDAY), "expect": "allow", "policies": ["signin.people"]},
    ]
    failed = run_tests(starter_engine().decide, parse_tests(wrong))
    words = "allow by administration.administrators"
    assert [(test.name, told) for test, told in failed] == [("effect", words), ("policies", words)]


def test_every_shipped_policy_and_golden_test_of_the_documentation_is_a_real_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[a-z]+\.[^|]*) \|", page.partition("## The shipped set")[2], re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`([^`]+)`", row)] == list(starter_engine().policy_ids)
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(example)["name"] in {test.name for test in GOLDEN}
    assert run_tests(starter_engine().decide, parse_tests([json.loads(example)])) == []
