"""Drafts: sets that are being written. They decide nothing, and may be as wrong as their writers like."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import POLICY_DRAFT_CHANGED, POLICY_DRAFT_REMOVED
from audit.emit import Emitter
from audit.record import Event, Origin
from policy.starter import PolicySetText
from policy.tables import policy_drafts

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NAME_EXPECTED = "up to 64 of a-z, 0-9, “.”, “_” and “-”, with a letter or digit first"


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft. `based_on` is the revision from which its writer began; `version` counts how often it was written."""

    name: str
    text: PolicySetText
    based_on: int
    is_shadow: bool
    created_at: datetime
    changed_at: datetime
    changed_by: str
    version: int


class DraftChanged(Exception):
    """Somebody else wrote, made or removed the draft meanwhile; nothing was done."""


def is_draft_name(name: str) -> bool:
    """Whether a draft can be called so."""
    return _NAME.fullmatch(name) is not None


async def find_draft(db: AsyncConnection, name: str) -> Draft | None:
    """The draft of this name."""
    row = (await db.execute(select(policy_drafts).where(policy_drafts.c.name == name))).mappings().first()
    return None if row is None else _draft(row)


async def list_drafts(db: AsyncConnection) -> list[Draft]:
    """Every draft, by name."""
    return [_draft(row) for row in (await db.execute(select(policy_drafts).order_by(policy_drafts.c.name))).mappings()]


async def write_draft(
    db: AsyncConnection,
    emitter: Emitter,
    name: str,
    text: PolicySetText,
    *,
    based_on: int,
    is_shadow: bool,
    expected_version: int | None,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> Draft:
    """Makes a draft, or writes it anew where it still has `expected_version`; None is for one that is not there.

    Raises DraftChanged.
    """
    content = {
        "policies": text.policies, "own_schema": text.own_schema, "tests": text.tests, "based_on": based_on,
        "is_shadow": int(is_shadow), "changed_at": now, "changed_by": actor,
    }  # fmt: skip
    before = await find_draft(db, name)
    if (before.version if before else None) != expected_version:
        raise DraftChanged
    if before is None:
        await db.execute(insert(policy_drafts).values(name=name, created_at=now, version=1, **content))
    else:
        table = policy_drafts
        same = (table.c.name == name) & (table.c.version == before.version)
        written = update(table).where(same).values(version=before.version + 1, **content).returning(table.c.version)
        if (await db.execute(written)).first() is None:
            raise DraftChanged
    draft = await find_draft(db, name)
    assert draft is not None  # noqa: S101 - written in this transaction
    data = {"draft": name, "based_on": based_on, "is_shadow": is_shadow, "number": draft.version}
    event = Event(type=POLICY_DRAFT_CHANGED, actor=actor, subject=name, origin=origin, data=data)
    await emitter.emit(db, event, now=now)
    return draft


async def remove_draft(
    db: AsyncConnection,
    emitter: Emitter,
    name: str,
    *,
    expected_version: int | None = None,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> bool:
    """Removes a draft; False where there is none. Raises DraftChanged where it has not `expected_version`."""
    found = await find_draft(db, name)
    if found is None:
        return False
    if not await take_draft(db, name, version=expected_version or found.version):
        raise DraftChanged
    event = Event(type=POLICY_DRAFT_REMOVED, actor=actor, subject=name, origin=origin, data={"draft": name})
    await emitter.emit(db, event, now=now)
    return True


async def take_draft(db: AsyncConnection, name: str, *, version: int) -> bool:
    """Takes a draft away where it is still the version that was looked at; whoever does so tells of it."""
    same = (policy_drafts.c.name == name) & (policy_drafts.c.version == version)
    return (await db.execute(delete(policy_drafts).where(same).returning(policy_drafts.c.name))).first() is not None


def _draft(row: RowMapping) -> Draft:
    return Draft(
        name=row["name"],
        text=PolicySetText(row["policies"], row["own_schema"], row["tests"]),
        based_on=row["based_on"],
        is_shadow=bool(row["is_shadow"]),
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        changed_by=row["changed_by"],
        version=row["version"],
    )
