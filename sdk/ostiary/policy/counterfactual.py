"""Where a person was denied: the step-up that would let them through, if there is one that they can reach.

The same question is asked again as though the person had just proven themselves better; only what the policies answer
then counts, so a step-up is never promised that leads to another deny.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Answer, Obligation, Question

AAL1 = "urn:ostiary:aal1"
AAL2 = "urn:ostiary:aal2"
AAL3 = "urn:ostiary:aal3"
PHR = "phr"
# From the easiest to the hardest.
LADDER = (AAL2, PHR, AAL3)

# What is reached together with a class (NIST SP 800-63B-4 §2).
_REACHED = {AAL2: (AAL1,), PHR: (AAL1, AAL2), AAL3: (AAL1, AAL2, PHR)}
_PASSKEYS = frozenset({"passkey", "passkey_bound", "passkey_attested"})
# The factors of which one is needed for it.
_FACTORS = {
    AAL2: _PASSKEYS | {"totp", "backup_code"},
    PHR: _PASSKEYS,
    AAL3: frozenset({"passkey_attested"}),
}
# The longest of these that would do is what is asked for: nobody signs in again more often than they must.
_AGES_S = (0, 60, 300, 900, 3_600, 28_800)
# Where no policy looks at the sign-in, another one changes nothing.
_MATTERS = frozenset({"context.authentication", "context"})


def decide_with_step_up(engine: PolicyEngine, question: Question, ladder: Sequence[str] = LADDER) -> Answer:
    """The answer; a deny that a step-up would turn says so among its obligations."""
    answer = engine.decide(question)
    step_up = reachable(engine, question, answer, ladder=ladder)
    return answer if step_up is None else replace(answer, obligations=(*answer.obligations, step_up))


def reachable(
    engine: PolicyEngine, question: Question, answer: Answer, *, ladder: Sequence[str] = LADDER
) -> Obligation | None:
    """The first class of the ladder that would turn this deny into an allow, and how old it may be where that matters.

    None for an allow, for a deny in error, and where no class would do that the subject's `factors` can reach (all of
    them, where they are not known).
    """
    if answer.is_allowed or answer.error is not None or answer.reads.isdisjoint(_MATTERS):
        return None
    for acr in ladder:
        if _can_reach(question, acr) and engine.decide(_stepped_up(question, acr, 0)).is_allowed:
            return Obligation("step_up", acr, _longest_age_s(engine, question, acr))
    return None


def _longest_age_s(engine: PolicyEngine, question: Question, acr: str) -> int | None:
    """None where the age does not matter: it would be enough at the age that the sign-in has now."""
    if engine.decide(_stepped_up(question, acr, _age_s(question))).is_allowed:
        return None
    # The first is known to be young enough, and what is too old stays so.
    enough, too_old = 0, len(_AGES_S)
    while too_old - enough > 1:
        middle = (enough + too_old) // 2
        if engine.decide(_stepped_up(question, acr, _AGES_S[middle])).is_allowed:
            enough = middle
        else:
            too_old = middle
    return _AGES_S[enough]


def _can_reach(question: Question, acr: str) -> bool:
    factors, needed = question.subject.attributes.get("factors"), _FACTORS.get(acr)
    if needed is None or not isinstance(factors, list | tuple | set | frozenset):
        return True
    return not needed.isdisjoint(factors)


def _stepped_up(question: Question, acr: str, age_s: int) -> Question:
    before = _authentication(question)
    classes, methods = before.get("classes"), before.get("methods")
    proven = {
        "acr": acr,
        "classes": sorted({acr, *_REACHED.get(acr, ()), *_texts(classes)}),
        "methods": sorted(_texts(methods)),
        "age_s": age_s,
    }
    return replace(question, context={**question.context, "authentication": proven})


def _age_s(question: Question) -> int:
    age_s = _authentication(question).get("age_s")
    return age_s if isinstance(age_s, int) else 0


def _authentication(question: Question) -> Mapping[str, object]:
    found = question.context.get("authentication")
    return found if isinstance(found, Mapping) else {}


def _texts(found: object) -> frozenset[str]:
    if not isinstance(found, list | tuple | set | frozenset):
        return frozenset()
    return frozenset(each for each in found if isinstance(each, str))
