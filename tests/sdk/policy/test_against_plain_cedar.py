"""Whatever a policy may say, it is decided as plain Cedar decides that is given everything (S41).

Random policies are written by a grammar of the language: attributes of attributes, sets and records put together on the
way, entities handed through conditions, groups of groups.
"""

from collections.abc import Mapping, Sequence

import cedarpy
import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Entity, EntityRef, Question

SCHEMA = """
namespace Ostiary {
  type Spot = { "country"?: String, "network": Long, "near"?: { "city"?: String, "km": Long } };
  entity Role;
  entity Group in [Group, Role];
  entity Person in [Role, Group] {
    "age": Long, "name"?: String, "tags": Set<String>, "boss"?: Person, "spot"?: Spot, "seen"?: Set<ipaddr>,
  };
  entity Service in [Role] { "name": String, "owner": Person };
  entity Thing in [Group] { "owner"?: Person, "spot"?: Spot, "in"?: Long, "readers"?: Set<Person>, "group"?: Group };
  type Context = {
    "hour": Long, "name"?: String, "spot"?: Spot, "caller"?: Service, "address"?: ipaddr, "tags": Set<String>,
    "group"?: Group, "inner"?: { "address"?: ipaddr, "spot": Spot, "more"?: { "owner": Person } },
  };
  action "all";
  action "some" in ["all"];
  action "read" in ["some"] appliesTo { principal: [Person, Service], resource: [Thing], context: Context };
  action "write" in ["all"] appliesTo { principal: [Person], resource: [Thing], context: Context };
}
"""

# An expression, and what has to hold before it can be read.
Term = tuple[str, str]
_CITIES = ("izmir", "i*", "")
_GROUPS = ('Ostiary::Group::"ops"', 'Ostiary::Group::"acme"', 'Ostiary::Role::"staff"', 'Ostiary::Thing::"t"')


def _both(first: str, second: str) -> str:
    return " && ".join(each for each in (first, second) if each)


def _maybe(of: Term, name: str) -> Term:
    return f"{of[0]}.{name}", _both(of[1], f"{of[0]} has {name}")


@st.composite
def people(draw: st.DrawFn, depth: int = 2) -> Term:
    """Somebody, and somebody's boss."""
    kinds = ["principal", "owner", "caller", "inner", *(["boss", "if"] if depth else [])]
    match draw(st.sampled_from(kinds)):
        case "owner":
            return _maybe(("resource", ""), "owner")
        case "caller":
            return "context.caller.owner", "context has caller"
        case "inner":
            return "context.inner.more.owner", "context has inner.more"
        case "boss":
            return _maybe(draw(people(depth - 1)), "boss")
        case "if":
            (one, before), (other, also) = draw(people(0)), draw(people(0))
            return f"(if context.hour < 12 then {one} else {other})", _both(before, also)
        case _:
            return "principal", "principal is Ostiary::Person"


@st.composite
def spots(draw: st.DrawFn) -> Term:
    """A record, wherever one stands."""
    match draw(st.sampled_from(("context", "inner", "resource", "person", "if", "new"))):
        case "context":
            return _maybe(("context", ""), "spot")
        case "inner":
            return "context.inner.spot", "context has inner"
        case "resource":
            return _maybe(("resource", ""), "spot")
        case "person":
            return _maybe(draw(people()), "spot")
        case "if":
            return "(if context has spot then context.spot else context.inner.spot)", "context has inner"
        case _:
            return "{p: {spot: context.inner.spot}, q: context}.p.spot", "context has inner"


@st.composite
def longs(draw: st.DrawFn) -> Term:
    """A number; sometimes one that is too large."""
    match draw(st.sampled_from(("number", "hour", "age", "network", "km", "in", "large", "context"))):
        case "hour":
            return "context.hour", ""
        case "context":
            return "(if context.hour < 12 then context else context).hour", ""
        case "age":
            who, before = draw(people())
            return f"{who}.age", before
        case "network":
            spot, before = draw(spots())
            return f"{spot}.network", before
        case "km":
            near, before = _maybe(draw(spots()), "near")
            return f"{near}.km", before
        case "in":
            return 'resource["in"]', 'resource has "in"'
        case "large":
            number, before = draw(longs())
            return f"({number} * 9223372036854775807 - 1)", before
        case _:
            return str(draw(st.integers(-2, 3))), ""


@st.composite
def texts(draw: st.DrawFn) -> Term:
    """A text."""
    match draw(st.sampled_from(("text", "context", "person", "caller", "country", "city"))):
        case "context":
            return _maybe(("context", ""), "name")
        case "person":
            return _maybe(draw(people()), "name")
        case "caller":
            return "context.caller.name", "context has caller"
        case "country":
            return _maybe(draw(spots()), "country")
        case "city":
            spot, before = draw(spots())
            return f"{spot}.near.city", _both(before, f"{spot} has near.city")
        case _:
            return msgspec.json.encode(draw(st.sampled_from(_CITIES))).decode(), ""


