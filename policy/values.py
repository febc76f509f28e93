"""What a decision is: effect, obligations, reasons, and the revision of the rules that made it."""

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """Whether it may happen."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of the policy: `obligations` are what must still be done first, `reasons` are message ids."""

    effect: Effect
    obligations: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class SigninFacts:
    """What the decision about a sign-in looks at."""

    person_state: str
    methods: frozenset[str]
    risk_score: int | None = None
