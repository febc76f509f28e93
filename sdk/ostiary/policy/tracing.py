"""Each policy's own part in a decision, found by asking each alone: for simulations, where a person reads it."""

from collections.abc import Mapping

from ostiary.policy.asking import EntityHandles, Unaskable, request_of
from ostiary.policy.cedar import ask, policy_set, pst
from ostiary.policy.slices import Slice
from ostiary.policy.values import Outcome, Question


def traced(
    question: Question, asked: Slice, policies: Mapping[str, pst.Template], handles: EntityHandles
) -> dict[str, Outcome]:
    """The outcome of every policy of the slice; `error` for all where the question cannot be put."""
    try:
        request, entities = request_of(question, asked), handles.of(question, asked)
    except Unaskable:
        return dict.fromkeys(asked.terms, "error")
    found: dict[str, Outcome] = {}
    for name in asked.terms:
        verdict = ask(request, policy_set({name: policies[name]}), entities, asked.schema)
        found[name] = "error" if verdict.errors else "satisfied" if name in verdict.policies else "not satisfied"
    return found
