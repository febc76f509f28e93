"""What policies say about themselves, and what they may not say."""

import pytest

from ostiary.policy.annotations import Fault, InvalidPolicies
from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Demand, Entity, Obligation, Question
from tests.sdk.policy.small_world import SCHEMA, engine_of, ref

_ADA = Entity(ref("Person", "ada"), {"state": "active"})
_KEYS = Entity(ref("Administration", "keys"))
_CALM: dict[str, object] = {"hour": 12, "scopes": []}
_ALLOWS = '@id("all") permit (principal, action, resource);'


def asking(**context: object) -> Question:
    return Question(_ADA, "read", _KEYS, {**_CALM, **context})


def faults_of(*policies: str) -> tuple[Fault, ...]:
    with pytest.raises(InvalidPolicies) as raised:
        engine_of(policies)
    return raised.value.faults


@pytest.mark.parametrize(
    ("annotations", "policy", "words"),
    [
        ('@id("a") @color("red")', "a", "@color is unknown, expected one of @advice, @advises, @demand"),
        ("", "policy 1", "@id is missing or malformed, expected up to 64 of a-z"),
        ('@id("Upper")', "policy 1", "@id is missing or malformed"),
        (f'@id("{"a" * 65}")', "policy 1", "@id is missing or malformed"),
        ('@id("a") @notify("ada")', "a", '@notify takes no words, expected @notify("")'),
        ('@id("a") @reason(" ")', "a", "@reason is empty, expected words"),
        ('@id("a") @keep("long")', "a", "@keep is 'long', expected seconds from 0 to 86400"),
        ('@id("a") @keep("86401")', "a", "@keep is '86401', expected seconds from 0 to 86400"),
        ('@id("a") @advises("")', "a", "@advises stands on a forbid, expected on a permit"),
        ('@id("a") @soft("")', "a", "@soft stands without @demand"),
        ('@id("a") @enrol("never")', "a", "@enrol stands without @demand"),
        ('@id("a") @demand("phr") @enrol("yes")', "a", '@enrol takes one word, expected @enrol("never")'),
        ('@id("a") @demand("")', "a", "@demand is empty, expected classes, method:NAME, required or asked"),
        ('@id("a") @demand("method:Mail")', "a", "@demand has 'method:Mail', expected a class like"),
        ('@id("a") @demand("required phr")', "a", "@demand has more beside required or asked"),
    ],
)
def test_an_annotation_that_means_nothing_is_named(annotations: str, policy: str, words: str) -> None:
    """A typing mistake in an annotation would otherwise change in silence what a policy does."""
    found = faults_of(f"{annotations} forbid (principal, action, resource);")
    assert [fault.policy for fault in found] == [policy]
    assert found[0].words.startswith(words)


def test_a_demand_on_a_permit_is_refused() -> None:
    found = faults_of('@id("a") @demand("phr") permit (principal, action, resource);')
    assert found == (Fault("a", "@demand stands on a permit, expected on a forbid"),)


def test_all_faults_are_told_at_once_each_with_its_policy() -> None:
    found = faults_of(_ALLOWS, _ALLOWS, '@id("b") permit (principal, action, resource) when { context.hour == "x" };')
    assert [fault.policy for fault in found] == ["all", "b"]
    assert found[0].words == "the id is taken by a policy before it, expected each to be unique"
    assert "Long" in found[1].words
    assert "policy2" not in found[1].words
    with pytest.raises(InvalidPolicies, match=r"^all: the id is taken .*; b: "):
        engine_of([_ALLOWS, _ALLOWS, '@id("b") permit (principal, action, resource) when { context.hour == "x" };'])


@pytest.mark.parametrize(
    ("policies", "schema", "words"),
    [
        ("permit (principal", SCHEMA, "policies: "),
        ("", "entity {", "schema: "),
        ('@id("a") permit (principal == ?principal, action, resource);', SCHEMA, "templates "),
    ],
)
def test_a_text_that_cannot_be_read_is_a_fault_of_the_whole_set(policies: str, schema: str, words: str) -> None:
    with pytest.raises(InvalidPolicies) as raised:
        PolicyEngine(policies, schema, revision=1)
    assert raised.value.faults[0].policy == ""
    assert raised.value.faults[0].words.startswith(words)


