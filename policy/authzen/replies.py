"""Answers as the Authorization API tells them: a decision, and a context that says more (§5.5)."""

from typing import TypedDict

from ostiary.policy.values import Answer, Obligation

_NOT_ALLOWED = "This is not allowed."


class Reply(TypedDict, total=False):
    """One decision; `decision` is always there."""

    decision: bool
    context: dict[str, object]


def reply_of(answer: Answer) -> Reply:
    """What the policies decided: in words for the person, by which policies, and for how long (seconds) it may be kept.

    What could not be decided is a denial that says why, for whoever runs the service that asked.
    """
    if answer.error is not None:
        reply = reply_to_fault(422, f"this could not be decided: {answer.error}")
        reply["context"]["revision"] = answer.revision
        return reply
    context: dict[str, object] = {
        "policies": answer.policies,
        "reasons": answer.reasons,
        "obligations": [_obligation(each) for each in answer.obligations],
        "revision": answer.revision,
        "keep_s": answer.keep_s,
    }
    words = " ".join(answer.advice) or ("" if answer.is_allowed else _NOT_ALLOWED)
    if words:
        context["reason_user"] = {"en": words}
    return {"decision": answer.is_allowed, "context": context}


def deny_inactive(revision: int) -> Reply:
    """The denial of a person who was suspended, disabled or deleted, whatever the policies say (S18)."""
    words = {"en": "This account is not active."}
    told = {"reasons": ["account_not_active"], "reason_user": words, "policies": [], "obligations": []}
    return {"decision": False, "context": {**told, "revision": revision, "keep_s": 0}}


def reply_to_fault(status: int, message: str) -> Reply:
    """A denial since the question itself is at fault (§7.2.1); nobody keeps it."""
    return {"decision": False, "context": {"error": {"status": status, "message": message}, "keep_s": 0}}


def _obligation(obligation: Obligation) -> dict[str, object]:
    told: dict[str, object] = {"kind": obligation.kind}
    if obligation.acr is not None:
        told["acr"] = obligation.acr
    if obligation.max_age_s is not None:
        told["max_age_s"] = obligation.max_age_s
    return told
