"""One decision function that fails closed (S41)."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Entity, EntityRef, PolicyPart, Question
from tests.sdk.policy.small_world import engine_of, ref

_ADA = Entity(ref("Person", "ada"), {"state": "active"})
_KEYS = Entity(ref("Administration", "keys"))
_CALM: dict[str, object] = {"hour": 12, "scopes": []}
_ALLOWS = '@id("all") permit (principal, action, resource);'


def forbidding(condition: str, name: str = "no") -> str:
    return f'@id("{name}") forbid (principal, action, resource) when {{ {condition} }};'


def test_what_no_policy_permits_is_denied() -> None:
    """S41: default deny."""
    answer = engine_of([forbidding("context.hour > 20")]).decide(Question(_ADA, "read", _KEYS, _CALM))
    assert (answer.effect, answer.is_allowed, answer.error) == ("deny", False, None)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question(_ADA, "fly", _KEYS, _CALM), "the schema has no action 'fly'"),
        (Question(_ADA, "administer", _KEYS, _CALM), "the schema has no action 'administer'"),
        (Question(_ADA, "Shop::read", _KEYS, _CALM), "the schema has no action 'Shop::read'"),
        (Question(Entity(ref("Person", "")), "read", _KEYS, _CALM), "an entity Ostiary::Person has no id"),
        (Question(_ADA, "read", Entity(ref("Administration", "")), _CALM), "an entity Ostiary::Administration has no"),
        (Question(_ADA, "read", _KEYS, {"scopes": []}), "context: hour is missing, and the schema requires it"),
        (Question(_ADA, "read", _KEYS, {}), "context: hour, scopes is missing"),
        (Question(_KEYS, "read", _KEYS, _CALM), "principal type `Ostiary::Administration` is not valid"),
        (Question(_ADA, "read", _ADA, _CALM), "resource type `Ostiary::Person` is not valid"),
        (Question(Entity(EntityRef("No::Body", "x")), "read", _KEYS, _CALM), "entities: "),
        (Question(_ADA, "read", _KEYS, {**_CALM, "risk": {"score": 1.5}}), "failed to build request"),
        (Question(_ADA, "read", _KEYS, {**_CALM, "risk": {}}), "expected the record to have an attribute `score`"),
        (Question(_ADA, "read", _KEYS, {**_CALM, "risk": object()}), "no JSON"),
        (Question(_ADA, "read", _KEYS, {**_CALM, "risk": {"score": 2**70}}), "failed to build request"),
        (Question(Entity(ref("Person", "ada"), {"state": 5}), "read", _KEYS, _CALM), "entities: "),
    ],
)
def test_a_question_that_cannot_be_decided_is_denied(question: Question, words: str) -> None:
    """S41: with its reason for the log, and never kept."""
    reads = [
        forbidding("context has risk && context.risk.score > 60"),
        forbidding('principal is Ostiary::Person && principal has state && principal.state == "x"', "gone"),
    ]
    answer = engine_of([_ALLOWS, *reads]).decide(question)
    assert (answer.effect, answer.is_allowed, answer.reasons, answer.keep_s) == ("deny", False, ("policy_error",), 0)
    assert words in str(answer.error)


def test_a_forbid_for_a_group_of_actions_holds_for_each_of_them() -> None:
    """S41: Cedar skips it in silence where the entities were read without a schema, and then allows."""
    forbids = '@id("no") forbid (principal, action in Ostiary::Action::"administer", resource);'
    for action in ("read", "change"):
        assert engine_of([_ALLOWS, forbids]).decide(Question(_ADA, action, _KEYS, _CALM)).policies == ("no",)


@pytest.mark.parametrize(
    ("address", "is_inside"),
    [
        ("10.1.2.3", True),
        ("203.0.113.7", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:203.0.113.7", False),
        ("fe80::1%eth0", False),
        ("10.1.2.3, 203.0.113.7", None),
        ("rubbish", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_an_address_is_read_and_rubbish_is_no_address(address: object, is_inside: bool | None) -> None:
    """S34: garbage lets nothing pass that an address would be needed for."""
    within = 'context has address && context.address.isInRange(ip("10.0.0.0/8"))'
    engine = engine_of(
        [
            f'@id("in") permit (principal, action, resource) when {{ {within} }};',
            '@id("has") @advises("") permit (principal, action, resource);',
        ]
    )
    outside = engine_of(['@id("out") permit (principal, action, resource) when { context has address };'])
    question = Question(_ADA, "read", _KEYS, {**_CALM, "address": address})
    assert engine.decide(question).is_allowed is (is_inside is True)
    assert outside.decide(question).is_allowed is (is_inside is not None)


_SHOP = """
  namespace Ostiary { entity Person; }
  namespace Shop {
    @doc("what is sold") entity Order = { owner: Ostiary::Person };
    entity Color enum ["red", "green"];
    type Ask = { "a b"?: Bool, color?: Color };
    action "read", "look \\"closely\\"" appliesTo {
      principal: Ostiary::Person, resource: [Order, Color], context: Ask
    };
  }
