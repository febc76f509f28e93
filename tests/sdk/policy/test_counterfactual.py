"""Where a person is denied: the step-up that would let them through."""

import pytest

from ostiary.policy.counterfactual import AAL2, AAL3, PHR, decide_with_step_up, reachable
from ostiary.policy.values import Entity, Obligation, Question
from tests.sdk.policy.small_world import engine_of, ref

_KEYS = Entity(ref("Administration", "keys"))
_ALLOWS = '@id("all") permit (principal, action, resource);'


def forbidding_unless(condition: str) -> str:
    return f'@id("no") forbid (principal, action, resource) unless {{ context has authentication && {condition} }};'


def asking(*, factors: list[str] | None = None, age_s: int = 4_000, classes: tuple[str, ...] = ()) -> Question:
    attributes = {} if factors is None else {"factors": factors}
    proven = {"acr": "urn:ostiary:aal1", "classes": list(classes), "methods": ["pwd"], "age_s": age_s}
    context = {"hour": 12, "scopes": [], "authentication": proven}
    return Question(Entity(ref("Person", "ada"), attributes), "read", _KEYS, context)


def step_up(condition: str, question: Question) -> tuple[Obligation, ...]:
    answer = decide_with_step_up(engine_of([_ALLOWS, forbidding_unless(condition)]), question)
    assert answer.effect == "deny"
    return answer.obligations


def classes(name: str) -> str:
    return f'context.authentication.classes.contains("{name}")'


def test_the_easiest_class_that_would_do_is_named() -> None:
    assert step_up(classes(AAL2), asking()) == (Obligation("step_up", AAL2),)
    assert step_up(classes(PHR), asking()) == (Obligation("step_up", PHR),)
    assert step_up(classes(AAL3), asking()) == (Obligation("step_up", AAL3),)


@pytest.mark.parametrize(
    ("factors", "acr"),
    [(["pwd", "totp"], None), (["pwd", "passkey"], PHR), (["pwd"], None), ([], None), (None, PHR)],
)
def test_nobody_is_sent_to_a_step_up_that_they_cannot_reach(factors: list[str] | None, acr: str | None) -> None:
    wanted = () if acr is None else (Obligation("step_up", acr),)
    assert step_up(classes(PHR), asking(factors=factors)) == wanted


@pytest.mark.parametrize(("longest_s", "asked_s"), [(3_999, 3_600), (600, 300), (300, 300), (60, 60), (30, 0)])
def test_where_the_age_matters_the_longest_that_would_do_is_asked_for(longest_s: int, asked_s: int) -> None:
    """S28: which method, and how long ago."""
    condition = f"{classes(AAL2)} && context.authentication.age_s <= {longest_s}"
    assert step_up(condition, asking(classes=(AAL2,))) == (Obligation("step_up", AAL2, asked_s),)


def test_whoever_signed_in_lately_enough_is_not_asked_to_hurry() -> None:
    condition = f"{classes(AAL2)} && context.authentication.age_s <= 4000"
    assert step_up(condition, asking()) == (Obligation("step_up", AAL2),)


def test_no_step_up_is_promised_where_another_policy_forbids_anyway() -> None:
    engine = engine_of([_ALLOWS, forbidding_unless(classes(PHR)), '@id("never") forbid (principal, action, resource);'])
    answer = decide_with_step_up(engine, asking())
    assert (answer.effect, answer.policies, answer.obligations) == ("deny", ("no", "never"), ())


def test_an_allow_and_an_error_ask_for_nothing() -> None:
    fails = "context.authentication.age_s * 9223372036854775807 > 0"
    engine = engine_of([_ALLOWS, forbidding_unless(fails)])
    answer = decide_with_step_up(engine, asking())
    assert (answer.is_allowed, answer.obligations) == (False, ())
    assert "no" in str(answer.error)
    allowed = engine_of([_ALLOWS])
    assert reachable(allowed, asking(), allowed.decide(asking())) is None


def test_a_person_who_has_not_signed_in_is_told_what_to_prove() -> None:
    question = Question(Entity(ref("Person", "ada")), "read", _KEYS, {"hour": 12, "scopes": []})
    assert step_up(classes(AAL2), question) == (Obligation("step_up", AAL2),)


def test_a_ladder_of_ones_own_is_climbed_in_its_order() -> None:
    engine = engine_of([_ALLOWS, forbidding_unless(classes("gold"))])
    answer = engine.decide(asking())
    assert reachable(engine, asking(), answer, ladder=("silver", "gold")) == Obligation("step_up", "gold")
    assert reachable(engine, asking(), answer, ladder=("silver",)) is None
