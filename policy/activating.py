"""Putting a set of policies in force, and an earlier one again: all of it in one transaction, or nothing.

A set is refused that has faults, that was written over another one than is in force, and after which no administrator
could change policies any more (S43). What was refused leaves an event.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.emit import Emitter
from base.database import Database
from base.revisions import touch
from base.tables import revisions
from feed.entries import KEY_REMEMBERED, Entry, Kind, publish
from ostiary.policy.annotations import InvalidPolicies
from policy.active import NAME, UNNUMBERED, load_engine
from policy.checking import CheckedSet, check_set
from policy.difference import Difference, difference_of
from policy.drafts import take_draft
from policy.events import tell_activated, tell_refused
from policy.lockout import Administrator, Reach, Reached, reach_of
from policy.proposals import Activated, NotActivated, Proposal, Why
from policy.sets import KeptSet, find_newest, keep_set
from policy.starter import PolicySetText
from policy.texts import find_policies

Administrators = Callable[[AsyncConnection], Awaitable[Sequence[Administrator]]]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why not, before it is told."""

    why: Why
    words: str
    policies: tuple[str, ...] = ()


class Activating:
    """Puts sets in force. `administrators` finds the active ones, with what they could prove."""

    def __init__(self, database: Database, emitter: Emitter, administrators: Administrators) -> None:
        self._database = database
        self._emitter = emitter
        self._administrators = administrators

    async def activate(self, proposal: Proposal, *, now: datetime) -> Activated | NotActivated:
        """Checks the set, and puts it in force where nothing speaks against it."""
        # Tens of milliseconds: in a thread, and before the transaction. What was checked is what is written.
        checked = await asyncio.to_thread(check_set, proposal.text)
        looked = await self._look_ahead(proposal, checked, now=now)
        async with self._database.transaction() as db:
            in_force = await _lock_newest(db)
            difference = difference_of(in_force.text, proposal.text)
            if difference.is_none:
                return Activated(in_force.revision, in_force.revision, difference, checked.findings, is_new=False)
            refusal = await self._find_refusal(db, proposal, checked, in_force, looked, now=now)
            if refusal is None:
                revision = in_force.revision + 1
                await self._put_in_force(db, proposal, difference, revision=revision, now=now)
                return Activated(revision, in_force.revision, difference, checked.findings)
            faults = tuple(map(str, checked.errors)) if refusal.why == "faults" else ()
            await tell_refused(
                db, self._emitter, proposal, why=refusal.why, faults=faults, policies=refusal.policies, now=now
            )
        return NotActivated(refusal.why, refusal.words, in_force.revision, checked.findings, refusal.policies)

    async def _look_ahead(self, proposal: Proposal, checked: CheckedSet, *, now: datetime) -> "_Looked | None":
        """Who would be kept out, as far as it is known before the transaction: it may take a second."""
        if checked.engine is None:
            return None
        async with self._database.reading() as db:
            administrators, in_force = await self._administrators(db), await find_newest(db)
        assert in_force is not None  # noqa: S101 - written at the first start
        return await _look(proposal, administrators, in_force, now=now)

    async def _find_refusal(
        self,
        db: AsyncConnection,
        proposal: Proposal,
        checked: CheckedSet,
        in_force: KeptSet,
        looked: "_Looked | None",
        *,
        now: datetime,
    ) -> _Refusal | None:
        if proposal.based_on != in_force.revision and not proposal.over_any:
            words = f"it was written over revision {proposal.based_on}, and revision {in_force.revision} is in force"
            return _Refusal("not_newest", words)
        if checked.engine is None:
            return _Refusal("faults", f"there are faults in it: {len(checked.errors)}")
        administrators = await self._administrators(db)
        if looked is None or not looked.is_of(administrators, in_force):
            looked = await _look(proposal, administrators, in_force, now=now)
        kept_out = looked.kept_out
        if kept_out is not None:
            words = (
                "no administrator could sign in and change policies any more, with the factors that they have:"
                f" {', '.join(kept_out.kept_out_by) or 'only after adding a factor'}"
            )
            return _Refusal("lockout", words, kept_out.kept_out_by)
        is_taken = proposal.draft is None or await take_draft(db, proposal.draft, version=proposal.draft_version)
        return None if is_taken else _Refusal("draft_changed", "the draft was written or removed meanwhile")

    async def _put_in_force(
        self, db: AsyncConnection, proposal: Proposal, difference: Difference, *, revision: int, now: datetime
    ) -> None:
        """The set, the number that processes look at, the entry that followers get, and the event."""
        await keep_set(
            db,
            proposal.text,
            revision=revision,
            actor=proposal.actor,
            reason=proposal.reason,
            now=now,
            same_as=proposal.same_as,
        )
        await touch(db, NAME)
        await publish(db, Entry(Kind.POLICY, str(revision), now + KEY_REMEMBERED), now=now)
        await tell_activated(db, self._emitter, proposal, difference, revision=revision, now=now)


async def _lock_newest(db: AsyncConnection) -> KeptSet:
    """The set in force, until the end of the transaction: whoever else activates one waits here."""
    await db.execute(select(revisions.c.number).where(revisions.c.name == NAME).with_for_update())
    newest = await find_newest(db)
    assert newest is not None  # noqa: S101 - written at the first start
    return newest


@dataclass(frozen=True, slots=True)
class _Looked:
    """Whom a set would keep out (None: nobody who gets in now), of these administrators, after that revision."""

    administrators: Sequence[Administrator]
    revision: int
    kept_out: Reached | None

    def is_of(self, administrators: Sequence[Administrator], in_force: KeptSet) -> bool:
        """Whether nothing has changed since that could make a difference."""
        return self.administrators == administrators and self.revision == in_force.revision


async def _look(
    proposal: Proposal, administrators: Sequence[Administrator], in_force: KeptSet, *, now: datetime
) -> _Looked:
    address = proposal.origin.address
    after = await asyncio.to_thread(_reach, proposal.text, administrators, address, now)
    if after.reach is Reach.AS_THEY_ARE:
        return _Looked(administrators, in_force.revision, None)
    before = await asyncio.to_thread(_reach, in_force.text, administrators, address, now)
    return _Looked(administrators, in_force.revision, after if after.reach < before.reach else None)


def _reach(text: PolicySetText, administrators: Sequence[Administrator], address: str | None, now: datetime) -> Reached:
    """How far they get by this set, whatever its golden tests say; by one that cannot be used nobody gets in."""
    try:
        engine = load_engine(text.policies, text.own_schema, UNNUMBERED)
    except InvalidPolicies:
        return Reached(Reach.NOBODY)
    return reach_of(engine, find_policies(text.policies) or {}, administrators, address=address, now=now)