"""


def test_another_namespace_names_its_actions_in_full() -> None:
    condition = "when { resource.owner == principal }"
    own = f'@id("own") permit (principal, action == Shop::Action::"read", resource is Shop::Order) {condition};'
    engine = PolicyEngine(own, _SHOP, revision=1)
    assert engine.actions == {"Shop::read", 'Shop::look "closely"'}
    mine = Entity(EntityRef("Shop::Order", "1"), {"owner": _ADA.ref})
    assert engine.decide(Question(_ADA, "Shop::read", mine, {})).is_allowed
    assert not engine.decide(Question(Entity(ref("Person", "bob")), "Shop::read", mine, {})).is_allowed
    assert not engine.decide(Question(_ADA, 'Shop::look "closely"', mine, {})).is_allowed
    assert engine.reads("Shop::read") == {"resource.owner"}


def test_what_an_action_reads_is_told_and_nothing_of_other_actions() -> None:
    policies = [
        '@id("a") permit (principal in Ostiary::Role::"staff", action == Ostiary::Action::"read", resource);',
        '@id("b") permit (principal, action == Ostiary::Action::"change", resource) when { context has risk.score };',
    ]
    engine = engine_of(policies)
    assert engine.reads("read") == {"principal in"}
    assert engine.reads("change") == {"context.risk"}
    assert engine.reads("fly") == frozenset()
    assert engine.policy_ids == ("a", "b")


def test_each_policy_tells_its_own_part() -> None:
    policies = [
        _ALLOWS,
        forbidding("context.hour > 20", "late"),
        forbidding("context has risk && context.risk.score * 9223372036854775807 > 0", "fails"),
        '@id("other") permit (principal, action == Ostiary::Action::"change", resource);',
        '@id("told") @advises("") @notify("") permit (principal, action, resource);',
    ]
    context = {**_CALM, "risk": {"score": 50, "level": "medium", "reasons": []}}
    assert engine_of(policies).trace(Question(_ADA, "read", _KEYS, context)) == (
        PolicyPart("all", "permit", "satisfied"),
        PolicyPart("late", "forbid", "not satisfied"),
        PolicyPart("fails", "forbid", "error"),
        PolicyPart("other", "permit", "other action"),
        PolicyPart("told", "advises", "satisfied"),
    )
    assert {part.outcome for part in engine_of([_ALLOWS]).trace(Question(_ADA, "fly", _KEYS, _CALM))} == {
        "other action"
    }
    assert {part.outcome for part in engine_of([_ALLOWS]).trace(Question(_ADA, "read", _KEYS, {}))} == {"error"}


def test_what_is_known_of_the_subject_comes_before_what_is_said_of_it_elsewhere() -> None:
    """Nobody hands in a second self with more rights among the other entities."""
    condition = "principal is Ostiary::Person && principal has is_admin && principal.is_admin"
    admin = f'@id("a") permit (principal, action, resource) when {{ {condition} }};'
    other_self = Entity(ref("Person", "ada"), {"is_admin": True})
    assert not engine_of([admin]).decide(Question(_ADA, "read", _KEYS, _CALM, (other_self,))).is_allowed


def test_a_fact_that_changes_changes_the_answer_at_once() -> None:
    """What is remembered of entities is found by their very text."""
    engine = engine_of(['@id("a") permit (principal in Ostiary::Role::"staff", action, resource);'])
    staff = Entity(ref("Person", "ada"), {}, (ref("Role", "staff"),))
    for person, is_allowed in ((staff, True), (_ADA, False), (staff, True)):
        assert engine.decide(Question(person, "read", _KEYS, _CALM)).is_allowed is is_allowed


def test_a_policy_for_one_resource_holds_for_that_one_alone() -> None:
    """Whichever is asked about first."""
    one = '@id("one") forbid (principal, action, resource == Ostiary::Administration::"keys");'
    people = Entity(ref("Administration", "people"))
    for asked in ((_KEYS, people, _KEYS), (people, _KEYS, people)):
        engine = engine_of([_ALLOWS, one])
        for thing in asked:
            assert engine.decide(Question(_ADA, "read", thing, _CALM)).is_allowed is (thing is people)


def test_threads_ask_the_same_engine_and_hear_what_is_so() -> None:
    """More people than are remembered, so that handles are forgotten while others look for them."""
    engine = engine_of(['@id("a") permit (principal in Ostiary::Role::"staff", action, resource);'])

    def wrong(thread: int) -> int:
        found = 0
        for number in range(1_500):
            parents = (ref("Role", "staff"),) if number % 2 else ()
            person = Entity(ref("Person", f"p{number * (thread + 1) % 2_000}-{number % 2}"), {}, parents)
            found += engine.decide(Question(person, "read", _KEYS, _CALM)).is_allowed is not bool(number % 2)
        return found

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(wrong, range(4))) == 0


def test_without_the_extra_the_error_names_it() -> None:
    imports = "import ostiary, ostiary.policy.values; import ostiary.policy.engine"
    program = f"import sys; sys.modules['cedarpy'] = None; {imports}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ostiary.errors.ConfigurationError: decisions need Cedar: install the extra, pip install 'ostiary[policy]'"
    )
