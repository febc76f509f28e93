"""Reads every account and what it can do: one query a kind of thing, however many accounts there are."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Table, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from identity.access_review.review_values import PersonAccess
from identity.membership_tables import group_members, groups, organisation_members, organisations, role_members, roles
from identity.tables import clients, consents, credentials, devices, grants, people, sessions
from policy.assurance import STRONG

# More accounts than this are for a program to review, by the API.
MOST = 20_000


async def load_people(db: AsyncConnection, now: datetime) -> list[PersonAccess]:
    """Every account that is not deleted, oldest first, at most `MOST`."""
    methods = await _methods(db)
    memberships = await _memberships(db)
    applications = await _applications(db, now)
    seen, live = await _last_seen(db), await _live(db, now)
    query = select(people.c.id, people.c.state, people.c.is_admin, people.c.created_at)
    rows = await db.execute(
        query.where(people.c.state != "deleted").order_by(people.c.created_at, people.c.id).limit(MOST)
    )
    found = []
    for row in rows:
        key = bytes(row.id)
        kinds = methods.get(key, frozenset())
        found.append(
            PersonAccess(
                id=key,
                state=row.state,
                is_admin=bool(row.is_admin),
                created_at=row.created_at,
                factors=kinds - {"password"},
                has_password="password" in kinds,
                has_strong=bool(kinds & STRONG),
                last_seen_at=seen.get(key),
                memberships=tuple(sorted(memberships.get(key, ()))),
                applications=tuple(sorted(applications.get(key, ()))),
                live=live.get(key, 0),
            )
        )
    return found


def is_live_session(now: datetime) -> ColumnElement[bool]:
    """The condition for sessions that are not over."""
    c = sessions.c
    return and_(c.ended_at.is_(None), c.expires_at > now, c.idle_expires_at > now)


def is_live_grant(now: datetime) -> ColumnElement[bool]:
    """The condition for grants that still give tokens: by a refresh token, or by the session that they hang on."""
    c = grants.c
    refreshes = and_(c.refresh_key.is_not(None), c.refresh_expires_at > now, c.refresh_idle_expires_at > now)
    hangs = c.session_id.in_(select(sessions.c.id).where(is_live_session(now)))
    return and_(c.ended_at.is_(None), or_(and_(c.offline, refreshes), and_(~c.offline, hangs)))


async def _last_seen(db: AsyncConnection) -> Mapping[bytes, datetime]:
    found: dict[bytes, datetime] = {}
    for table in (sessions, devices):
        query = select(table.c.person_id, func.max(table.c.last_seen_at).label("at")).group_by(table.c.person_id)
        for row in await db.execute(query):
            key = bytes(row.person_id)
            found[key] = max(row.at, found.get(key, row.at))
    return found


async def _live(db: AsyncConnection, now: datetime) -> Mapping[bytes, int]:
    found: dict[bytes, int] = {}
    for table, condition in ((sessions, is_live_session(now)), (grants, is_live_grant(now))):
        query = select(table.c.person_id, func.count().label("count")).where(condition).group_by(table.c.person_id)
        for row in await db.execute(query):
            key = bytes(row.person_id)
            found[key] = found.get(key, 0) + int(row._mapping["count"])
    return found


async def _memberships(db: AsyncConnection) -> Mapping[bytes, set[str]]:
    found: dict[bytes, set[str]] = {}
    pairs: tuple[tuple[Table, Table], ...] = (
        (organisation_members, organisations),
        (group_members, groups),
        (role_members, roles),
    )
    for members, named in pairs:
        query = select(members.c.person_id, named.c.name).select_from(members.join(named))
        for row in await db.execute(query):
            found.setdefault(bytes(row.person_id), set()).add(row.name)
    return found


async def _applications(db: AsyncConnection, now: datetime) -> Mapping[bytes, set[str]]:
    """What was allowed by consent, and what has a working grant without one."""
    found: dict[bytes, set[str]] = {}
    allowed = select(consents.c.person_id, clients.c.name).select_from(consents.join(clients)).distinct()
    granted = select(grants.c.person_id, clients.c.name).select_from(grants.join(clients))
    for query in (allowed, granted.where(is_live_grant(now)).distinct()):
        for row in await db.execute(query):
            found.setdefault(bytes(row.person_id), set()).add(row.name)
    return found


async def _methods(db: AsyncConnection) -> Mapping[bytes, frozenset[str]]:
    found: dict[bytes, set[str]] = {}
    for row in await db.execute(select(credentials.c.person_id, credentials.c.kind)):
        found.setdefault(bytes(row.person_id), set()).add(row.kind)
    return {key: frozenset(kinds) for key, kinds in found.items()}
