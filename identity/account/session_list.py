"""A person's live sessions, read in two statements however many there are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import SESSION_STARTED
from audit.search.of_person import list_person_events
from base.ids import SESSION, show_id
from identity.account.browsers import Browser, parse_label
from identity.services import Services
from identity.tables import devices, sessions

MOST = 200


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as its person sees it; `address` is where it was begun from, None where nobody knows."""

    id: str
    browser: Browser
    begun_at: datetime
    used_at: datetime
    address: str | None
    is_this: bool


async def list_sessions(
    db: AsyncConnection, services: Services, person_id: bytes, *, this: bytes, now: datetime
) -> list[ListedSession]:
    """This session first, then the others, those used last before those used long ago; `MOST` at most."""
    alive = (sessions.c.ended_at.is_(None), sessions.c.idle_expires_at > now, sessions.c.expires_at > now)
    query = (
        select(sessions.c.id, sessions.c.created_at, sessions.c.last_seen_at, devices.c.label)
        .outerjoin(devices, devices.c.id == sessions.c.device_id)
        .where(sessions.c.person_id == person_id, *alive)
        .order_by((sessions.c.id == this).desc(), sessions.c.last_seen_at.desc(), sessions.c.id)
        .limit(MOST)
    )
    rows = (await db.execute(query)).all()
    begun = await list_person_events(
        db,
        services.emitter,
        services.sealer,
        person_id,
        limit=len(rows),
        only=(SESSION_STARTED.name,),
        at={row.created_at for row in rows},
    )
    addresses = {event.session_id: event.personal.get("address") for event in begun}
    return [
        ListedSession(
            show_id(SESSION, row.id),
            parse_label(row.label),
            row.created_at,
            row.last_seen_at,
            address if isinstance(address := addresses.get(row.id), str) else None,
            row.id == this,
        )
        for row in rows
    ]
