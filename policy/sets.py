"""Sets of policies as they are kept: every one that was ever in force, each under the number of its revision.

The newest is in force. None is ever changed: a roll-back is a new revision with the texts of an old one.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from policy.starter import PolicySetText, starter_set
from policy.tables import policy_revisions

MOST_REASON = 256
_FIRST = "the set that a deployment begins with"
_canonical = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Activation:
    """Who put a set in force, when and why; `same_as` is the revision whose texts it has, where it is a roll-back."""

    revision: int
    digest: bytes
    same_as: int | None
    activated_at: datetime
    activated_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeptSet:
    """A set that is or was in force, with its texts."""

    activation: Activation
    text: PolicySetText

    @property
    def revision(self) -> int:
        """Its number."""
        return self.activation.revision


def bundle_body(revision: int, text: PolicySetText) -> bytes:
    """What enforcement points load of a set, as canonical JSON: the golden tests stay with the server."""
    return _canonical.encode({"own_schema": text.own_schema, "policies": text.policies, "revision": revision})


async def find_newest(db: AsyncConnection) -> KeptSet | None:
    """The set that is in force; None only before the very first start."""
    query = select(policy_revisions).order_by(policy_revisions.c.revision.desc()).limit(1)
    return _kept((await db.execute(query)).mappings().first())


async def find_set(db: AsyncConnection, revision: int) -> KeptSet | None:
    """The set of one revision."""
    query = select(policy_revisions).where(policy_revisions.c.revision == revision)
    return _kept((await db.execute(query)).mappings().first())


async def list_sets(db: AsyncConnection, *, limit: int, before: int | None = None) -> list[Activation]:
    """What was ever in force, the newest first, without the texts; `before` is the last revision of the page before."""
    table = policy_revisions
    query = select(
        table.c.revision, table.c.digest, table.c.same_as, table.c.activated_at, table.c.activated_by, table.c.reason
    )
    if before is not None:
        query = query.where(table.c.revision < before)
    rows = await db.execute(query.order_by(table.c.revision.desc()).limit(limit))
    return [Activation(row[0], bytes(row[1]), *row[2:]) for row in rows]


async def keep_set(
    db: AsyncConnection,
    text: PolicySetText,
    *,
    revision: int,
    actor: str,
    reason: str,
    now: datetime,
    same_as: int | None = None,
) -> None:
    """Puts a set in force under a new number; who does so has looked whether it may be."""
    await db.execute(
        insert(policy_revisions).values(
            revision=revision,
            policies=text.policies,
            own_schema=text.own_schema,
            tests=text.tests,
            digest=hashlib.sha256(bundle_body(revision, text)).digest(),
            same_as=same_as,
            activated_at=now,
            activated_by=actor,
            reason=reason,
        )
    )


async def ensure_policies(db: AsyncConnection, *, now: datetime) -> None:
    """Puts the starter set in force where no set ever was; run at every start, safe to repeat.

    No event tells of it: nothing is changed by it, and nobody did it.
    """
    if (await db.execute(select(policy_revisions.c.revision).limit(1))).first() is not None:
        return
    await keep_set(db, starter_set(), revision=1, actor="system", reason=_FIRST, now=now)


def _kept(found: RowMapping | None) -> KeptSet | None:
    if found is None:
        return None
    activation = Activation(
        revision=found["revision"],
        digest=bytes(found["digest"]),
        same_as=found["same_as"],
        activated_at=found["activated_at"],
        activated_by=found["activated_by"],
        reason=found["reason"],
    )
    return KeptSet(activation, PolicySetText(found["policies"], found["own_schema"], found["tests"]))
