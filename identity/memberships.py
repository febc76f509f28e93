"""What people belong to: roles, groups and organisations, made, deleted, given and taken.

A group may belong to an organisation; policies and tokens then call it `organisation/group`. Whoever is in such a group
is in its organisation, too. What is changed here is in force with the next decision, and with the next token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Column, Select, Table, delete, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import (
    GROUP_CREATED,
    GROUP_DELETED,
    GROUP_JOINED,
    GROUP_LEFT,
    ORGANISATION_CREATED,
    ORGANISATION_DELETED,
    ORGANISATION_JOINED,
    ORGANISATION_LEFT,
    ROLE_CREATED,
    ROLE_DELETED,
    ROLE_GRANTED,
    ROLE_TAKEN,
    EventType,
)
from audit.record import Event, Origin
from base.ids import PERSON, new_id, show_id
from identity.errors import Refused
from identity.membership_tables import group_members, groups, organisation_members, organisations, role_members, roles
from identity.services import Services

Kind = Literal["role", "group", "organisation"]

MAX_NAME, MAX_DESCRIPTION = 128, 256
# Two who make the same group at once: a group without an organisation has no constraint that would see it.
_MAKING_LOCK = 0x6F73746D656D62


@dataclass(frozen=True, slots=True)
class Membership:
    """Something to belong to. `name` is the full one; `members` how many people are in it."""

    kind: Kind
    name: str
    description: str
    members: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where a kind is kept, and the events of what happens to it."""

    table: Table
    members: Table
    member_of: Column[bytes]
    created: EventType
    deleted: EventType
    given: EventType
    taken: EventType


_PARTS: Mapping[Kind, _Parts] = {
    "role": _Parts(
        roles, role_members, role_members.c.role_id,
        ROLE_CREATED, ROLE_DELETED, ROLE_GRANTED, ROLE_TAKEN,
    ),
    "group": _Parts(
        groups, group_members, group_members.c.group_id,
        GROUP_CREATED, GROUP_DELETED, GROUP_JOINED, GROUP_LEFT,
    ),
    "organisation": _Parts(
        organisations, organisation_members, organisation_members.c.organisation_id,
        ORGANISATION_CREATED, ORGANISATION_DELETED, ORGANISATION_JOINED, ORGANISATION_LEFT,
    ),
}  # fmt: skip


async def create_membership(
    db: AsyncConnection,
    services: Services,
    kind: Kind,
    name: str,
    *,
    description: str = "",
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> Membership:
    """Makes a role, an organisation, or a group (`organisation/group` for one that belongs to an organisation).

    Raises Refused. Not checked here: that the actor may (S43); a command is the operator's.
    """
    own_name = _check_name(kind, name)
    if len(description) > MAX_DESCRIPTION or not description.isprintable():
        raise Refused("description", f"a description has at most {MAX_DESCRIPTION} printable characters")
    if db.dialect.name == "postgresql":
        await db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MAKING_LOCK})
    if await _find_id(db, kind, name) is not None:
        raise Refused("name", f"there is already a {kind} {name}")
    row: dict[str, object] = {"id": new_id(now), "name": own_name, "created_at": now, "version": 1}
    if kind == "role":
        row["description"] = description
    elif kind == "organisation":
        row["attributes"] = {}
    elif "/" in name:
        row["organisation_id"] = await _load_id(db, "organisation", name.partition("/")[0])
    parts = _PARTS[kind]
    await db.execute(insert(parts.table).values(row))
    event = Event(type=parts.created, actor=actor, subject=name[:128], origin=origin, data={"name": name})
    await services.emitter.emit(db, event, now=now)
    return Membership(kind, name, description if kind == "role" else "", 0, now)


