"""What follows from a verdict: reasons, words, obligations, and what would satisfy whoever was denied."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from ostiary.policy.annotations import Terms
from ostiary.policy.cedar import Verdict
from ostiary.policy.slices import Slice
from ostiary.policy.values import Answer, Demand, Question

_Each = TypeVar("_Each")

NOT_ALLOWED = "not_allowed"
POLICY_ERROR = "policy_error"

# So many ways in which the policies of one action can come together are remembered.
_KEPT_ANSWERS = 256


class Answers:
    """Answers of one set of policies; what does not depend on the question is put together once."""

    def __init__(self, revision: int) -> None:
        self._revision = revision
        self._kept: dict[tuple[Slice, Verdict, Verdict], Answer] = {}

    def of(self, question: Question, asked: Slice, verdict: Verdict, advised: Verdict) -> Answer:
        """The answer where nothing failed; `advised` are the policies that decide nothing."""
        key = (asked, verdict, advised)
        answer = self._kept.get(key)
        if answer is None:
            if len(self._kept) >= _KEPT_ANSWERS:
                self._kept.clear()
            answer = self._kept[key] = _without_demands(asked, verdict, advised, self._revision)
        if verdict.is_allow or not answer.policies:
            return answer
        return replace(answer, demands=_demands([asked.terms[name] for name in answer.policies], question))

    def refused(self, error: str, asked: Slice | None = None) -> Answer:
        """The answer where something failed: a deny that nobody keeps."""
        return Answer(
            effect="deny",
            policies=(),
            reasons=(POLICY_ERROR,),
            advice=(),
            obligations=(),
            demands=(),
            revision=self._revision,
            keep_s=0,
            error=error,
            reads=frozenset() if asked is None else asked.reads,
        )


def _without_demands(asked: Slice, verdict: Verdict, advised: Verdict, revision: int) -> Answer:
    deciding = [said for name, said in asked.terms.items() if name in verdict.policies]
    advising = [said for name, said in asked.terms.items() if name in advised.policies]
    speaking = (*deciding, *advising)
    return Answer(
        effect="allow" if verdict.is_allow else "deny",
        policies=tuple(said.policy for said in deciding),
        reasons=_reasons(deciding, is_allow=verdict.is_allow),
        advice=_once(said.advice for said in speaking if said.advice is not None),
        obligations=_once(each for said in speaking for each in said.obligations),
        demands=(),
        revision=revision,
        keep_s=asked.keep_s,
        error=None,
        reads=asked.reads,
    )


def _reasons(deciding: Sequence[Terms], *, is_allow: bool) -> tuple[str, ...]:
    if is_allow:
        return _once(said.reason for said in deciding if said.reason is not None)
    return _once(said.reason or said.policy for said in deciding) or (NOT_ALLOWED,)


def _demands(deciding: Sequence[Terms], question: Question) -> tuple[Demand, ...]:
    """What would satisfy every policy that forbids; nothing where one of them cannot be satisfied."""
    wanted = [said.demands(question.context) for said in deciding]
    return _once(demand for each in wanted for demand in each) if all(wanted) else ()


def _once(found: Iterable[_Each]) -> tuple[_Each, ...]:
    return tuple(dict.fromkeys(found))
