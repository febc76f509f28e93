"""May they: one decision function over Cedar that fails closed (S41).

Cedar alone skips a policy that fails, and answers without a schema or about entities that nobody knows. Here an allow
is an allow only where Cedar said so without an error, with the schema, and about a subject and a resource that are
there; everything else is a deny with `error` set.
"""

from ostiary.policy.annotations import Fault, InvalidPolicies
from ostiary.policy.answering import Answers
from ostiary.policy.asking import EntityHandles, Unaskable, request_of
from ostiary.policy.cedar import Verdict, ask
from ostiary.policy.loading import parse_policies, parse_schema, parse_shapes
from ostiary.policy.slices import Slices
from ostiary.policy.tracing import traced
from ostiary.policy.values import Answer, PolicyPart, Question

__all__ = ["Fault", "InvalidPolicies", "PolicyEngine"]

_NO_ADVICE = Verdict(is_allow=False, policies=frozenset(), errors=())


class PolicyEngine:
    """One set of policies with its schema, ready to decide; immutable, and safe to be asked from several threads."""

    def __init__(self, policies: str, schema: str, *, revision: int) -> None:
        """Raises InvalidPolicies with everything that is wrong with the texts."""
        self.revision = revision
        checked = parse_schema(schema)
        self._policies, self._terms = parse_policies(policies, checked)
        self._slices = Slices(self._policies, self._terms, parse_shapes(checked))
        self._entities = EntityHandles()
        self._answers = Answers(revision)

    @property
    def actions(self) -> frozenset[str]:
        """The actions that can be asked about."""
        return frozenset(self._slices.actions)

    @property
    def policy_ids(self) -> tuple[str, ...]:
        """Every policy, in the order of the text."""
        return tuple(self._policies)

    def reads(self, action: str) -> frozenset[str]:
        """The facts that the action's policies look at: `context.risk`, `principal.is_admin`, `principal in`…"""
        asked = self._slices.whole(action)
        return frozenset() if asked is None else asked.reads

    def decide(self, question: Question) -> Answer:
        """The answer to one question. Whatever is wrong with it or with a policy denies; nothing is raised."""
        asked = self._slices.of(question)
        if asked is None:
            return self._answers.refused(f"the schema has no action {question.action!r}")
        try:
            request, entities = request_of(question, asked), self._entities.of(question, asked)
        except Unaskable as error:
            return self._answers.refused(str(error), asked)
        verdict, advised = ask(request, asked.deciding, entities, asked.schema), _NO_ADVICE
        if verdict.is_allow and asked.advising is not None:
            advised = ask(request, asked.advising, entities, asked.schema)
        if errors := (*verdict.errors, *advised.errors):
            return self._answers.refused("; ".join(errors), asked)
        return self._answers.of(question, asked, verdict, advised)

    def trace(self, question: Question) -> tuple[PolicyPart, ...]:
        """Each policy's own part in the answer to this question, in the order of the text; slow, for people to read."""
        asked = self._slices.whole(question.action)
        parts = {} if asked is None else traced(question, asked, self._policies, self._entities)
        return tuple(
            PolicyPart(each.policy, each.effect, parts.get(each.policy, "other action")) for each in self._terms
        )
