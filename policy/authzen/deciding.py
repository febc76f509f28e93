"""What answers evaluations: the set in force, asked through callables so that any other can stand there."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ostiary.policy.counterfactual import decide_with_step_up
from ostiary.policy.values import Answer, Question
from policy.active import ActivePolicies


@dataclass(frozen=True, slots=True)
class Deciding:
    """`decide` says for a denial which step-up would turn it; `decide_plainly` is for searches, which only count who
    is allowed now; `actions` are those that can be asked about."""

    decide: Callable[[Question], Answer]
    decide_plainly: Callable[[Question], Answer]
    actions: Callable[[], Collection[str]]


def deciding_by(policies: ActivePolicies) -> Deciding:
    """Decisions by the set that is in force at the moment of each question."""

    def decide(question: Question) -> Answer:
        return decide_with_step_up(policies.engine, question)

    def decide_plainly(question: Question) -> Answer:
        return policies.engine.decide(question)

    return Deciding(decide, decide_plainly, lambda: policies.engine.actions)
