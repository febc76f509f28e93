"""Everything that "this was not me" ends and undoes (point by point in `end_all`)."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import DEVICE_FORGOTTEN, RECOVERY_NOT_ME, EventType
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity import links, passwords
from identity.account.deletion import keep_person
from identity.assessing.recovering import forget_history
from identity.links import Link
from identity.mail.letter_values import Notice
from identity.recovery.added_since import find_added, remove_added
from identity.recovery.asking import RECOVER
from identity.recovery.codes import KIND as CODE
from identity.recovery.emails import KIND as VERIFY
from identity.recovery.emails import restore_primary
from identity.recovery.link_page import lock_active
from identity.recovery.new_passwords import end_everything
from identity.recovery.password_links import make_password_link
from identity.recovery.resets import KIND as RESET
from identity.services import Services
from identity.tables import devices, single_use

KIND = "not_me"
WHY = "not_me"
UNLOCK = "unlock"


async def end_all(
    db: AsyncConnection, services: Services, link: Link, person_id: bytes, *, now: datetime, origin: Origin
) -> str | None:
    """Ends everything once, and gives the text of a fresh link to choose a new password; None where the link is spent.

    The holder has shown that they read the mailbox, so they may choose at once; whoever knew the old password may not.
    Failure counters stay as they are: they are in the attacker's way.
    """
    if not await lock_active(db, person_id):
        return None
    if await links.spend_link(db, KIND, link.digest, now=now) is None:
        return None
    actor = show_id(PERSON, person_id)
    await end_everything(db, services, person_id, why=WHY, now=now, origin=origin)
    await passwords.clear_password(db, services, person_id, why=WHY, now=now, actor=actor, origin=origin)
    await forget_history(db, person_id, now=now)
    for kind in (RECOVER, CODE, RESET, VERIFY, UNLOCK):
        await links.void_links(db, kind, person_id)
    await remove_added(db, services, person_id, await find_added(db, person_id, link), why=WHY, now=now, origin=origin)
    # Whoever did this did what was told of afterwards: taken back the newest first, so that the oldest state wins.
    for each in (*await _spend_later(db, person_id, link, now=now), link):
        await _undo(db, services, each, person_id, now=now, origin=origin)
    event = _event(RECOVERY_NOT_ME, person_id, {"about": str(link.payload["about"])}, origin)
    await services.emitter.emit(db, event, now=now)
    return await make_password_link(db, RECOVER, person_id, ttl=services.settings.recovery_ttl, now=now)


async def _spend_later(db: AsyncConnection, person_id: bytes, link: Link, *, now: datetime) -> list[Link]:
    """The unused links of notices since this one's, newest first; they work no more.

    Older ones go on to work: somebody who made another address the main one gets such a letter, too, and must not be
    able to take away the owner's.
    """
    made_at = select(single_use.c.created_at).where(single_use.c.digest == link.digest).scalar_subquery()
    later = (
        update(single_use)
        .where(
            single_use.c.person_id == person_id,
            single_use.c.kind == KIND,
            single_use.c.used_at.is_(None),
            single_use.c.created_at >= made_at,
        )
        .values(used_at=now)
        .returning(single_use.c.digest, single_use.c.person_id, single_use.c.payload, single_use.c.created_at)
    )
    rows = sorted((await db.execute(later)).all(), key=lambda row: row.created_at, reverse=True)
    return [Link(row.digest, row.person_id, row.payload) for row in rows]


async def _undo(
    db: AsyncConnection, services: Services, link: Link, person_id: bytes, *, now: datetime, origin: Origin
) -> None:
    """Takes back what a notice told of, as far as its link knows it."""
    facts = {name: bytes.fromhex(str(value)) for name, value in link.payload.items() if name != "about"}
    match link.payload["about"]:
        case Notice.NEW_DEVICE | Notice.NEW_COUNTRY | Notice.UNUSUAL_SIGNIN if "device" in facts:
            await _revoke_device(db, services, person_id, facts["device"], now=now, origin=origin)
        case Notice.EMAIL_CHANGED if "email" in facts:
            await restore_primary(db, services, person_id, facts["email"].decode(), now=now, origin=origin)
        case Notice.DELETION_ASKED:
            actor = show_id(PERSON, person_id)
            await keep_person(db, services, person_id, now=now, actor=actor, origin=origin)
        case _:
            pass


async def _revoke_device(
    db: AsyncConnection, services: Services, person_id: bytes, device_id: bytes, *, now: datetime, origin: Origin
) -> None:
    theirs = update(devices).where(devices.c.id == device_id, devices.c.person_id == person_id)
    revoked = theirs.values(revoked_at=now, version=devices.c.version + 1).returning(devices.c.id)
    if (await db.execute(revoked)).first() is not None:
        event = _event(DEVICE_FORGOTTEN, person_id, {"why": WHY}, origin, device_id=device_id)
        await services.emitter.emit(db, event, now=now)


def _event(
    kind: EventType, person_id: bytes, data: Mapping[str, object], origin: Origin, *, device_id: bytes | None = None
) -> Event:
    actor = show_id(PERSON, person_id)
    return Event(type=kind, actor=actor, subject=actor, person=person_id, device_id=device_id, origin=origin, data=data)
