"""What is asked of the policies: that a set be put in force; and what became of it."""

from dataclasses import dataclass
from typing import Literal

from audit.record import Origin
from policy.checking import Finding
from policy.difference import Difference
from policy.starter import PolicySetText

Why = Literal["faults", "lockout", "not_newest", "draft_changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A set that somebody wants in force.

    `based_on` is the revision that its writer knew; another one in force meanwhile refuses it, unless `over_any`.
    `draft` and `draft_version` name the draft that it comes from, `same_as` the revision whose texts it has.
    """

    text: PolicySetText
    reason: str
    actor: str
    based_on: int
    over_any: bool = False
    draft: str | None = None
    draft_version: int = 0
    same_as: int | None = None
    client_id: str | None = None
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True)
class Activated:
    """The set is in force. `is_new` is False where the very same set was already, and nothing was done."""

    revision: int
    before: int
    difference: Difference
    warnings: tuple[Finding, ...]
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class NotActivated:
    """Nothing was changed: `why` as a code, `words` for people, `policies` that would keep administrators out."""

    why: Why
    words: str
    in_force: int
    findings: tuple[Finding, ...] = ()
    policies: tuple[str, ...] = ()
