"""The events of sets of policies: that one was put in force, and that one was not."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import POLICY_ACTIVATED, POLICY_ACTIVATION_REFUSED, POLICY_ROLLED_BACK
from audit.emit import Emitter
from audit.record import Event
from policy.difference import Difference
from policy.proposals import Proposal

_MOST_FAULTS, _MOST_WORDS = 20, 256


async def tell_activated(
    db: AsyncConnection,
    emitter: Emitter,
    proposal: Proposal,
    difference: Difference,
    *,
    revision: int,
    now: datetime,
) -> None:
    """`policy.activated`, or `policy.rolled_back` for the texts of an earlier revision; right after the one before."""
    before = revision - 1
    data = {"revision": revision, "before": before, "reason": proposal.reason, **difference.as_data()}
    data |= _about(proposal)
    is_forced = proposal.over_any and proposal.based_on != before
    event = Event(
        type=POLICY_ACTIVATED if proposal.same_as is None else POLICY_ROLLED_BACK,
        actor=proposal.actor,
        subject=str(revision),
        client_id=proposal.client_id,
        origin=proposal.origin,
        data=data | ({"forced": True} if is_forced and proposal.same_as is None else {}),
    )
    await emitter.emit(db, event, now=now)


async def tell_refused(
    db: AsyncConnection,
    emitter: Emitter,
    proposal: Proposal,
    *,
    why: str,
    faults: tuple[str, ...] = (),
    policies: tuple[str, ...] = (),
    now: datetime,
) -> None:
    """`policy.activation_refused`; `faults` are words, `policies` those that would keep administrators out."""
    found: dict[str, object] = {"why": why, "reason": proposal.reason, **_about(proposal)}
    if faults:
        found["faults"] = [words[:_MOST_WORDS] for words in faults[:_MOST_FAULTS]]
    if policies:
        found["policies"] = list(policies[:_MOST_FAULTS])
    event = Event(
        type=POLICY_ACTIVATION_REFUSED,
        actor=proposal.actor,
        outcome="denied",
        client_id=proposal.client_id,
        origin=proposal.origin,
        data=found,
    )
    await emitter.emit(db, event, now=now)


def _about(proposal: Proposal) -> Mapping[str, object]:
    found: dict[str, object] = {}
    if proposal.draft is not None:
        found["draft"] = proposal.draft
    if proposal.same_as is not None:
        found["same_as"] = proposal.same_as
    return found
