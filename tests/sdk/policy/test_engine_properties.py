"""What holds for every set of policies and every question (S41)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.policy.values import Entity, EntityRef, Question
from tests.sdk.policy.small_world import FAILS, engine_of, one_policy, plain_cedar, policy_texts, questions, ref

_SOME = settings(max_examples=80, deadline=None)
_ALLOWS = '@id("all") permit (principal, action, resource);'


@_SOME
@given(policies=policy_texts(), asked=st.lists(questions(), min_size=1, max_size=5))
def test_what_is_left_out_of_a_question_changes_no_answer(policies: list[str], asked: list[Question]) -> None:
    """S41: slices, cut contexts and cut schemas decide as plain Cedar does with everything; where it fails, deny.

    Several questions to one engine: what was cut for one must not answer another.
    """
    engine = engine_of(policies)
    for question in asked:
        effect, names, failed = plain_cedar(policies, question)
        answer = engine.decide(question)
        if failed:
            assert (answer.effect, answer.is_allowed) == ("deny", False)
            assert "policy" in str(answer.error)
        else:
            assert (answer.effect, frozenset(answer.policies), answer.error) == (effect, names, None)


@_SOME
@given(policies=policy_texts(), forbid=one_policy("more", "forbid"), question=questions())
def test_adding_a_forbid_never_allows(policies: list[str], forbid: str, question: Question) -> None:
    """S41."""
    before, after = engine_of(policies).decide(question), engine_of([*policies, forbid]).decide(question)
    assert before.is_allowed or not after.is_allowed


@_SOME
@given(policies=policy_texts(least=2), question=questions(), data=st.data())
def test_the_order_of_policies_changes_nothing(policies: list[str], question: Question, data: st.DataObject) -> None:
    """S41: neither the decision nor who made it nor what follows from it."""
    first = engine_of(policies).decide(question)
    other = engine_of(data.draw(st.permutations(policies))).decide(question)
    assert (first.effect, first.keep_s, first.reads) == (other.effect, other.keep_s, other.reads)
    assert set(first.policies) == set(other.policies)
    assert set(first.reasons) == set(other.reasons)
    assert (first.error is None) == (other.error is None)


@_SOME
@given(policies=policy_texts(), effect=st.sampled_from(("permit", "forbid")), question=questions())
def test_a_policy_that_fails_denies(policies: list[str], effect: str, question: Question) -> None:
    """S41: Cedar alone would skip it."""
    risky = {**question.context, "risk": {"score": 50, "level": "medium", "reasons": []}}
    asked = Question(question.subject, question.action, question.resource, risky, question.others)
    fails = f'@id("fails") {effect} (principal, action, resource) when {{ {FAILS} }};'
    answer = engine_of([_ALLOWS, *policies, fails]).decide(asked)
    assert (answer.effect, answer.is_allowed, answer.policies, answer.keep_s) == ("deny", False, (), 0)
    assert "fails" in str(answer.error)
    assert answer.reasons == ("policy_error",)


@_SOME
@given(question=questions(), service=st.text(min_size=1, max_size=5))
def test_an_entity_that_is_missing_denies(question: Question, service: str) -> None:
    """S41: a policy that asks about an entity that nobody gave cannot be decided."""
    reads = (
        '@id("calls") forbid (principal, action, resource) when { context has caller && context.caller.team == "x" };'
    )
    context = {**question.context, "caller": ref("Service", service)}
    asked = Question(question.subject, question.action, question.resource, context)
    answer = engine_of([_ALLOWS, reads]).decide(asked)
    assert (answer.effect, answer.is_allowed) == ("deny", False)
    assert "does not exist" in str(answer.error)
    known = Entity(ref("Service", service), {"team": "y"})
    assert (
        engine_of([_ALLOWS, reads])
        .decide(Question(question.subject, question.action, question.resource, context, (known,)))
        .is_allowed
    )


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(("risk", "authentication", "hour", "scopes", "address", "caller", "place")) | st.text(
    max_size=5
)
_REFS = st.builds(
    EntityRef, st.sampled_from(("Ostiary::Person", "Ostiary::Administration", "X", "")), st.text(max_size=5)
)
_ENTITIES = st.builds(
    Entity, _REFS, st.dictionaries(st.text(max_size=8), _ANYTHING, max_size=3), st.lists(_REFS, max_size=2).map(tuple)
)


@_SOME
@given(
    subject=_ENTITIES,
    action=st.sampled_from(("read", "administer", "nothing")) | st.text(max_size=4),
    resource=_ENTITIES,
    context=st.dictionaries(_NAMES, _ANYTHING, max_size=7),
)
def test_rubbish_is_answered_and_never_raised(
    subject: Entity, action: str, resource: Entity, context: dict[str, object]
) -> None:
    """S41: whatever is asked, there is an answer; where it could not be decided, a deny that nobody keeps."""
    reads = '@id("reads") forbid (principal, action, resource) when { context has risk && context.risk.score > 60 };'
    answer = engine_of([_ALLOWS, reads]).decide(Question(subject, action, resource, context))
    assert answer.is_allowed == (answer.error is None and answer.policies == ("all",))
    assert answer.error is None or (answer.effect, answer.keep_s, answer.policies) == ("deny", 0, ())
