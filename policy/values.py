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
    `notify` holds nothing up: the person is told of what was unusual.
    """

    kind: Literal["prove", "enrol", "offer", "notify"]
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of the policy: `reasons` are message ids. Without obligations an ALLOW is complete."""

    effect: Effect
    obligations: tuple[Obligation, ...] = ()
    reasons: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class RiskThresholds:
    """Scores (1 to 100, rising) from which something follows.

    From `notice` on the person is told, from `step_up` on a second factor is asked for on every browser, from `strong`
    on only a phishing-resistant factor or a code sent to the person's mailbox will do.
    """

    notice: int = 30
    step_up: int = 60
    strong: int = 90


@dataclass(frozen=True, slots=True)
class SigninFacts:
    """What the decision about a sign-in looks at.

    `methods` were proven (`policy.assurance`), `factors` the person could prove. Each of `required_acr` must be met;
    one of `asked_acr` must, where it is not empty. `is_overdue`: an enrolment can no longer be put off. `risk_score` is
    None where nothing was assessed; `thresholds` are the application's own. `refusal`: an operator blocked this
    address (`address_blocked`), or the account was reported as taken over (`taken_over`).
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
    thresholds: RiskThresholds | None = None
    refusal: Literal["address_blocked", "taken_over"] | None = None


@dataclass(frozen=True, slots=True)
class SigninRules:
    """What the built-in rules are told by the deployment's settings.

    `mfa_required`: everybody needs a second factor; who has one is always asked. `mail_code`: a mailed code will do
    where no `acr` is asked. `risk`: what follows from a score where the application says nothing of its own.
    """

    mfa_required: bool = False
    mail_code: bool = False
    risk: RiskThresholds = RiskThresholds()
