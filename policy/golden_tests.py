"""Golden tests that are kept with a set of policies: questions, and what has to be answered.

A test says only what it is about; the rest of its context is that of an ordinary question. `risk` may be a bare score,
and `authentication` may say `methods` alone: what they amount to is filled in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from ostiary.policy.values import Answer, Entity, EntityRef, Question
from policy.context_parts import authentication_of, risk_of, time_of

# A Wednesday at noon.
_NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
_SIGNIN: Mapping[str, object] = {
    "thresholds": {"notice": 30, "step_up": 60, "strong": 90},
    "required_classes": [],
    "asked_classes": [],
    "mfa_required": False,
    "mail_code_counts": False,
    "address_blocked": False,
    "taken_over": False,
}
_CALL: Mapping[str, object] = {"method": "GET", "host": "api.example", "path": "/"}
_ORDINARY: Mapping[str, Mapping[str, object]] = {"signIn": _SIGNIN, "stepUp": _SIGNIN, "call": _CALL}


class InvalidTests(ValueError):
    """Tests that cannot be read; the text says which and why."""


class _Reference(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    id: str


class _Entity(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    id: str
    attributes: dict[str, object] = {}
    parents: list[_Reference] = []


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    subject: _Entity
    action: str
    resource: _Entity
    context: dict[str, object] = {}
    others: list[_Entity] = []


class _Test(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    question: _Question
    expect: Literal["allow", "deny"]
    policies: list[str] | None = None


@dataclass(frozen=True, slots=True)
class GoldenTest:
    """A question and what has to be answered; `policies` are those that have to decide, None where any may."""

    name: str
    question: Question
    expect: Literal["allow", "deny"]
    policies: frozenset[str] | None = None


def parse_tests(tests: object) -> tuple[GoldenTest, ...]:
    """The tests in a list of JSON objects. Raises InvalidTests."""
    try:
        parsed = msgspec.convert(tests, type=list[_Test])
        found = tuple(_test_of(each) for each in parsed)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidTests(f"tests: {error}") from error
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidTests(f"tests: the name {twice[0]!r} stands there twice, expected each to be unique")
    return found


def parse_question(question: object) -> Question:
    """One question as tests write it; what it leaves out is filled in. Raises InvalidTests."""
    try:
        return _question_of(msgspec.convert(question, type=_Question))
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidTests(f"question: {error}") from error


def run_tests(decide: Callable[[Question], Answer], tests: Sequence[GoldenTest]) -> list[tuple[GoldenTest, str]]:
    """The tests that fail, each with what was answered instead; `decide` is an engine's."""
    failed = []
    for test in tests:
        answer = decide(test.question)
        told = f"{answer.effect} by {', '.join(answer.policies) or 'no policy'}"
        if answer.error is not None and test.expect == "allow":
            failed.append((test, f"{told}, since {answer.error}"))
        elif answer.effect != test.expect or test.policies not in (None, frozenset(answer.policies)):
            failed.append((test, told))
    return failed


def _test_of(test: _Test) -> GoldenTest:
    policies = None if test.policies is None else frozenset(test.policies)
    return GoldenTest(test.name, _question_of(test.question), test.expect, policies)


def _question_of(asked: _Question) -> Question:
    ordinary = {"time": time_of(_NOON), "scopes": [], **_ORDINARY.get(asked.action, {})}
    context = {**ordinary, **asked.context}
    score, proven = context.get("risk"), context.get("authentication")
    if isinstance(score, int):
        context["risk"] = risk_of(score)
    if isinstance(proven, Mapping) and isinstance(methods := proven.get("methods"), list):
        context["authentication"] = {**authentication_of(frozenset(map(str, methods)), age_s=0), **proven}
    if isinstance(caller := context.get("caller"), Mapping):
        reference = msgspec.convert(caller, type=_Reference)
        context["caller"] = EntityRef(reference.type, reference.id)
    others = tuple(map(_entity_of, asked.others))
    return Question(_entity_of(asked.subject), asked.action, _entity_of(asked.resource), context, others)


def _entity_of(entity: _Entity) -> Entity:
    parents = tuple(EntityRef(each.type, each.id) for each in entity.parents)
    return Entity(EntityRef(entity.type, entity.id), entity.attributes, parents)