@st.composite
def members(draw: st.DrawFn, who: str, before: str) -> Term:
    """Somebody or something stands in a group, or in what is named as one."""
    if draw(st.integers(0, 3)) == 0:
        return f"principal is Ostiary::Person in {draw(st.sampled_from(_GROUPS[:3]))}", ""
    groups = (*_GROUPS, f"[{_GROUPS[0]}, {_GROUPS[2]}]", "resource", "principal", "context.group", "resource.group")
    group, member = draw(st.sampled_from(groups)), draw(st.sampled_from((who, "principal", "resource", "action")))
    needs = {"context.group": "context has group", "resource.group": "resource has group"}.get(group, "")
    return f"{member} in {group}", _both(before, needs)


@st.composite
def atoms(draw: st.DrawFn) -> Term:
    """One statement, and what has to hold before it can be made."""
    kind = draw(st.sampled_from(("long", "text", "like", "tags", "same", "in", "in", "spot", "address", "has", "set")))
    (who, before), (other, also) = draw(people()), draw(people())
    if kind == "long":
        (who, before), (other, also) = draw(longs()), draw(longs())
        return f"{who} {draw(st.sampled_from(('<', '<=', '==', '!=')))} {other}", _both(before, also)
    if kind == "text":
        (who, before), (other, also) = draw(texts()), draw(texts())
        return f"{who} == {other}", _both(before, also)
    if kind == "like":
        who, before = draw(texts())
        return f'{who} like "{draw(st.sampled_from(("i*", "*", "iz", "*mir")))}"', before
    if kind == "tags":
        call = draw(
            st.sampled_from((".contains({0})", ".containsAny([{0}])", ".containsAll(context.tags)", ".isEmpty()"))
        )
        text, needs = draw(texts())
        of, known = draw(st.sampled_from((("context.tags", ""), (f"{who}.tags", before))))
        return of + call.format(text), _both(needs, known)
    if kind == "in":
        return draw(members(who, before))
    if kind == "spot":
        (who, before), (other, also) = draw(spots()), draw(spots())
        return draw(st.sampled_from((f"{who} == {other}", f"[{who}].contains({other})"))), _both(before, also)
    if kind == "address":
        places = (_maybe(("context", ""), "address"), ("context.inner.address", "context has inner.address"))
        who, before = draw(st.sampled_from(places))
        call = draw(st.sampled_from(('isInRange(ip("10.0.0.0/8"))', "isIpv4()", "isLoopback()")))
        return f"{who}.{call}", before
    if kind == "has":
        of, known = draw(st.sampled_from(((who, before), ("resource", ""), ("principal", ""))))
        return f"{of} has {draw(st.sampled_from(('spot', 'spot.near.city', 'name', 'owner', 'seen')))}", known
    if kind == "set":
        return f"resource.readers.contains({who})", _both(before, "resource has readers")
    return f"{who} == {other}", _both(before, also)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    """Anything that is true, false or fails."""
    how = draw(st.sampled_from(("atom", "atom", "not", "and", "or", "if"))) if depth else "atom"
    if how == "atom":
        said, before = draw(atoms())
        if before and draw(st.booleans()):
            return f"(if {before} then {said} else {draw(st.sampled_from(('true', 'false')))})"
        return f"({_both(before, said)})"
    first, second = draw(conditions(depth - 1)), draw(conditions(depth - 1))
    if how == "if":
        return f"(if {first} then {second} else {draw(conditions(0))})"
    return {"not": f"(!{first})", "and": f"({first} && {second})", "or": f"({first} || {second})"}[how]


_HEADS = (
    (
        "principal",
        "principal is Ostiary::Person",
        'principal in Ostiary::Role::"staff"',
        'principal == Ostiary::Person::"a"',
    ),
    (
        "action",
        'action == Ostiary::Action::"read"',
        'action in Ostiary::Action::"all"',
        'action in [Ostiary::Action::"some"]',
    ),
    ("resource", 'resource == Ostiary::Thing::"t"', 'resource is Ostiary::Thing in Ostiary::Group::"acme"'),
)


@st.composite
def policies(draw: st.DrawFn) -> list[str]:
    """Those of a handful of random policies that the schema allows."""
    schema, found = cedarpy.Schema.from_str(SCHEMA), []
    for number in range(draw(st.integers(1, 4))):
        head = ", ".join(draw(st.sampled_from(each)) for each in _HEADS)
        clause = f"{draw(st.sampled_from(('when', 'unless')))} {{ {draw(conditions())} }}"
        effect = draw(st.sampled_from(("permit", "forbid"))) if number else "permit"
        text = f'@id("p{number}") {effect} ({head}) {clause};'
        if cedarpy.validate_policies(text, schema).validation_passed:
            found.append(text)
    assume(found)
    return found


