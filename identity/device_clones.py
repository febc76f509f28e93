"""What follows when a device's cookie came from two places: nobody is known by it any more, and they are told."""

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import DEVICE_CLONED
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.services import Services
from identity.tables import devices


async def end_cloned(
    db: AsyncConnection, services: Services, cookie: bytes, *, now: datetime, origin: Origin = Origin()
) -> int:
    """Revokes the device whose replaced cookie has this digest, for everybody who is known by it; safe to repeat.

    Returns for how many people it was one.
    """
    came_back = or_(devices.c.previous_digest == cookie, devices.c.stray_digest == cookie)
    shared = select(devices.c.cookie_digest).where(came_back, devices.c.revoked_at.is_(None))
    cloned = (
        update(devices)
        .where(devices.c.cookie_digest.in_(shared), devices.c.revoked_at.is_(None))
        .values(revoked_at=now, trusted_until=None, version=devices.c.version + 1)
        .returning(devices.c.id, devices.c.person_id, devices.c.label)
    )
    rows = sorted((await db.execute(cloned)).all(), key=lambda row: bytes(row.id))
    events = [
        Event(
            type=DEVICE_CLONED,
            actor="anonymous",
            subject=show_id(PERSON, row.person_id),
            person=bytes(row.person_id),
            device_id=bytes(row.id),
            origin=origin,
            data={"effect": "revoked"},
            personal={"label": row.label},
        )
        for row in rows
    ]
    await services.emitter.emit_all(db, events, now=now)
    for row in rows:
        await notify(db, services, bytes(row.person_id), Notice.DEVICE_CLONED, now=now, origin=origin)
    return len(rows)
