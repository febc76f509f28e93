"""No text of policies, and no schema, ends the process that reads it; without these bounds Cedar would overflow the
stack."""

import pytest

from ostiary.policy.engine import InvalidPolicies, PolicyEngine
from policy.checking import check_set
from policy.starter import PolicySetText
from policy.texts import find_broken, find_policies
from tests.sdk.policy.small_world import SCHEMA, engine_of

_MANY = 30_000


def when(condition: str) -> str:
    return f'@id("a") permit (principal, action, resource) when {{ {condition} }};'


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("(" * _MANY + "true" + ")" * _MANY, "brackets stand in one another, expected at most 100"),
        ("[" * _MANY, "brackets stand in one another, expected at most 100"),
        ('"' + "(" * _MANY, "brackets stand in one another, expected at most 100"),
        ("// \r" + "(" * _MANY, "brackets stand in one another, expected at most 100"),
        ("true" + " && true" * _MANY, "a policy is too long to be read, expected at most 1000 operators"),
        ("1" + "+1" * _MANY, "a policy is too long to be read, expected at most 1000 operators"),
        ("context" + ".a" * _MANY, "a policy is too long to be read, expected at most 1000 operators"),
        ("context" + '["a"]' * _MANY, "a policy is too long to be read, expected at most 1000 operators"),
        ("if true then " * _MANY, "a policy is too long to be read, expected at most 1000 operators"),
    ],
)
def test_a_policy_that_is_too_deep_to_be_read_is_refused(condition: str, words: str) -> None:
    """I6: whoever may have a set checked must not end the server by it."""
    with pytest.raises(InvalidPolicies, match=f"policies: {words}"):
        engine_of([when(condition)])
    assert find_policies(when(condition)) is None
    assert find_broken(when(condition)) is not None
    [finding] = check_set(PolicySetText(when(condition))).findings
    assert (finding.severity, words in finding.words) == ("error", True)


@pytest.mark.parametrize("within", [("Set<", ">"), ("{ a: ", " }")])
def test_a_schema_that_is_too_deep_to_be_read_is_refused(within: tuple[str, str]) -> None:
    """I6"""
    before, after = within
    own = f"namespace Shop {{ entity A {{ a: {before * _MANY}Long{after * _MANY} }}; }}"
    with pytest.raises(InvalidPolicies, match="schema: types stand in one another, expected at most 100"):
        PolicyEngine("", SCHEMA + own, revision=1)


@pytest.mark.parametrize(
    ("following", "number", "words"),
    [
        ("{{ a: T{0}, b: T{0} }}", 15, "types have too many attributes"),
        ("{{ a: T{0} }}", 600, "types stand in one another"),
    ],
)
def test_types_that_grow_by_naming_one_another_are_refused(following: str, number: int, words: str) -> None:
    """I6"""
    types = "".join(f"type T{each} = {following.format(each + 1)};" for each in range(number))
    own = f"namespace Shop {{ {types} type T{number} = Long; entity A {{ a: T0 }}; }}"
    with pytest.raises(InvalidPolicies, match=f"schema: {words}"):
        PolicyEngine("", SCHEMA + own, revision=1)


def test_what_people_write_is_read() -> None:
    """Long lists, many policies, and brackets in texts and comments."""
    names = ", ".join(f'"{number}(((("' for number in range(5_000))
    policies = [when(f"[{names}].containsAny(context.scopes)").replace('"a"', f'"p{each}"', 1) for each in range(3)]
    assert len(engine_of([*policies, "// " + "(" * 1_000]).policy_ids) == 3
