"""The end of an account: asked for, taken back within a grace, and done when that is over.

What stays is the row without a name and the events, whose personal fields nobody can read any more (S47).
"""

from datetime import datetime

from sqlalchemy import Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import PERSON_DELETION_ASKED, PERSON_DELETION_UNDONE, EventType
from audit.record import Event, Origin
from audit.removal.erasure import erase_person
from base.clock import to_seconds
from base.ids import PERSON, show_id
from base.tables import outbox
from identity.accounts import set_person_state
from identity.errors import Refused
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.membership_tables import group_members, organisation_members, role_members
from identity.services import Services
from identity.tables import (
    attempts,
    consents,
    credentials,
    devices,
    emails,
    external_identities,
    people,
    sessions,
    single_use,
)
from risk.tables import risk_profiles, risk_reports

BATCH = 100
# What tells who somebody was. Sessions and grants are ended, and go with the others that ended.
_PERSONAL: tuple[Table, ...] = (
    credentials, emails, devices, external_identities, attempts, single_use, consents, outbox,
    organisation_members, group_members, role_members, risk_profiles, risk_reports,
)  # fmt: skip


async def ask_deletion(
    db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime, actor: str, origin: Origin
) -> datetime:
    """The account will be deleted then, unless the person takes it back; raises Refused for the last administrator."""
    if await _is_last_admin(db, person_id):
        raise Refused("person", "You are the only administrator. Make somebody else one first.")
    at = now + services.settings.delete_grace
    asked = update(people).where(people.c.id == person_id, people.c.delete_at.is_(None))
    asked = asked.values(delete_at=at, updated_at=now, version=people.c.version + 1)
    if (await db.execute(asked.returning(people.c.id))).first() is None:
        # Asked twice: the first one counts.
        kept: datetime = (await db.execute(select(people.c.delete_at).where(people.c.id == person_id))).scalar_one()
        return kept
    data: dict[str, object] = {"at": to_seconds(at)}
    await _emit(db, services, PERSON_DELETION_ASKED, person_id, data, now=now, actor=actor, origin=origin)
    await notify(db, services, person_id, Notice.DELETION_ASKED, now=now, origin=origin, about={"delete_at": at})
    return at


async def keep_person(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> bool:
    """Takes the wish to be deleted back; False where there was none."""
    kept = update(people).where(people.c.id == person_id, people.c.delete_at.is_not(None))
    kept = kept.values(delete_at=None, updated_at=now, version=people.c.version + 1)
    if (await db.execute(kept.returning(people.c.id))).first() is None:
        return False
    await _emit(db, services, PERSON_DELETION_UNDONE, person_id, {}, now=now, actor=actor, origin=origin)
    return True


async def delete_due_people(services: Services, *, now: datetime) -> int:
    """Deletes the accounts whose grace is over, each in a transaction of its own; returns how many."""
    due = select(people.c.id).where(people.c.delete_at <= now, people.c.state != "deleted")
    async with services.database.reading() as db:
        found = (await db.execute(due.order_by(people.c.delete_at).limit(BATCH))).scalars().all()
    gone = 0
    for person_id in found:
        async with services.database.transaction() as db:
            gone += await _delete_person(db, services, bytes(person_id), now=now)
    return gone


async def _delete_person(db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime) -> bool:
    still_due = select(people.c.id).where(people.c.id == person_id, people.c.delete_at <= now)
    if (await db.execute(still_due.with_for_update())).first() is None:
        # Taken back a moment ago, or another process was faster.
        return False
    try:
        await delete_person(db, services, person_id, now=now, actor="system")
    except Refused:
        # Became the last administrator meanwhile (S43): the account stays, and whoever asked can ask again.
        await keep_person(db, services, person_id, now=now, actor="system")
        return False
    return True


async def delete_person(
    db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime, actor: str, origin: Origin = Origin()
) -> None:
    """Deletes an account for good, with everything that tells who it was, in the log as well (S47).

    To be called last in the caller's transaction (`audit.removal.erasure`). Raises Refused for the last administrator,
    and JournalUnwritable, upon which nothing may be committed.
    """
    await set_person_state(db, services, person_id, "deleted", now=now, actor=actor, origin=origin)
    await remove_personal_data(db, person_id)
    await erase_person(db, services.audit, person_id, now=now, actor=actor, origin=origin)


async def remove_personal_data(db: AsyncConnection, person_id: bytes) -> None:
    """Takes everything from a deleted account that tells who it was; the events are not touched."""
    for table in _PERSONAL:
        await db.execute(delete(table).where(table.c.person_id == person_id))
    looks = update(sessions).where(sessions.c.person_id == person_id).values(assessment=None, seen=None)
    await db.execute(looks)
    nobody = update(people).where(people.c.id == person_id)
    await db.execute(
        nobody.values(username=None, username_key=None, profile={}, is_admin=False, delete_at=None, enrol_due_at=None)
    )


async def _is_last_admin(db: AsyncConnection, person_id: bytes) -> bool:
    admins = select(people.c.id).where(people.c.is_admin.is_(True), people.c.state == "active").limit(2)
    return (await db.execute(admins)).scalars().all() == [person_id]


async def _emit(
    db: AsyncConnection,
    services: Services,
    kind: EventType,
    person_id: bytes,
    data: dict[str, object],
    *,
    now: datetime,
    actor: str,
    origin: Origin,
) -> None:
    subject = show_id(PERSON, person_id)
    event = Event(type=kind, actor=actor, subject=subject, person=person_id, origin=origin, data=data)
    await services.emitter.emit(db, event, now=now)