async def delete_membership(
    db: AsyncConnection,
    services: Services,
    kind: Kind,
    name: str,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> int:
    """Removes it, and everybody from it; an organisation with its groups. Returns how many were in it.

    Raises Refused where there is none.
    """
    parts, found = _PARTS[kind], await _load_id(db, kind, name)
    count = select(func.count()).select_from(parts.members).where(parts.member_of == found)
    members: int = (await db.execute(count)).scalar_one()
    await db.execute(delete(parts.table).where(parts.table.c.id == found))
    data: dict[str, object] = {"name": name, "count": members}
    event = Event(type=parts.deleted, actor=actor, subject=name[:128], origin=origin, data=data)
    await services.emitter.emit(db, event, now=now)
    return members


async def list_memberships(db: AsyncConnection, kind: Kind) -> list[Membership]:
    """Every one of this kind, by name."""
    parts = _PARTS[kind]
    counted = select(func.count()).select_from(parts.members).where(parts.member_of == parts.table.c.id)
    query = _named(kind).add_columns(parts.table.c.created_at, counted.scalar_subquery().label("members"))
    if kind == "role":
        query = query.add_columns(roles.c.description)
    rows = (await db.execute(query)).all()
    found = [
        Membership(kind, row.full_name, row.description if kind == "role" else "", row.members, row.created_at)
        for row in rows
    ]
    return sorted(found, key=lambda each: each.name)


async def add_member(
    db: AsyncConnection,
    services: Services,
    kind: Kind,
    name: str,
    person_id: bytes,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> bool:
    """Puts an existing person into it; False where they were in it. Raises Refused where there is no such thing.

    Not checked here: that the actor may (S43).
    """
    parts, found = _PARTS[kind], await _load_id(db, kind, name)
    row = {parts.member_of.name: found, "person_id": person_id, "created_at": now}
    into = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
    added = into(parts.members).values(row).on_conflict_do_nothing().returning(parts.members.c.person_id)
    if (await db.execute(added)).first() is None:
        return False
    await _tell(db, services, parts.given, name, person_id, now=now, actor=actor, origin=origin)
    return True


async def remove_member(
    db: AsyncConnection,
    services: Services,
    kind: Kind,
    name: str,
    person_id: bytes,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> bool:
    """Takes a person out of it; False where they were not in it. Raises Refused where there is no such thing."""
    parts, found = _PARTS[kind], await _load_id(db, kind, name)
    gone = delete(parts.members).where(parts.member_of == found, parts.members.c.person_id == person_id)
    if (await db.execute(gone.returning(parts.members.c.person_id))).first() is None:
        return False
    await _tell(db, services, parts.taken, name, person_id, now=now, actor=actor, origin=origin)
    return True


async def _tell(
    db: AsyncConnection,
    services: Services,
    event_type: EventType,
    name: str,
    person_id: bytes,
    *,
    now: datetime,
    actor: str,
    origin: Origin,
) -> None:
    event = Event(
        type=event_type,
        actor=actor,
        subject=show_id(PERSON, person_id),
        person=person_id,
        origin=origin,
        data={"name": name},
    )
    await services.emitter.emit(db, event, now=now)


def _check_name(kind: Kind, name: str) -> str:
    """The name without its organisation; raises Refused."""
    names = name.split("/")
    if len(names) > (2 if kind == "group" else 1):
        what = "NAME or ORGANISATION/NAME" if kind == "group" else "a name without a slash"
        raise Refused("name", f"expected {what}")
    for each in names:
        if not 1 <= len(each) <= MAX_NAME or not each.isprintable() or each != each.strip():
            raise Refused("name", f"a name has 1 to {MAX_NAME} printable characters, and no space around it")
    return names[-1]


def _named(kind: Kind) -> Select[tuple[bytes, str]]:
    """Ids with full names."""
    table = _PARTS[kind].table
    if kind != "group":
        return select(table.c.id, table.c.name.label("full_name"))
    full = func.coalesce(organisations.c.name + "/", "") + groups.c.name
    return select(groups.c.id, full.label("full_name")).select_from(groups.outerjoin(organisations))


async def _find_id(db: AsyncConnection, kind: Kind, name: str) -> bytes | None:
    query, (first, slash, last) = _named(kind), name.partition("/")
    if kind == "group" and slash:
        query = query.where(organisations.c.name == first, groups.c.name == last)
    elif kind == "group":
        query = query.where(groups.c.organisation_id.is_(None), groups.c.name == name)
    else:
        query = query.where(_PARTS[kind].table.c.name == name)
    row = (await db.execute(query)).first()
    return None if row is None else bytes(row.id)


async def _load_id(db: AsyncConnection, kind: Kind, name: str) -> bytes:
    found = await _find_id(db, kind, name)
    if found is None:
        raise Refused("organisation" if kind == "organisation" else "name", f"there is no {kind} {name}")
    return found
