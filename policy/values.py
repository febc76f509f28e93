"""What a decision is: effect, obligations, reasons, and the revision of the rules that made it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Effect(StrEnum):
    """Whether it may happen."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Obligation:
    """What must still be done first, any one of `methods`.

    `prove` one that the person has, `enrol` one that they have not; `offer` is an enrolment that may be put off.
    """

    kind: Literal["prove", "enrol", "offer"]
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of the policy: `reasons` are message ids. Without obligations an ALLOW is complete."""

    effect: Effect
    obligations: tuple[Obligation, ...] = ()
    reasons: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class SigninFacts:
    """What the decision about a sign-in looks at.

    `methods` were proven (`policy.assurance`), `factors` the person could prove. Each of `required_acr` must be met;
    one of `asked_acr` must, where it is not empty. `is_overdue`: an enrolment can no longer be put off.
    """

    person_state: str
    methods: frozenset[str]
    factors: frozenset[str] = frozenset()
    is_admin: bool = False
    client_id: str | None = None
    required_acr: tuple[str, ...] = ()
    asked_acr: tuple[str, ...] = ()
    is_overdue: bool = False
    risk_score: int | None = None


@dataclass(frozen=True, slots=True)
class SigninRules:
    """What the built-in rules are told by the deployment's settings.

    `mfa_required`: everybody needs a second factor; who has one is always asked. `mail_code`: a mailed code will do
    where no `acr` is asked.
    """

    mfa_required: bool = False
    mail_code: bool = False
