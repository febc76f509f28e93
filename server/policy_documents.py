"""Sets, drafts, findings and activations as JSON documents: the same for commands and the API."""

from collections.abc import Sequence

from policy.checking import Finding
from policy.difference import Difference
from policy.drafts import Draft
from policy.proposals import Activated, NotActivated
from policy.sets import Activation
from policy.starter import PolicySetText


def shown_text(text: PolicySetText) -> dict[str, object]:
    """The three texts of a set."""
    return {"policies": text.policies, "own_schema": text.own_schema, "tests": text.tests}


def shown_activation(activation: Activation) -> dict[str, object]:
    """Who put a set in force, when and why."""
    return {
        "revision": activation.revision,
        "same_as": activation.same_as,
        "activated_at": activation.activated_at.isoformat(),
        "activated_by": activation.activated_by,
        "reason": activation.reason,
        "digest": activation.digest.hex(),
    }


def shown_draft(draft: Draft) -> dict[str, object]:
    """A draft without its texts."""
    return {
        "name": draft.name,
        "based_on": draft.based_on,
        "is_shadow": draft.is_shadow,
        "version": draft.version,
        "created_at": draft.created_at.isoformat(),
        "changed_at": draft.changed_at.isoformat(),
        "changed_by": draft.changed_by,
    }


def shown_findings(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """What is wrong or odd, one object a finding."""
    return [
        {"severity": each.severity, "policy": each.policy, "line": each.line, "words": each.words} for each in findings
    ]


def shown_difference(difference: Difference) -> dict[str, object]:
    """What is different, by policy ids."""
    return {
        "added": difference.added,
        "removed": difference.removed,
        "changed": difference.changed,
        "also_changed": difference.also,
    }


def shown_activated(done: Activated) -> dict[str, object]:
    """That a set is in force."""
    return {
        "activated": True,
        "is_new": done.is_new,
        "revision": done.revision,
        "before": done.before,
        **shown_difference(done.difference),
        "findings": shown_findings(done.warnings),
    }


def shown_refusal(refused: NotActivated) -> dict[str, object]:
    """That it is not, and why."""
    return {
        "activated": False,
        "why": refused.why,
        "words": refused.words,
        "revision": refused.in_force,
        "policies": refused.policies,
        "findings": shown_findings(refused.findings),
    }