def test_reasons_words_and_obligations_come_with_the_answer() -> None:
    told = '@id("told") @reason("odd_hour") @advice("It is late.") @end_session("") @keep("5")'
    answer = engine_of([_ALLOWS, f"{told} forbid (principal, action, resource) when {{ context.hour > 20 }};"])
    late, early = answer.decide(asking(hour=23)), answer.decide(asking())
    assert (late.effect, late.policies, late.reasons) == ("deny", ("told",), ("odd_hour",))
    assert (late.advice, late.obligations) == (("It is late.",), (Obligation("end_session"),))
    assert (early.effect, early.reasons, early.advice, early.obligations) == ("allow", (), (), ())
    # An allow is kept no longer than the policy allows that may forbid a moment later.
    assert (late.keep_s, early.keep_s, early.revision) == (5, 5, 7)


def test_a_forbid_without_a_reason_gives_its_id_and_no_policy_at_all_a_reason_of_its_own() -> None:
    forbids = '@id("never") forbid (principal, action, resource);'
    assert engine_of([_ALLOWS, forbids]).decide(asking()).reasons == ("never",)
    nothing = engine_of([]).decide(asking())
    assert (nothing.effect, nothing.policies, nothing.reasons, nothing.keep_s) == ("deny", (), ("not_allowed",), 60)


def test_a_policy_that_advises_obliges_and_never_allows() -> None:
    """It is written as a permit; alone it lets nobody through (S41)."""
    advises = '@id("told") @advises("") @notify("") @advice("Somebody looked.") permit (principal, action, resource)'
    at_night = f"{advises} when {{ context.hour > 20 }};"
    assert engine_of([at_night]).decide(asking(hour=23)).effect == "deny"
    engine = engine_of([_ALLOWS, at_night])
    late, early = engine.decide(asking(hour=23)), engine.decide(asking())
    assert (late.is_allowed, late.policies, late.obligations) == (True, ("all",), (Obligation("notify"),))
    assert late.advice == ("Somebody looked.",)
    assert (early.is_allowed, early.obligations, early.advice) == (True, (), ())


def test_a_policy_that_advises_and_fails_denies() -> None:
    """S41: the obligation that it stands for would be lost."""
    fails = "when { context has risk && context.risk.score * 9223372036854775807 > 0 }"
    engine = engine_of([_ALLOWS, f'@id("told") @advises("") @notify("") permit (principal, action, resource) {fails};'])
    answer = engine.decide(asking(risk={"score": 9, "level": "low", "reasons": []}))
    assert (answer.effect, answer.is_allowed) == ("deny", False)
    assert "told" in str(answer.error)


def test_a_demand_says_what_would_satisfy_the_policy() -> None:
    forbids = '@id("a") @reason("weak") @demand("urn:ostiary:aal2 phr method:mail_code") @soft("") @enrol("never")'
    answer = engine_of([_ALLOWS, f"{forbids} forbid (principal, action, resource);"]).decide(asking())
    assert answer.demands == (
        Demand(("urn:ostiary:aal2", "phr"), frozenset({"mail_code"}), "weak", is_soft=True, may_enrol=False),
    )


@pytest.mark.parametrize(
    ("word", "given", "classes"),
    [
        ("required", {"required_classes": ["phr", "urn:ostiary:aal2"]}, [("phr",), ("urn:ostiary:aal2",)]),
        ("asked", {"asked_classes": ["phr", "urn:ostiary:aal2"]}, [("phr", "urn:ostiary:aal2")]),
        ("required", {"required_classes": []}, []),
        ("asked", {}, []),
    ],
)
def test_each_required_class_is_a_demand_and_one_of_the_asked(
    word: str, given: dict[str, object], classes: list[tuple[str, ...]]
) -> None:
    forbids = f'@id("a") @demand("{word}") forbid (principal, action, resource);'
    answer = engine_of([_ALLOWS, forbids]).decide(asking(**given))
    assert [demand.classes for demand in answer.demands] == classes


def test_where_one_policy_cannot_be_satisfied_nothing_is_demanded() -> None:
    """Nobody is asked for a factor that would not let them through."""
    demands = '@id("a") @demand("phr") forbid (principal, action, resource);'
    flat = '@id("b") forbid (principal, action, resource) when { context.hour > 20 };'
    engine = engine_of([_ALLOWS, demands, flat])
    assert engine.decide(asking()).demands
    assert engine.decide(asking(hour=23)).demands == ()
