"""What a policy looks at is found in all of its parts."""

import cedarpy
import pytest

from ostiary.policy.reading import Reads, reads_of
from ostiary.policy.values import Entity, Question
from tests.sdk.policy.small_world import engine_of, ref


def reads(policy: str) -> Reads:
    (found,) = cedarpy.policies_to_pst(policy).static_policies.values()
    return reads_of(found)


def where(condition: str) -> Reads:
    return reads(f"permit (principal, action, resource) when {{ {condition} }};")


@pytest.mark.parametrize(
    ("condition", "paths", "names"),
    [
        ("true", set(), set()),
        ("context.risk.score < 60", {"context.risk"}, {"risk", "score"}),
        ("context has risk.score", {"context.risk"}, {"risk", "score"}),
        ("principal.is_admin", {"principal.is_admin"}, {"is_admin"}),
        ("resource.owner.boss.state == 1", {"resource.owner"}, {"owner", "boss", "state"}),
        ("resource.owner has state", {"resource.owner"}, {"owner", "state"}),
        ("principal in resource.group", {"principal in", "resource.group"}, {"group"}),
        ('principal is A in B::"c"', {"principal in"}, set()),
        ("principal is A", set(), set()),
        ("principal == resource", set(), set()),
        ('action in Action::"a"', set(), set()),
        ("[principal.a, 1].contains(context.b)", {"principal.a", "context.b"}, {"a", "b"}),
        ('{"x": principal.a}.x == 1', {"principal.a"}, {"a", "x"}),
        ("(if context.a then principal else resource).b", {"context.a", "principal", "resource"}, {"a", "b"}),
        ("(if principal.a then context else context).b", {"principal.a", "context"}, {"a", "b"}),
        ('context.path like "/a*"', {"context.path"}, {"path"}),
        ('!(context.address.isInRange(ip("10.0.0.0/8")))', {"context.address"}, {"address"}),
        ("context == context", {"context"}, set()),
    ],
)
def test_every_expression_tells_what_it_reads(condition: str, paths: set[str], names: set[str]) -> None:
    found = where(condition)
    assert (set(found.paths), set(found.names)) == (paths, names)


@pytest.mark.parametrize(
    ("condition", "whole", "asked"),
    [
        ("context has risk && context.risk.score < 60", {("risk", "score")}, {("risk",)}),
        ("context.device == context.other", {("device",), ("other",)}, set()),
        ("(if principal.a then context else context).b", {()}, set()),
        ("principal.risk.score < 60", set(), set()),
    ],
)
def test_of_the_context_each_step_is_told(
    condition: str, whole: set[tuple[str, ...]], asked: set[tuple[str, ...]]
) -> None:
    found = where(condition)
    assert (set(found.whole), set(found.asked)) == (whole, asked)


@pytest.mark.parametrize(
    ("policy", "groups"),
    [
        ('permit (principal in A::"b", action, resource);', {"b"}),
        ('permit (principal, action, resource is C in A::"b");', {"b"}),
        ('permit (principal, action, resource) when { context.caller in A::"b" };', {"b"}),
        ('permit (principal, action, resource) when { principal in [A::"b", A::"c"] };', {"b", "c"}),
        ('permit (principal, action, resource) unless { resource.owner is C in A::"b" };', {"b"}),
        ('permit (principal in A::"b", action, resource) when { principal in resource };', None),
        ("permit (principal, action, resource) when { principal in resource.groups };", None),
        ('permit (principal, action, resource) when { principal in [A::"b", context.group] };', None),
        ('permit (principal is C, action in Action::"a", resource) when { action in Action::"b" };', set()),
    ],
)
def test_groups_are_found_wherever_a_policy_asks_for_them(policy: str, groups: set[str] | None) -> None:
    found = reads(policy).groups
    assert (None if found is None else {each.id for each in found}) == groups
    together = reads('permit (principal in A::"x", action, resource);') | reads(policy)
    assert (None if together.groups is None else {each.id for each in together.groups}) == (
        None if groups is None else {"x", *groups}
    )


@pytest.mark.parametrize(
    "condition",
    [
        'principal in Ostiary::Role::"staff"',
        'principal is Ostiary::Person in Ostiary::Role::"staff"',
        'resource has owner && resource.owner in Ostiary::Organisation::"acme"',
        'resource has owner && resource.owner has state && resource.owner.state == "active"',
        'context has caller && context.caller in Ostiary::Role::"robots"',
    ],
)
def test_a_condition_alone_finds_the_groups_and_facts_of_whomever_it_asks_about(condition: str) -> None:
    """With no other policy that asks for the same."""
    engine = engine_of([f'@id("a") permit (principal, action, resource) when {{ {condition} }};'])
    ada = Entity(ref("Person", "ada"), {}, (ref("Role", "staff"),))
    keys = Entity(ref("Administration", "keys"), {"owner": ref("Person", "cem")})
    others = (
        Entity(ref("Person", "cem"), {"state": "active"}, (ref("Group", "ops"),)),
        Entity(ref("Group", "ops"), {}, (ref("Organisation", "acme"),)),
        Entity(ref("Service", "orders"), {"team": "shop"}, (ref("Role", "robots"),)),
    )
    context = {"hour": 12, "scopes": [], "caller": ref("Service", "orders")}
    assert engine.decide(Question(ada, "read", keys, context, others)).is_allowed
    stranger, bare = Entity(ref("Person", "bob")), Entity(keys.ref)
    assert not engine.decide(Question(stranger, "read", bare, {"hour": 12, "scopes": []})).is_allowed
