"""Cedar, behind the one call through which this package asks it.

A decision of Cedar alone is not enough to go by: it skips a policy that fails, so a forbid that fails forbids nothing.
Whoever reads a Verdict looks at its `errors` first.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ostiary.errors import ConfigurationError
from ostiary.policy.values import EntityRef

try:
    import cedarpy
    from cedarpy import pst
except ImportError as missing:
    raise ConfigurationError("decisions need Cedar: install the extra, pip install 'ostiary[policy]'") from missing

__all__ = ["Verdict", "ask", "cedarpy", "policy_set", "pst", "ref_of"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Cedar said: the policies that decided it, by id, and what went wrong on the way (for the log)."""

    is_allow: bool
    policies: frozenset[str]
    errors: tuple[str, ...]


def ask(
    request: Mapping[str, object], policies: cedarpy.PolicySet, entities: cedarpy.Entities, schema: cedarpy.Schema
) -> Verdict:
    """What these policies say to one request; the context in it is JSON text.

    `entities` must have been read with the same schema: otherwise they hold no groups of actions, and every policy that
    names such a group is skipped in silence, forbids too.
    """
    result = cedarpy.is_authorized_batch([dict(request)], policies, entities, schema)[0]
    found = result.diagnostics
    errors = tuple(found.errors)
    if result.decision is cedarpy.Decision.NoDecision and not errors:
        errors = ("Cedar gave no decision",)
    return Verdict(result.allowed, frozenset(found.reasons), errors)


def ref_of(uid: pst.EntityUid) -> EntityRef:
    """The entity that a policy names."""
    return EntityRef(str(uid.type), uid.id)


def policy_set(templates: Mapping[str, pst.Template]) -> cedarpy.PolicySet:
    """A parsed handle of these policies, each under the id by which it is listed."""
    return cedarpy.PolicySet.from_pst(pst.PolicySet(pst.FrozenMap(), pst.FrozenMap(templates), ()))
