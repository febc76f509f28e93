"""What a decision is: effect, obligations, reasons, and the revision of the rules that made it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from ostiary.policy.values import Entity, EntityRef

# Whoever tells facts about people names entities, too.
__all__ = [
    "POLICY_ERROR",
    "Decision",
    "Effect",
    "Entity",
    "EntityRef",
    "Obligation",
    "RiskThresholds",
    "SigninFacts",
    "SigninRules",
    "Whence",
]


# The reason of a denial that is a failure.
POLICY_ERROR = "policy_error"


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
    """The answer of the policy: `reasons` are message ids. Without obligations an ALLOW is complete.

    `policies` are those that decided, by name, in the set of `revision`.
    """

    effect: Effect
    obligations: tuple[Obligation, ...] = ()
    reasons: tuple[str, ...] = ()
    revision: int = 0
    policies: tuple[str, ...] = ()


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
class Whence:
    """Where a request comes from, None where that is not known: `country` is an ISO 3166-1 alpha-2 code, `city` its
    English name, `network` the number of the network's operator (ASN)."""

    address: str | None = None
    country: str | None = None
    city: str | None = None
    network: int | None = None


@dataclass(frozen=True, slots=True)
class SigninFacts:
    """What the decision about a sign-in looks at.

    `methods` were proven (`policy.assurance`), `factors` the person could prove. Each of `required_acr` must be met;
    one of `asked_acr` must, where it is not empty. `is_overdue`: an enrolment can no longer be put off. `risk_score` is
    None where nothing was assessed; `thresholds` are the application's own. `refusal`: an operator blocked this
    address (`address_blocked`), or the account was reported as taken over (`taken_over`).

    `person` is the public `sub`, `memberships` their roles, groups and organisations, `risk_reasons` the ids of the
    signals, `age_s` how many seconds ago the sign-in was, `at` the instant of the question, where it is not now.
    `knows_device`: the person signed in from this browser before; None where nobody looked.
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
    person: str = ""
    memberships: tuple[EntityRef, ...] = ()
    risk_reasons: tuple[str, ...] = ()
    age_s: int = 0
    is_first_party: bool | None = None
    scopes: tuple[str, ...] = ()
    at: datetime | None = None
    whence: Whence = Whence()
    knows_device: bool | None = None


@dataclass(frozen=True, slots=True)
class SigninRules:
    """What the policies of sign-in are told of the deployment's settings.

    `mfa_required`: everybody needs a second factor; who has one is always asked. `mail_code`: a mailed code will do
    where no `acr` is asked. `risk`: what follows from a score where the application says nothing of its own.
    """

    mfa_required: bool = False
    mail_code: bool = False
    risk: RiskThresholds = RiskThresholds()
