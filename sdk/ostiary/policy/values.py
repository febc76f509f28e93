"""The values of a decision: who asks for what, and what is answered. Nothing here knows Cedar."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

_NOTHING: Mapping[str, object] = MappingProxyType({})

Effect = Literal["allow", "deny"]
ObligationKind = Literal["step_up", "notify", "end_session"]
Outcome = Literal["satisfied", "not satisfied", "error", "other action"]


@dataclass(frozen=True, slots=True)
class EntityRef:
    """One entity by name: `type` is the full Cedar name (`Ostiary::Person`, `Shop::Order`)."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity with what is known of it; `attributes` hold JSON values, or an EntityRef."""

    ref: EntityRef
    attributes: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    parents: tuple[EntityRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """May `subject` do `action` to `resource`?

    `action` is a name of ours (`call`) or the full one of another namespace without its quotes (`Shop::read`).
    `context` holds JSON values by the schema's names; an address is a plain string, a caller an EntityRef.
    `others` are further entities that policies may look at: groups of groups, the caller's roles.
    """

    subject: Entity
    action: str
    resource: Entity
    context: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    others: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class Obligation:
    """What whoever asked has to do: step up to `acr` not longer than `max_age_s` ago, notify, end the session."""

    kind: ObligationKind
    acr: str | None = None
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What would satisfy the policy that forbade: one of `classes`, or one of `methods`.

    A soft demand gives way where the person has nothing to prove it with; `may_enrol` says that they may set it up now.
    """

    classes: tuple[str, ...]
    methods: frozenset[str]
    reason: str
    is_soft: bool
    may_enrol: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision with its reasons.

    `policies` decided it (of a deny by default: none); `reasons` are message ids, `advice` words for the person,
    `keep_s` how long the answer may be kept, `reads` the facts that were looked at, `error` why it could not be decided
    (then the effect is deny). Obligations come with either effect, demands with a deny alone.
    """

    effect: Effect
    policies: tuple[str, ...]
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    obligations: tuple[Obligation, ...]
    demands: tuple[Demand, ...]
    revision: int
    keep_s: int
    error: str | None
    reads: frozenset[str]

    @property
    def is_allowed(self) -> bool:
        """True for an allow that was decided without an error."""
        return self.effect == "allow" and self.error is None


@dataclass(frozen=True, slots=True)
class PolicyPart:
    """One policy's own part in a decision, for whoever wants to see why."""

    policy: str
    effect: Literal["permit", "forbid", "advises"]
    outcome: Outcome
