"""Reads every application: what it may ask for, when it last did, and how old its secrets are."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reports.tally import is_own
from audit.tables import events
from identity.access_review.people import is_live_grant
from identity.access_review.review_values import ClientAccess
from identity.tables import client_secrets, clients, grants


async def load_clients_access(db: AsyncConnection, now: datetime) -> list[ClientAccess]:
    """Every application, oldest first."""
    live = await _live_grants(db, now)
    secrets = await _secrets(db, now)
    found = []
    for row in (await db.execute(select(clients).order_by(clients.c.created_at, clients.c.client_id))).all():
        oldest, count = secrets.get(row.client_id, (None, 0))
        found.append(
            ClientAccess(
                client_id=row.client_id,
                name=row.name,
                auth_method=row.auth_method,
                grants=tuple(row.grants),
                scopes=tuple(row.scopes),
                apis=tuple(f"{api}: {' '.join(scopes)}" for api, scopes in row.apis.items()),
                is_disabled=row.disabled_at is not None,
                created_at=row.created_at,
                last_used_at=await _last_used(db, row.client_id),
                secret_at=oldest,
                secrets=count,
                live=live.get(row.client_id, 0),
            )
        )
    return found


async def _last_used(db: AsyncConnection, client_id: str) -> datetime | None:
    """The last event of ours that names the application and was its own doing; by the index over application and time.

    What other services tell of it is no use: they could keep a forgotten application out of the review.
    """
    did = or_(events.c.family.in_(("token", "login", "session")), events.c.actor == client_id)
    query = select(events.c.at).where(events.c.client_id == client_id, did, events.c.outcome == "success", is_own())
    return (await db.execute(query.order_by(events.c.at.desc(), events.c.id.desc()).limit(1))).scalar_one_or_none()


async def _live_grants(db: AsyncConnection, now: datetime) -> Mapping[str, int]:
    query = (
        select(grants.c.client_id, func.count().label("live")).where(is_live_grant(now)).group_by(grants.c.client_id)
    )
    return {row.client_id: int(row.live) for row in await db.execute(query)}


async def _secrets(db: AsyncConnection, now: datetime) -> Mapping[str, tuple[datetime, int]]:
    """When the oldest secret that works was made, and how many work, by application."""
    c = client_secrets.c
    works = or_(c.expires_at.is_(None), c.expires_at > now)
    query = select(c.client_id, func.min(c.created_at).label("oldest"), func.count().label("works"))
    rows = await db.execute(query.where(works).group_by(c.client_id))
    return {row.client_id: (row.oldest, int(row.works)) for row in rows}