def ref(kind: str, name: str) -> EntityRef:
    return EntityRef(f"Ostiary::{kind}", name)


_TEXT = st.sampled_from(("izmir", "ankara", "i*"))
_ADDRESS = st.sampled_from(("10.0.0.1", "203.0.113.7", "2001:db8::1", "127.0.0.1"))
_TAGS = st.lists(_TEXT, max_size=2)
_NUMBER = st.sampled_from((0, 1, 2, 13))
_GROUP = st.sampled_from((ref("Group", "ops"), ref("Group", "acme"), ref("Group", "far")))
_SPOT = st.fixed_dictionaries(
    {"network": _NUMBER},
    optional={"country": _TEXT, "near": st.fixed_dictionaries({"km": _NUMBER}, optional={"city": _TEXT})},
)
_PERSON = st.sampled_from((ref("Person", "a"), ref("Person", "b"), ref("Person", "c")))
_CONTEXT = st.fixed_dictionaries(
    {"hour": _NUMBER, "tags": _TAGS},
    optional={
        "name": _TEXT,
        "spot": _SPOT,
        "caller": st.just(ref("Service", "s")),
        "address": _ADDRESS,
        "group": _GROUP,
        "inner": st.fixed_dictionaries(
            {"spot": _SPOT},
            optional={"address": _ADDRESS, "more": st.fixed_dictionaries({"owner": _PERSON})},
        ),
    },
)
_KNOWN = st.fixed_dictionaries(
    {"age": _NUMBER, "tags": _TAGS},
    optional={"name": _TEXT, "boss": _PERSON, "spot": _SPOT, "seen": st.lists(_ADDRESS, max_size=2)},
)
_THING = st.fixed_dictionaries(
    {},
    optional={
        "owner": _PERSON,
        "spot": _SPOT,
        "in": _NUMBER,
        "readers": st.lists(_PERSON, max_size=2),
        "group": _GROUP,
    },
)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Somebody, or a service, asks for something; of one of the people nothing is known."""
    parents = st.lists(st.one_of(_GROUP, st.just(ref("Role", "staff"))), max_size=2, unique=True).map(tuple)
    first, second = (Entity(ref("Person", name), draw(_KNOWN), draw(parents)) for name in "ab")
    service = Entity(ref("Service", "s"), {"name": draw(_TEXT), "owner": draw(_PERSON)})
    things = st.lists(_GROUP, max_size=1).map(tuple)
    thing = Entity(ref("Thing", draw(st.sampled_from("tu"))), draw(_THING), draw(things))
    groups = (
        Entity(ref("Group", "ops"), {}, (ref("Group", "acme"), ref("Role", "staff"))),
        Entity(ref("Group", "acme")),
    )
    subject, action = draw(st.sampled_from(((first, "read"), (first, "write"), (second, "read"), (service, "read"))))
    return Question(subject, action, thing, draw(_CONTEXT), (first, second, service, *groups))


def plain_cedar(texts: Sequence[str], question: Question) -> tuple[str, frozenset[str], bool]:
    """The effect, the policies that decided, and whether one failed."""
    known: Mapping[EntityRef, Entity] = {
        each.ref: each for each in (*question.others, question.subject, question.resource)
    }
    request = {
        "principal": {"type": question.subject.ref.type, "id": question.subject.ref.id},
        "action": {"type": "Ostiary::Action", "id": question.action},
        "resource": {"type": question.resource.ref.type, "id": question.resource.ref.id},
        "context": msgspec.json.encode(question.context).decode(),
    }
    written = [{"uid": each.ref, "attrs": dict(each.attributes), "parents": each.parents} for each in known.values()]
    result = cedarpy.is_authorized(request, "\n".join(texts), msgspec.json.encode(written).decode(), SCHEMA)
    assert result.decision is not cedarpy.Decision.NoDecision, result.diagnostics.errors
    names = frozenset(result.diagnostics.id_annotations_by_reason.values())
    return "allow" if result.allowed else "deny", names, bool(result.diagnostics.errors)


@settings(max_examples=60, deadline=None)
@given(texts=policies(), asked=st.lists(questions(), min_size=1, max_size=6))
def test_whatever_a_policy_says_is_decided_as_plain_cedar_decides_it(texts: list[str], asked: list[Question]) -> None:
    """S41: no forbid is lost, and none decides otherwise, since something was cut away; where Cedar fails, deny."""
    engine = PolicyEngine("\n".join(texts), SCHEMA, revision=1)
    for question in asked:
        effect, names, failed = plain_cedar(texts, question)
        answer = engine.decide(question)
        if failed:
            assert (answer.effect, answer.is_allowed, answer.error is None) == ("deny", False, False)
        else:
            assert (answer.effect, frozenset(answer.policies), answer.error) == (effect, names, None)
